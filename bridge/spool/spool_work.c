/*
 * The spool's thread: requests are done in the order of asking, as much as there is in one
 * transaction. A transaction that fails is undone and its requests stay; those that only free room
 * are tried without the others, and after a fault of this program each stream is tried without the
 * others. The tables are spool_table.c's, the file is spool_db.c's.
 */
#include "spool.h"
#include "spool_file.h"
#include "spool_request.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_NS     UINT64_C(1000000000)
#define EXPIRE_BATCH 256
#define WHY_BYTES    256
#define WHO          "spool"

int64_t spool_work_unix_minus_boot_us(void)
{
    struct timespec wall, boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (int64_t)(wall.tv_sec - boot.tv_sec) * 1000000 + (wall.tv_nsec - boot.tv_nsec) / 1000;
}

static void found_clock(void *user, uint32_t clock, int64_t unix_minus_us)
{
    struct spool *spool = user;
    struct clock_offset *grown =
        realloc(spool->clocks, (spool->clock_count + 1) * sizeof *spool->clocks);
    if (grown == NULL)
        return;
    spool->clocks = grown;
    grown[spool->clock_count++] = (struct clock_offset){clock, unix_minus_us};
}

/* -- One transaction. */

static enum spool_db_result bind_stream(struct spool *spool, struct request *request)
{
    struct spool_stream *stream = request->stream;
    const struct spool_db_who who = spool_who_of(request);
    enum spool_db_result result =
        spool_db_bind(spool->db, &who, 0, &stream->work, &request->changed);
    request->bound = stream->work;
    memcpy(stream->work_key, request->key, sizeof stream->work_key);
    snprintf(stream->work_topic, sizeof stream->work_topic, "%s", request->topic);
    return result;
}

static enum spool_db_result add(struct spool *spool, struct request *request)
{
    struct spool_stream *stream = request->stream;
    request->id = stream->work.id << SPOOL_DB_STREAM_SHIFT | stream->work.n++;
    request->clock = spool_db_clock(spool->db);
    return spool_db_add(spool->db, request->id, &request->group);
}

static enum spool_db_result settle_one(struct spool *spool, struct request *request,
                                       const struct settle_item *item)
{
    uint64_t readings = 0, bytes = 0;
    enum spool_db_result result = SPOOL_DB_OK;
    switch (item->kind) {
    case SETTLE_PARKED:
        return spool_db_park(spool->db, request->stream->work.id, &item->parked);
    case SETTLE_DAMAGED:
        result = spool_db_park_group(spool->db, item->id);
        if (result == SPOOL_DB_OK)
            result = spool_db_delivered(spool->db, item->id, 0, true, &readings, &bytes);
        break;
    case SETTLE_DELIVERED:
        result =
            spool_db_delivered(spool->db, item->id, item->upto, item->whole, &readings, &bytes);
        break;
    }
    request->readings += readings;
    request->bytes += bytes;
    return result;
}

static enum spool_db_result settle(struct spool *spool, struct request *request)
{
    enum spool_db_result result = SPOOL_DB_OK;
    request->readings = request->bytes = 0;
    for (size_t i = 0; i < request->item_count && result == SPOOL_DB_OK; i++)
        result = settle_one(spool, request, &request->items[i]);
    return result;
}

static enum spool_db_result expire(struct spool *spool, struct request *request)
{
    int64_t before_us = 0;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    before_us = (int64_t)wall.tv_sec * 1000000 - (int64_t)spool->max_age_ms * 1000;
    return spool_db_expire(spool->db, request->stream->work.id, request->after, before_us,
                           EXPIRE_BATCH, &request->readings, &request->bytes);
}

static enum spool_db_result apply(struct spool *spool, struct request *request)
{
    switch (request->kind) {
    case REQUEST_BIND:
        return bind_stream(spool, request);
    case REQUEST_ADD:
        return add(spool, request);
    case REQUEST_SETTLE:
        return settle(spool, request);
    case REQUEST_EXPIRE:
        return expire(spool, request);
    case REQUEST_LOAD:
        break;
    }
    return SPOOL_DB_OK;
}

