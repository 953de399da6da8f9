/*
 * phx_week_server.c - a server by Phoenix's rules, with bad habits by lot, and the order of events.
 * What the client must hold to is said by phx_week.c, but for one rule that only a server sees.
 */
#include "phx_week.h"

#include "phx_backoff.h"
#include "phx_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 20000
#define CHANNELS   32
#define PUSHES_MAX 400000
#define FRAME_MAX  300

static struct week *week;
static enum phx_vsn vsn;

/* ---- events in their order: a heap ---- */

static struct event heap[EVENTS_MAX];
static size_t heap_len;
static uint64_t order;

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
    struct event held = heap[a];

    heap[a] = heap[b];
    heap[b] = held;
}

static void insert(const struct event *event)
{
    size_t i = heap_len++;

    if (heap_len > EVENTS_MAX)
        abort();
    heap[i] = *event;
    for (; i > 0 && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

uint64_t week_next_at(void)
{
    return heap_len ? heap[0].at : UINT64_MAX;
}

struct event week_take(void)
{
    struct event first = heap[0];
    size_t i = 0, child;

    heap[0] = heap[--heap_len];
    while ((child = 2 * i + 1) < heap_len) {
        if (child + 1 < heap_len && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &heap[i]))
            break;
        swap(i, child);
        i = child;
    }
    return first;
}

void week_put_back(struct event *event, uint64_t at)
{
    event->at = at;
    insert(event);
}

unsigned week_draw(unsigned below)
{
    return below ? phx_random(&week->random) % below : 0;
}

static void schedule(uint64_t at, enum event_kind kind, int code, const char *text, size_t len)
{
    bool general = kind == EV_WRITE || kind == EV_LIVE || kind == EV_WEATHER;
    struct event event = {.at = at,
                          .order = ++order,
                          .kind = kind,
                          .conn = general ? 0 : week->conn.id,
                          .code = code,
                          .len = len};

    if (text) {
        event.text = malloc(len + 1);
        if (!event.text)
            abort();
        memcpy(event.text, text, len);
        event.text[len] = '\0';
    }
    insert(&event);
}

void week_schedule(uint64_t after_ms, enum event_kind kind, const char *text, size_t len)
{
    schedule(week->now + after_ms, kind, 0, text, len);
}

/* ---- the server ---- */

struct message {
    struct message *next;
    uint64_t at; /* when it arrives */
    size_t len;
    char text[];
};

struct channel {
    char topic[16];
    uint64_t join_ref; /* 0: none of this topic */
};

static struct {
    bool silent; /* nothing goes through any more, and nobody knows */
    uint64_t down_until, refusing_until;
    int refusal; /* its HTTP status */
    uint64_t busy_until, to_client_at, to_server_at;
    struct message *inbox, **inbox_end;
    struct channel channels[CHANNELS];
    uint64_t joining_ref; /* a join that runs; 0: none */
    char joining[16];
    unsigned char seen[PUSHES_MAX / 8];
    unsigned ids;
} server;

static void empty_inbox(void)
{
    struct message *message;

    while ((message = server.inbox) != NULL) {
        server.inbox = message->next;
        free(message);
    }
    server.inbox_end = &server.inbox;
}

void week_begin(struct week *w, uint64_t seed, enum phx_vsn v)
{
    week = w;
    vsn = v;
    *week = (struct week){.now = WEEK_START_MS, .seed = seed, .random = seed * 7919};
    memset(&server, 0, sizeof server);
    server.inbox_end = &server.inbox;
}

void week_end(void)
{
    while (heap_len > 0)
        free(week_take().text);
    empty_inbox();
}

static void broken(const char *rule)
{
    fprintf(stderr, "\nbroken: %s\n  phx_week --seed %llu, after %llu ms\n", rule,
            (unsigned long long)week->seed, (unsigned long long)(week->now - WEEK_START_MS));
    exit(1);
}

/* ---- to the client ---- */

static void tell(uint64_t join_ref, uint64_t ref, const char *topic, const char *event,
                 const char *payload)
{
    struct phx_frame_out frame = {.join_ref = join_ref,
                                  .ref = ref,
                                  .topic = phx_text_of(topic),
                                  .event = phx_text_of(event),
                                  .payload = phx_text_of(payload)};
    char text[FRAME_MAX];
    size_t len;

    if (server.silent)
        return;
    /* V1 has no join_ref from the server: a close or an error says its channel by its ref. */
    if (vsn == PHX_V1) {
        frame.ref = ref ? ref : join_ref;
        frame.join_ref = 0;
    }
    if (strcmp(event, "news") == 0)
        frame.ref = 0;
    len = phx_frame_encode(vsn, &frame, text, sizeof text);
    server.to_client_at += server.to_client_at < week->now ? week->now - server.to_client_at : 0;
    server.to_client_at += week_draw(week_fault(50) ? 4000 : 40);
    schedule(server.to_client_at, EV_TEXT, 0, text, len);
}

static void reply(uint64_t join_ref, uint64_t ref, const char *topic, const char *status,
                  const char *response)
{
    char payload[FRAME_MAX];

    snprintf(payload, sizeof payload, "{\"status\":\"%s\",\"response\":%s}", status, response);
    tell(join_ref, ref, topic, "phx_reply", payload);
}

static void forget_channels(void)
{
    memset(server.channels, 0, sizeof server.channels);
    server.joining_ref = 0;
    server.busy_until = 0;
    empty_inbox();
}

void week_server_forgets(void)
{
    week->conn.id = 0;
    week->conn.open = false;
    server.silent = false;
    forget_channels();
}

/* What was sent before arrives before. */
void week_server_closes(int code, uint64_t after_ms)
{
    uint64_t at = week->now + after_ms;

    if (server.silent)
        return;
    schedule(at > server.to_client_at ? at : server.to_client_at, EV_CLOSED, code, NULL, 0);
    forget_channels();
    server.silent = true;
}

static void refuse(uint64_t at)
{
    struct event event = {.at = at,
                          .order = ++order,
                          .kind = EV_CLOSED,
                          .conn = week->conn.id,
                          .code = server.refusal,
                          .asked_ms = server.refusal == 429 ? 1000 * week_draw(120) : 0};

    insert(&event);
}

void week_server_attempt(void)
{
    uint64_t after = 20 + week_draw(300);

    week_server_forgets();
    week->conn.id = ++server.ids;
    server.to_client_at = server.to_server_at = week->now;
    if (week->now < server.down_until)
        schedule(week->now + after, EV_CLOSED, 0, NULL, 0);
    else if (week->now < server.refusing_until && server.refusal == 0)
        return; /* no answer at all */
    else if (week->now < server.refusing_until)
        refuse(week->now + after);
    else
        schedule(week->now + after, EV_OPENED, 0, NULL, 0);
}

/* ---- from the client ---- */

static struct channel *find(const char *topic)
{
    struct channel *vacant = NULL;

    for (size_t i = 0; i < CHANNELS; i++) {
        if (server.channels[i].join_ref && strcmp(server.channels[i].topic, topic) == 0)
            return &server.channels[i];
        if (!server.channels[i].join_ref && !vacant)
            vacant = &server.channels[i];
    }
    snprintf(vacant->topic, sizeof vacant->topic, "%s", topic);
    return vacant;
}

bool week_server_has(const char *topic)
{
    return find(topic)->join_ref != 0;
}

static void finish_join(void)
{
    struct channel *channel = find(server.joining);
    uint64_t ref = server.joining_ref;

    server.joining_ref = 0;
    if (week_fault(20)) {
        reply(ref, ref, server.joining, "error", "{\"reason\":\"join crashed\"}");
        return;
    }
    channel->join_ref = ref;
    reply(ref, ref, server.joining, "ok", "{}");
}

/* A client that joins what it has joined would lose its channel for the next, and so on. */
static void begin_join(const char *topic, uint64_t ref)
{
    uint64_t takes = week_draw(40);

    if (week_server_has(topic))
        broken("at most one channel of a topic at the server");
    if (week_fault(60))
        takes = week_fault(4) ? 20000 + week_draw(100000) : week_draw(20000);
    server.joining_ref = ref;
    snprintf(server.joining, sizeof server.joining, "%s", topic);
    server.busy_until = week->now + takes;
}

static void once_only(const char *number)
{
    unsigned long n = strtoul(number, NULL, 10);

    if (n >= PUSHES_MAX)
        return;
    if (server.seen[n / 8] >> (n % 8) & 1)
        broken("no push is sent twice");
    server.seen[n / 8] = (unsigned char)(server.seen[n / 8] | 1u << (n % 8));
}

static void handle_push(struct channel *channel, const struct phx_frame *frame, const char *number)
{
    uint64_t join_ref = channel->join_ref;

    once_only(number);
    if (join_ref && frame->join_ref != join_ref)
        return; /* as Phoenix 1.8 does */
    if (join_ref == 0) {
        reply(0, frame->ref, channel->topic, "error", "{\"reason\":\"unmatched topic\"}");
    } else if (week_fault(200)) {
        channel->join_ref = 0;
        tell(join_ref, 0, channel->topic, week_draw(2) ? "phx_error" : "phx_close", "{}");
    } else if (!week_fault(60)) {
        reply(join_ref, frame->ref, channel->topic, "ok", number);
        if (week_fault(30))
            reply(join_ref, frame->ref, channel->topic, "ok", number);
    }
    if (week_fault(30))
        tell(join_ref, 0, channel->topic, "news", "{\"n\":1}");
}

/* Three orders are seen of the reply to a leave and the close. */
static void handle_leave(struct channel *channel, uint64_t ref)
{
    uint64_t join_ref = channel->join_ref;
    unsigned way = week_draw(3);

    channel->join_ref = 0;
    if (way != 0 || !join_ref)
        reply(join_ref, ref, channel->topic, "ok", "{}");
    if (join_ref)
        tell(join_ref, 0, channel->topic, "phx_close", "{}");
    if (way == 0 && join_ref && week_draw(2))
        reply(join_ref, ref, channel->topic, "ok", "{}");
}

static void handle(struct message *message)
{
    struct phx_frame frame;
    char topic[16], payload[16];

    if (!phx_frame_decode(message->text, message->len, &frame))
        broken("what is sent can be decoded");
    snprintf(topic, sizeof topic, "%.*s", (int)frame.topic.len, frame.topic.at);
    snprintf(payload, sizeof payload, "%.*s", (int)frame.payload.len, frame.payload.at);
    if (strcmp(topic, "phoenix") == 0) {
        if (!week_fault(100))
            reply(0, frame.ref, topic, "ok", "{}");
    } else if (phx_text_equal(frame.event, phx_text_of("phx_join"))) {
        begin_join(topic, frame.ref);
    } else if (phx_text_equal(frame.event, phx_text_of("phx_leave"))) {
        handle_leave(find(topic), frame.ref);
    } else {
        handle_push(find(topic), &frame, payload);
    }
}

static void wake(void)
{
    uint64_t at = server.busy_until;

    if (server.inbox && server.inbox->at > at && !server.joining_ref)
        at = server.inbox->at;
    if (server.inbox || server.joining_ref)
        schedule(at > week->now ? at : week->now, EV_SERVER, 0, NULL, 0);
}

/* A join in progress first; then the messages that have arrived, until one is a join. */
static void go_on(void)
{
    struct message *message;

    if (week->now < server.busy_until)
        return;
    if (server.joining_ref)
        finish_join();
    while ((message = server.inbox) != NULL && message->at <= week->now && !server.joining_ref) {
        server.inbox = message->next;
        if (!server.inbox)
            server.inbox_end = &server.inbox;
        handle(message);
        free(message);
    }
    wake();
}

void week_server_gets(const char *text, size_t len)
{
    struct message *message = malloc(sizeof *message + len);

    if (!message)
        abort();
    if (server.silent) {
        free(message);
        return;
    }
    server.to_server_at += server.to_server_at < week->now ? week->now - server.to_server_at : 0;
    server.to_server_at += week_draw(week_fault(50) ? 4000 : 40);
    *message = (struct message){.at = server.to_server_at, .len = len};
    memcpy(message->text, text, len);
    *server.inbox_end = message;
    server.inbox_end = &message->next;
    schedule(message->at, EV_SERVER, 0, NULL, 0);
}

/* ---- bad times ---- */

static void weather(void)
{
    static const int codes[] = {0, 1000, 1001, 1002, 1011, 1012};
    static const int refusals[] = {0, 403, 429, 500, 503};
    unsigned after_ms = week_draw(50);

    if (week_fault(6))
        week_server_closes(codes[week_draw(6)], after_ms);
    else if (week_fault(12))
        server.silent = true;
    else if (week_fault(12)) {
        server.down_until = week->now + 2000 + week_draw(10000);
        week_server_closes(week_draw(2) ? 1012 : 0, after_ms);
    } else if (week_fault(20)) {
        server.refusing_until = week->now + week_draw(300000);
        server.refusal = refusals[week_draw(5)];
        week_server_closes(1011, 0);
    } else if (week_fault(20) && week->conn.open && !server.silent)
        schedule(week->now, EV_TEXT, 0, "not a message", 13);
    week_schedule(1000 + week_draw(60000), EV_WEATHER, NULL, 0);
}

void week_server_event(const struct event *event)
{
    if (event->kind == EV_WEATHER)
        weather();
    else
        go_on();
}
