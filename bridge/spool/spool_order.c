/*
 * What of the pending requests may not be done before what, and whose stream is whose. Doing it is
 * spool_work.c's.
 */
#include "spool_request.h"

#include <string.h>

bool spool_is_taken(void *user, uint64_t id)
{
    const struct spool_stream *asking = user;
    for (const struct spool_stream *s = asking->spool->streams; s != NULL; s = s->next)
        if (s != asking && !s->closed && (s->kept.id == id || s->work.id == id))
            return true;
    return false;
}

static bool is_taken_locking(void *user, uint64_t id)
{
    struct spool_stream *asking = user;
    uv_mutex_lock(&asking->spool->mutex);
    bool taken = spool_is_taken(user, id);
    uv_mutex_unlock(&asking->spool->mutex);
    return taken;
}

struct spool_db_who spool_who_of(const struct request *bind)
{
    struct spool_db_who who = {.url = bind->stream->url,
                               .topic = bind->topic,
                               .taken = is_taken_locking,
                               .user = bind->stream};
    memcpy(who.key, bind->key, sizeof who.key);
    return who;
}

/* A bind to another controller must not: a group goes to the stream that is there when it is
 * written. One that stays with its stream may, or a disk full of its readings would stay full. */
static bool must_not_overtake(struct spool *spool, const struct request *bind)
{
    const struct spool_db_who who = spool_who_of(bind);
    bool adds = false, binds = false, moves = true;
    for (const struct request *r = spool->pending.first; r != bind; r = r->next) {
        adds |= r->stream == bind->stream && !r->finished && r->kind == REQUEST_ADD;
        binds |= r->stream == bind->stream && !r->finished && r->kind == REQUEST_BIND;
    }
    if (!adds || binds)
        return adds;
    return spool_db_moves(spool->db, &who, &bind->stream->kept, &moves) != SPOOL_DB_OK || moves;
}

void spool_hold_back(struct spool *spool)
{
    for (struct request *r = spool->pending.first; r != NULL; r = r->next)
        if (r->kind == REQUEST_BIND && !r->finished)
            r->held = must_not_overtake(spool, r);
}

/* Groups of streams that are gone, when they cannot be written at once: nobody was told that they
 * are safe, so their boards have them still, and whoever has that controller now may be giving out
 * their ids. */
void spool_give_up_closed(struct spool *spool, bool all)
{
    uv_mutex_lock(&spool->mutex);
    for (struct request *r = spool->pending.first; r != NULL; r = r->next)
        if (r->kind == REQUEST_ADD && !r->finished && r->stream->closed &&
            (all || r->stream->faulty))
            r->finished = r->given_up = true;
    uv_mutex_unlock(&spool->mutex);
}