/* Which of the pending requests a transaction is of. */
struct choice {
    bool freeing_only;
    const struct spool_stream *only; /* NULL: of all that are not faulty */
};

static bool is_of(const struct request *request, const struct choice *choice)
{
    if (request->kind == REQUEST_LOAD || request->finished ||
        (choice->freeing_only && (request->kind == REQUEST_ADD || request->held)))
        return false;
    return choice->only == NULL ? !request->stream->faulty : request->stream == choice->only;
}

static void keep_or_undo(struct spool *spool, const struct choice *choice, bool good)
{
    for (struct request *r = spool->pending.first; r != NULL; r = r->next) {
        if (!is_of(r, choice))
            continue;
        if (good) {
            r->stream->kept = r->stream->work;
            r->finished = true;
        } else {
            r->stream->work = r->stream->kept;
        }
    }
}

/* `why` has WHY_BYTES, and gets the reason of a failure. */
static enum spool_db_result transact(struct spool *spool, const struct choice *choice, char *why)
{
    bool any = false;
    for (struct request *r = spool->pending.first; r != NULL; r = r->next)
        any |= is_of(r, choice);
    if (!any)
        return SPOOL_DB_OK;
    enum spool_db_result result = spool_db_begin(spool->db);
    if (result == SPOOL_DB_OK)
        result = spool_db_note_clock(spool->db, spool_work_unix_minus_boot_us());
    for (struct request *r = spool->pending.first; r != NULL && result == SPOOL_DB_OK; r = r->next)
        if (is_of(r, choice))
            result = apply(spool, r);
    if (result == SPOOL_DB_OK)
        result = spool_db_commit(spool->db);
    if (result != SPOOL_DB_OK) {
        snprintf(why, WHY_BYTES, "%s", spool_db_error(spool->db));
        spool_db_rollback(spool->db);
    }
    keep_or_undo(spool, choice, result == SPOOL_DB_OK);
    uv_mutex_lock(&spool->mutex);
    spool->stats.commits += result == SPOOL_DB_OK ? 1 : 0;
    uv_mutex_unlock(&spool->mutex);
    return result;
}

/* -- Faults of this program: one stream's must not hold up the others. */

static void set_faulty(struct spool *spool, struct spool_stream *stream, bool faulty,
                       const char *why)
{
    const char *topic = stream->work_topic[0] == '\0' ? "an MCU" : stream->work_topic;
    uv_mutex_lock(&spool->mutex);
    spool->stats.faults += faulty ? 1 : 0;
    spool->stats.errors += faulty ? 1 : 0;
    if (faulty && !stream->faulty)
        spool->stats.faulty++;
    else if (!faulty && stream->faulty)
        spool->stats.faulty--;
    uv_mutex_unlock(&spool->mutex);
    if (faulty && !stream->faulty)
        log_error(
            WHO,
            "%s: %s: this is a fault of mcu-bridge, please report it; the file is kept, and the "
            "readings of %s stay with their board; starting mcu-bridge again may help",
            spool->path, why, topic);
    else if (!faulty)
        log_info(WHO, "%s: readings of %s are stored again", spool->path, topic);
    stream->faulty = faulty;
}

static enum spool_db_result try_stream(struct spool *spool, struct spool_stream *stream, char *why)
{
    const struct choice choice = {.only = stream};
    enum spool_db_result result = transact(spool, &choice, why);
    if (result == SPOOL_DB_FAULT)
        set_faulty(spool, stream, true, why);
    else if (result == SPOOL_DB_OK && stream->faulty)
        set_faulty(spool, stream, false, why);
    return result == SPOOL_DB_FAULT ? SPOOL_DB_OK : result;
}

/* Of what its stream waits for to be written. */
static bool is_first(const struct spool *spool, const struct request *request)
{
    const struct choice choice = {.only = request->stream};
    const struct request *r = spool->pending.first;
    while (r != request && !is_of(r, &choice))
        r = r->next;
    return r == request && is_of(r, &choice);
}

