/*
 * phx_storm_frames.c - messages from a server in a storm. What the machine may make of them is said
 * by phx_storm.c.
 */
#include "phx_storm_core.h"

#include <string.h>

#define FRAME_MAX 300

const char *const phx_storm_topics[TOPICS] = {"room:1", "room:2", "a\"b"};

unsigned phx_storm_draw(struct storm *s, unsigned below)
{
    return s->at < s->end ? *s->at++ % below : 0;
}

static void feed(struct storm *s, bool binary, const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);

    if (!copy)
        abort();
    memcpy(copy, text, len);
    if (binary)
        phx_machine_binary(s->machine, copy, len, s->now);
    else
        phx_machine_text(s->machine, copy, len, s->now);
    free(copy);
}

/* A frame of the server that is about right: refs that exist, or nearly. */
void phx_storm_frame(struct storm *s)
{
    static const char *const events[] = {"phx_reply", "phx_reply", "phx_reply",
                                         "phx_close", "phx_error", "news"};
    static const char *const payloads[] = {
        "{\"status\":\"ok\",\"response\":{}}", "{\"status\":\"error\",\"response\":{}}",
        "{\"status\":\"error\",\"response\":{\"reason\":\"unmatched topic\"}}", "{}"};
    static const char *const names[] = {"room:1", "room:2", "a\\\"b", "phoenix", "other"};
    unsigned long join_ref = (unsigned long)s->machine->last_ref - phx_storm_draw(s, 4);
    unsigned long ref = (unsigned long)s->machine->last_ref - phx_storm_draw(s, 4);
    const char *topic = names[phx_storm_draw(s, 5)], *event = events[phx_storm_draw(s, 6)];
    const char *payload = payloads[phx_storm_draw(s, 4)];
    char text[FRAME_MAX];
    int n;

    switch (phx_storm_draw(s, 4)) {
    case 0:
        n = snprintf(text, sizeof text, "[null,\"%lu\",\"%s\",\"%s\",%s]", ref, topic, event,
                     payload);
        break;
    case 1:
        n = snprintf(text, sizeof text,
                     "{\"topic\":\"%s\",\"event\":\"%s\",\"ref\":\"%lu\",\"payload\":%s}", topic,
                     event, ref, payload);
        break;
    default:
        n = snprintf(text, sizeof text, "[\"%lu\",\"%lu\",\"%s\",\"%s\",%s]", join_ref, ref, topic,
                     event, payload);
        break;
    }
    feed(s, false, text, (size_t)n);
}

static void reply(struct storm *s, uint64_t join_ref, uint64_t ref, const char *topic)
{
    char text[FRAME_MAX];
    int n =
        snprintf(text, sizeof text,
                 "[%s%.0llu%s,\"%llu\",\"%s\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]",
                 join_ref ? "\"" : "null", (unsigned long long)join_ref, join_ref ? "\"" : "",
                 (unsigned long long)ref, topic);

    if (strcmp(topic, "phoenix") == 0)
        s->stalled += s->now - s->alive; /* it may answer a heartbeat that a probe overtook */
    feed(s, false, text, (size_t)n);
}

/* The same as a binary message. */
void phx_storm_binary_frame(struct storm *s)
{
    struct phx_text names[4];
    char text[FRAME_MAX], refs[2][21];
    unsigned kind = phx_storm_draw(s, 3), count = kind == 1 ? 4 : kind == 0 ? 3 : 2, i = 0;
    size_t n = 0;

    snprintf(refs[0], sizeof refs[0], "%llu",
             (unsigned long long)s->machine->last_ref - phx_storm_draw(s, 4));
    snprintf(refs[1], sizeof refs[1], "%llu",
             (unsigned long long)s->machine->last_ref - phx_storm_draw(s, 4));
    if (kind != 2)
        names[i++] = phx_text_of(refs[0]);
    if (kind == 1)
        names[i++] = phx_text_of(refs[1]);
    names[i++] = phx_text_of(phx_storm_topics[phx_storm_draw(s, TOPICS)]);
    names[i] = phx_text_of(phx_storm_draw(s, 2) ? "ok" : "error");
    text[n++] = (char)kind;
    for (i = 0; i < count; i++)
        text[n++] = (char)names[i].len;
    for (i = 0; i < count; i++) {
        memcpy(text + n, names[i].at, names[i].len);
        n += names[i].len;
    }
    feed(s, true, text, n);
}

/* The server does what it should: answers a heartbeat, a join or a push. */
void phx_storm_answer(struct storm *s)
{
    static const char *const names[TOPICS] = {"room:1", "room:2", "a\\\"b"};
    unsigned topic = phx_storm_draw(s, TOPICS);
    const struct phx_channel *ch;

    if (s->machine->heartbeat_ref)
        reply(s, 0, s->machine->heartbeat_ref, "phoenix");
    if (!s->topics[topic])
        return;
    ch = s->topics[topic]->channel;
    if (ch->state == PHX_CH_JOINING)
        reply(s, ch->join_ref, ch->join_ref, names[topic]);
    else if (ch->pushes.first)
        reply(s, ch->join_ref, ch->pushes.first->ref, names[topic]);
}

void phx_storm_raw(struct storm *s)
{
    bool binary = phx_storm_draw(s, 2);
    size_t n = phx_storm_draw(s, 64);

    if (n > (size_t)(s->end - s->at))
        n = (size_t)(s->end - s->at);
    s->at += n;
    feed(s, binary, (const char *)s->at - n, n);
}