/* Each stream alone: those that were faulty before, or those that were not. */
static enum spool_db_result try_apart(struct spool *spool, bool faulty, char *why)
{
    enum spool_db_result result = SPOOL_DB_OK;
    spool->fault_ns = uv_hrtime() + RETRY_NS;
    for (struct request *r = spool->pending.first; r != NULL && result == SPOOL_DB_OK; r = r->next)
        if (r->stream->faulty == faulty && is_first(spool, r))
            result = try_stream(spool, r->stream, why);
    return result;
}

/* Every pending request that writes, or only those that free room. */
static enum spool_db_result write_all(struct spool *spool, bool freeing_only, char *why)
{
    const struct choice choice = {.freeing_only = freeing_only};
    if (freeing_only)
        spool_hold_back(spool);
    enum spool_db_result result = transact(spool, &choice, why);
    if (result == SPOOL_DB_FAULT)
        result = try_apart(spool, false, why);
    return result;
}

/* -- The file. */

static void forget_file(struct spool *spool)
{
    uv_mutex_lock(&spool->mutex);
    spool->stats.set_aside++;
    spool->stats.faulty = 0;
    for (struct spool_stream *stream = spool->streams; stream != NULL; stream = stream->next) {
        stream->lost = stream->kept.id != 0;
        stream->faulty = false;
    }
    uv_mutex_unlock(&spool->mutex);
}

/* Returns whether its place is free for a new one. */
static bool set_aside(struct spool *spool, enum spool_db_result why_so, const char *why)
{
    char name[SPOOL_PATH_BYTES + 64];
    spool_db_close(spool->db);
    spool->db = NULL;
    if (spool_file_count_aside(spool->path) >= SPOOL_ASIDE_MAX) {
        log_error(
            WHO,
            "%s: %s; %d files were set aside beside it already: move them away, and a new one "
            "is begun; readings stay with their boards until then (RECOVERING in "
            "mcu-bridge(1))",
            spool->path, why, SPOOL_ASIDE_MAX);
        return false;
    }
    const char *word = why_so == SPOOL_DB_NEWER ? "newer" : "damaged";
    if (spool_file_set_aside(spool->path, word, name, sizeof name) != 0) {
        log_error(WHO, "%s: %s, and it cannot be renamed: %s", spool->path, why, strerror(errno));
        return false;
    }
    log_error(WHO,
              "%s: %s; it is kept as %s and a new one begun; what it holds has not reached the "
              "server: see RECOVERING in mcu-bridge(1)",
              spool->path, why, name);
    forget_file(spool);
    return true;
}

/* Streams that were found in a file that is gone are begun again in this one, under their ids. */
static enum spool_db_result refind_locked(struct spool *spool)
{
    enum spool_db_result result = SPOOL_DB_OK;
    bool changed, any = false;
    for (struct spool_stream *s = spool->streams; s != NULL; s = s->next)
        any |= s->lost;
    if (!any)
        return SPOOL_DB_OK;
    result = spool_db_begin(spool->db);
    for (struct spool_stream *s = spool->streams; s != NULL && result == SPOOL_DB_OK; s = s->next) {
        if (!s->lost)
            continue;
        struct spool_db_who who = {
            .url = s->url, .topic = s->work_topic, .taken = spool_is_taken, .user = s};
        struct spool_db_stream fresh = {.id = 0};
        memcpy(who.key, s->work_key, sizeof who.key);
        result = spool_db_bind(spool->db, &who, s->kept.id, &fresh, &changed);
    }
    if (result == SPOOL_DB_OK)
        result = spool_db_commit(spool->db);
    if (result != SPOOL_DB_OK) {
        spool_db_rollback(spool->db);
        return result;
    }
    for (struct spool_stream *s = spool->streams; s != NULL; s = s->next) {
        struct request *told = s->lost ? request_new(s, REQUEST_BIND) : NULL;
        s->lost = false;
        if (told == NULL)
            continue;
        told->begun_anew = told->finished = true;
        s->asked++;
        request_push(&spool->done, told);
    }
    return result;
}

/* Of a file that was just opened. */
static enum spool_db_result look_into(struct spool *spool)
{
    uint64_t readings, parked;
    uv_mutex_lock(&spool->mutex);
    enum spool_db_result result = refind_locked(spool);
    spool->clock_count = 0;
    spool->clock = spool_db_clock(spool->db);
    if (result == SPOOL_DB_OK)
        result = spool_db_each_clock(spool->db, spool, found_clock);
    if (result == SPOOL_DB_OK) /* without its marks, what boards repeat would be stored twice */
        result = spool_db_each_device(spool->db, spool, spool_mark_locked);
    spool->ready = result == SPOOL_DB_OK;
    uv_mutex_unlock(&spool->mutex);
    if (result == SPOOL_DB_OK)
        result = spool_db_totals(spool->db, &readings, &parked);
    if (result != SPOOL_DB_OK)
        return result;
    uv_mutex_lock(&spool->mutex);
    spool->stats.parked = parked;
    spool->found_readings = readings;
    spool->found = true;
    uv_mutex_unlock(&spool->mutex);
    return result;
}

static enum spool_db_result open_db(struct spool *spool, char *why, size_t why_cap)
{
    enum spool_db_result result = spool_db_open(&spool->db, spool->path, spool->vfs, why, why_cap);
    if (result == SPOOL_DB_DAMAGED || result == SPOOL_DB_NEWER) {
        if (!set_aside(spool, result, why))
            return SPOOL_DB_FAILED;
        result = spool_db_open(&spool->db, spool->path, spool->vfs, why, why_cap);
    }
    if (result == SPOOL_DB_OK)
        result = look_into(spool);
    if (result != SPOOL_DB_OK && spool->db != NULL) {
        snprintf(why, why_cap, "%s", spool_db_error(spool->db));
        spool_db_close(spool->db);
        spool->db = NULL;
    }
    return result;
}

static void note_failure(struct spool *spool, enum spool_db_result result, const char *why)
{
    bool fault = result == SPOOL_DB_FAULT;
    if (spool->failures++ == 0)
        log_error(WHO,
                  "%s: %s; %sreadings stay with their boards until it works again; trying each "
                  "second",
                  spool->path, why,
                  fault ? "this is a fault of mcu-bridge, please report it; " : "");
    spool->retry_ns = uv_hrtime() + RETRY_NS;
    uv_mutex_lock(&spool->mutex);
    spool->stats.errors++;
    spool->stats.faults += fault ? 1 : 0;
    spool->stats.failing = true;
    uv_mutex_unlock(&spool->mutex);
    if (result == SPOOL_DB_DAMAGED)
        set_aside(spool, result, why);
}

static void note_success(struct spool *spool)
{
    if (spool->failures == 0)
        return;
    log_info(WHO, "%s: works again after %llu failures", spool->path,
             (unsigned long long)spool->failures);
    spool->failures = spool->retry_ns = 0;
    uv_mutex_lock(&spool->mutex);
    spool->stats.failing = false;
    uv_mutex_unlock(&spool->mutex);
}

int spool_work_open(struct spool *spool, char *error, size_t error_cap)
{
    char why[WHY_BYTES] = "";
    int aside = spool_file_count_aside(spool->path);
    if (aside > 0)
        log_warning(
            WHO,
            "%s: %d files that were set aside lie beside it; what they hold has not reached "
            "the server: see RECOVERING in mcu-bridge(1)",
            spool->path, aside);
    enum spool_db_result result = open_db(spool, why, sizeof why);
    if (result == SPOOL_DB_NEVER) {
        snprintf(error, error_cap, "%s: %s: " SPOOL_ADVICE, spool->path, why);
        return -1;
    }
    if (result != SPOOL_DB_OK)
        note_failure(spool, result, why);
    return 0;
}

/* -- Rounds. */

/* What is under way of the stream before this request decides what it would find. */
static bool must_wait(const struct spool *spool, const struct request *load)
{
    for (const struct request *r = spool->pending.first; r != load; r = r->next)
        if (r->stream == load->stream && !r->finished && r->kind != REQUEST_ADD)
            return true;
    return load->stream->kept.id == 0;
}

static enum spool_db_result load_all(struct spool *spool)
{
    enum spool_db_result result = SPOOL_DB_OK;
    for (struct request *r = spool->pending.first; r != NULL && result == SPOOL_DB_OK;
         r = r->next) {
        if (r->kind != REQUEST_LOAD || must_wait(spool, r))
            continue;
        request_rows_clear(r);
        result = spool_db_load(spool->db, r->stream->kept.id, r->after, SPOOL_LOAD_BYTES, r,
                               request_rows_add, &r->end);
        r->finished = result == SPOOL_DB_OK;
    }
    return result;
}

static void hand_over(struct spool *spool)
{
    struct request_list still = {NULL, NULL}, done = {NULL, NULL};
    struct request *request;
    while ((request = request_pop(&spool->pending)) != NULL)
        request_push(request->finished ? &done : &still, request);
    spool->pending = still;
    if (done.first == NULL)
        return;
    uv_mutex_lock(&spool->mutex);
    while ((request = request_pop(&done)) != NULL)
        request_push(&spool->done, request);
    uv_mutex_unlock(&spool->mutex);
    if (spool->async != NULL)
        uv_async_send(spool->async);
}

/* Everything that is pending and can be written now. */
static enum spool_db_result write_pending(struct spool *spool, bool failed_before, char *why)
{
    bool faulty_before = spool->stats.faulty > 0; /* this thread's alone to change */
    enum spool_db_result result = write_all(spool, false, why);
    if (result == SPOOL_DB_OK && faulty_before &&
        (!spool->threaded || uv_hrtime() >= spool->fault_ns))
        result = try_apart(spool, true, why);
    if (result == SPOOL_DB_FAILED || spool->stats.faulty > 0)
        spool_give_up_closed(spool, result == SPOOL_DB_FAILED);
    if (result == SPOOL_DB_FAILED && !failed_before) {
        char again[WHY_BYTES];
        write_all(spool, true, again);
    }
    return result;
}

static enum spool_db_result read_pending(struct spool *spool, char *why)
{
    enum spool_db_result result = load_all(spool);
    if (result != SPOOL_DB_OK)
        snprintf(why, WHY_BYTES, "%s", spool_db_error(spool->db));
    return result;
}

void spool_work_round(struct spool *spool)
{
    char why[WHY_BYTES] = "cannot be opened", other[WHY_BYTES];
    enum spool_db_result result = SPOOL_DB_OK;
    bool failed_before = spool->failures > 0;
    bool too_early = spool->threaded && uv_hrtime() < spool->retry_ns;
    if (failed_before)
        spool_give_up_closed(spool, true);
    if (spool->db == NULL && too_early)
        return;
    if (spool->db == NULL)
        result = open_db(spool, why, sizeof why);
    if (result == SPOOL_DB_OK && failed_before) {
        spool_db_reclaim(spool->db);
        result = write_all(spool, true, why);
    }
    if (result == SPOOL_DB_OK && too_early) {
        load_all(spool);
        hand_over(spool);
        return;
    }
    if (result == SPOOL_DB_OK)
        result = write_pending(spool, failed_before, why);
    if (result == SPOOL_DB_OK)
        result = read_pending(spool, why);
    else if (result == SPOOL_DB_FAILED && spool->db != NULL)
        read_pending(spool, other);
    if (result == SPOOL_DB_OK)
        note_success(spool);
    else
        note_failure(spool, result, why);
    hand_over(spool);
}

void spool_work_take(struct spool *spool)
{
    struct request *request;
    while ((request = request_pop(&spool->asked)) != NULL)
        request_push(&spool->pending, request);
}

/* Waits for something to do. Returns false when it is time to end. */
static bool await_work(struct spool *spool)
{
    uv_mutex_lock(&spool->mutex);
    uint64_t until = uv_hrtime() + RETRY_NS;
    while (spool->asked.first == NULL && !spool->stop) {
        if (spool->pending.first == NULL && spool->db != NULL) {
            uv_cond_wait(&spool->cond, &spool->mutex);
            continue;
        }
        uint64_t now = uv_hrtime();
        if (now >= until)
            break;
        uv_cond_timedwait(&spool->cond, &spool->mutex, until - now);
    }
    bool more = !spool->stop || spool->asked.first != NULL;
    spool_work_take(spool);
    uv_mutex_unlock(&spool->mutex);
    return more;
}

void spool_work(void *user)
{
    struct spool *spool = user;
    while (await_work(spool))
        spool_work_round(spool);
}
