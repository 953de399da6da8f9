/*
 * A libphx socket machine and a Phoenix server under a virtual clock, for a week or more of faults
 * drawn by lot. The server keeps Phoenix's rules: a join blocks its whole socket, a second join of
 * a topic closes the first channel, refs come back as sent. Rules of the client that must hold are
 * marked RULE; a broken one prints its seed and time.
 *
 *   phx_week [--seed N] [--seeds COUNT] [--days N]
 */
#include "phx_week.h"

#include "phx_core.h"
#include "phx_usual.h"
#include "test_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS   86400000u
#define CALM_MS  1500000u /* so long no fault, and then all must be well */
#define STORM_MS 7200000u /* so long faults, before each calm */
#define TOPICS   6
#define TOKENS   4096 /* pushes that wait for their end */
#define HELD_MAX 20
#define QUEUE    8192

static struct week w;

#define RULE(what)                                                                           \
    do {                                                                                     \
        if (!(what)) {                                                                       \
            fprintf(stderr, "\nbroken: %s (%s:%d)\n  phx_week --seed %llu, after %llu ms\n", \
                    #what, __FILE__, __LINE__, (unsigned long long)w.seed,                   \
                    (unsigned long long)(w.now - WEEK_START_MS));                            \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

/* A push of the caller's, known by its number, which is its payload and must be its reply. */
struct token {
    bool used;
    unsigned number;
};

struct seat {
    struct phx_channel *channel;
    bool joined;
};

struct client {
    struct phx_machine *machine;
    struct seat seats[TOPICS];
    struct token tokens[TOKENS];
    unsigned next_number, waiting, leaving;
    bool writing, connected, asked;
    uint32_t asked_ms; /* the server's Retry-After, of the end under way; 0: none */
    uint64_t not_before, not_after;
    uint64_t frozen_until;
    struct week_totals totals;
};

static struct client c;
static char topics[TOPICS][16];

static bool calm(void)
{
    return (w.now - WEEK_START_MS) % (STORM_MS + CALM_MS) >= STORM_MS;
}

/* True once in `n` in a storm, never in a calm. */
static bool fault(unsigned n)
{
    return !calm() && week_draw(n) == 0;
}

bool week_fault(unsigned n)
{
    return fault(n);
}

/* ---- the transport ---- */

static bool io_open(void *user, struct phx_end *end)
{
    (void)user;
    RULE(w.conn.id == 0 || !w.conn.open);
    RULE(w.now >= c.not_before);
    RULE(c.not_after == PHX_NEVER || w.now <= c.not_after || c.frozen_until >= c.not_after);
    c.totals.attempts++;
    if (fault(50)) {
        *end = (struct phx_end){.cause = PHX_CAUSE_CREDENTIAL};
        return false;
    }
    week_server_attempt();
    return true;
}

static void io_want_write(void *user)
{
    (void)user;
    if (!c.writing)
        week_schedule(week_draw(5), EV_WRITE, NULL, 0);
    c.writing = true;
}

static void io_close(void *user, int code)
{
    (void)user;
    RULE(code == 1000);
    week_server_closes(1000, 20 + week_draw(200));
}

static void io_drop(void *user)
{
    (void)user;
    week_server_forgets();
}

/* ---- what the machine says ---- */

static void on_connected(void *user)
{
    (void)user;
    RULE(!c.connected);
    c.connected = true;
}

/* The wait is within the envelope of the backoff, or of what the server asked for. */
static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    uint32_t asked = c.asked_ms + c.asked_ms / 4, most = asked > 60000 ? asked : 60000;
    uint32_t least = c.asked_ms > 1000 ? c.asked_ms : 1000;

    (void)user;
    RULE(why->was_connected == c.connected);
    c.connected = false;
    for (int i = 0; i < TOPICS; i++)
        c.seats[i].joined = false;
    c.totals.ends++;
    if (why->cause == PHX_CAUSE_ASKED) {
        c.not_before = w.now;
        c.not_after = PHX_NEVER;
        return;
    }
    RULE(why->retry && why->retry_ms >= least && why->retry_ms <= most);
    c.not_before = w.now + why->retry_ms;
    c.not_after = c.not_before + PHX_LATE_MS;
    c.asked_ms = 0;
}

static void on_joined(void *user, struct phx_text response)
{
    struct seat *seat = user;

    (void)response;
    RULE(c.connected && seat->channel && !seat->joined);
    seat->joined = true;
    c.totals.joins++;
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct seat *seat = user;

    (void)response;
    RULE(!seat->joined && retry_ms >= 1000 && retry_ms <= 10000);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct seat *seat = user;

    (void)crashed;
    RULE(seat->joined && retry_ms >= 1000 && retry_ms <= 10000);
    seat->joined = false;
}

static void on_left(void *user)
{
    (void)user;
    RULE(c.leaving > 0);
    c.leaving--;
}

static void on_push_end(void *user, void *token_of, const struct phx_push_result *result)
{
    struct token *token = token_of;
    char number[12];
    int n = snprintf(number, sizeof number, "%u", token->number);

    (void)user;
    RULE(token->used);
    if (result->end == PHX_PUSH_REPLY && result->ok)
        RULE(phx_text_equal(result->response, (struct phx_text){number, (size_t)n}));
    c.totals.replies += result->end == PHX_PUSH_REPLY;
    c.totals.lost += result->end == PHX_PUSH_LOST;
    c.totals.late += result->end == PHX_PUSH_TIMEOUT;
    token->used = false;
    c.waiting--;
}

/* ---- what the caller does ---- */

static void join(int i)
{
    struct phx_channel_options options = {.topic = topics[i], .max_held = i % 2 ? HELD_MAX : 0};
    struct phx_channel_events events = {.user = &c.seats[i],
                                        .joined = on_joined,
                                        .refused = on_refused,
                                        .ended = on_ended,
                                        .left = on_left,
                                        .push_end = on_push_end};

    c.seats[i].joined = false;
    RULE(phx_machine_join(c.machine, &options, &events, w.now, &c.seats[i].channel) == PHX_OK);
}

static void leave(int i)
{
    c.leaving++;
    phx_machine_leave(c.seats[i].channel, w.now);
}

static struct token *free_token(void)
{
    for (int i = 0; i < TOKENS; i++)
        if (!c.tokens[i].used)
            return &c.tokens[i];
    RULE(c.waiting < TOKENS); /* else some push was forgotten */
    abort();
}

static void push(void)
{
    struct token *token = free_token();
    struct seat *seat = &c.seats[week_draw(TOPICS)];
    struct phx_push_order order = {.event = "e", .token = token, .timeout_ms = 0};
    char number[12];
    int n, error;

    token->number = ++c.next_number;
    n = snprintf(number, sizeof number, "%u", token->number);
    order.payload = (struct phx_text){number, (size_t)n};
    error = phx_machine_push(seat->channel, &order, w.now);
    RULE(error == PHX_OK || error == PHX_ERR_DISCONNECTED || error == PHX_ERR_NOT_JOINED ||
         error == PHX_ERR_FULL);
    RULE(error != PHX_OK || seat->joined || seat->channel->max_held);
    token->used = error == PHX_OK;
    c.waiting += token->used;
    c.totals.pushes += token->used;
}

/* One step of the program around the socket. */
static void live(void)
{
    int i = (int)week_draw(TOPICS);

    push();
    if (fault(40)) {
        leave(i);
        join(i);
    } else if (fault(150)) {
        phx_machine_disconnect(c.machine, week_draw(3) * 500, w.now);
        c.asked = true;
    } else if (fault(300)) {
        c.frozen_until = w.now + week_draw(week_draw(4) ? 5000 : 600000);
    } else if (fault(100)) {
        phx_machine_probe(c.machine, w.now);
    }
    if (c.asked && week_draw(3) == 0) {
        phx_machine_connect(c.machine, w.now);
        c.asked = false;
    }
    week_schedule(500 + week_draw(12000), EV_LIVE, NULL, 0);
}

/* ---- rules over all ---- */

static void check(void)
{
    const struct phx_machine *m = c.machine;
    unsigned waiting = 0;

    for (const struct phx_channel *a = m->channels; a; a = a->next) {
        for (const struct phx_channel *b = a->next; b; b = b->next)
            RULE(a->state == PHX_CH_LEAVING || b->state == PHX_CH_LEAVING ||
                 !phx_text_equal(a->topic, b->topic));
        for (const struct phx_push *p = a->pushes.first; p; p = p->next)
            waiting++;
        for (const struct phx_push *p = a->held.first; p; p = p->next)
            waiting++;
        RULE(a->held_count <= HELD_MAX);
    }
    RULE(waiting == c.waiting && waiting == m->pushes);
    RULE(m->queue.bytes + m->queue.promised <= QUEUE + TOPICS * 4 * 100);
}

/* At the end of a calm: connected, every topic joined there and here, nothing waits for long. */
static void check_all_is_well(void)
{
    RULE(c.connected && phx_machine_is_connected(c.machine));
    for (int i = 0; i < TOPICS; i++)
        RULE(c.seats[i].joined && week_server_has(topics[i]));
    RULE(c.waiting < 100 && c.leaving == 0);
    c.totals.calms++;
}

/* ---- time ---- */

static void write_one(void)
{
    struct phx_send *send = phx_machine_next(c.machine, w.now);

    c.writing = phx_machine_has_next(c.machine);
    if (c.writing)
        week_schedule(fault(20) ? 3000 : week_draw(5), EV_WRITE, NULL, 0);
    if (!send)
        return;
    week_server_gets(phx_send_text(send), send->len);
    free(send);
}

static void to_client(struct event *event)
{
    struct phx_end end = {.cause = PHX_CAUSE_CLOSED, .close_code = event->code};

    switch (event->kind) {
    case EV_OPENED:
        w.conn.open = true;
        phx_machine_opened(c.machine, w.now);
        break;
    case EV_TEXT:
        phx_machine_text(c.machine, event->text, event->len, w.now);
        break;
    case EV_CLOSED:
        c.asked_ms = event->asked_ms;
        if (event->code >= 400 && event->code < 600)
            end = (struct phx_end){.cause = PHX_CAUSE_REFUSED,
                                   .http_status = event->code,
                                   .retry_after_ms = event->asked_ms,
                                   .lasting = event->code < 429};
        week_server_forgets();
        phx_machine_closed(c.machine, &end, w.now);
        break;
    case EV_WRITE:
        write_one();
        break;
    case EV_LIVE:
        live();
        break;
    case EV_SERVER:
    case EV_WEATHER:
        break;
    }
}

static bool is_clients(const struct event *event)
{
    return event->kind != EV_SERVER && event->kind != EV_WEATHER;
}

static void handle(struct event *event)
{
    if (event->conn && event->conn != w.conn.id)
        return;
    if (is_clients(event))
        to_client(event);
    else
        week_server_event(event);
}

/* The next thing that happens: a tick of the client's, or an event. What is for a frozen client
 * waits; then time comes first, as in a real loop. */
static void step(uint64_t end)
{
    uint64_t tick = phx_machine_deadline(c.machine), at = week_next_at();

    if (tick < c.frozen_until)
        tick = c.frozen_until;
    if (tick <= at && tick <= end) {
        w.now = tick > w.now ? tick : w.now;
        phx_machine_tick(c.machine, w.now);
    } else if (at <= end) {
        struct event event = week_take();
        w.now = at > w.now ? at : w.now;
        if (is_clients(&event) && w.now < c.frozen_until) {
            week_put_back(&event, c.frozen_until);
            return;
        }
        handle(&event);
        free(event.text);
    } else {
        w.now = end;
    }
    check();
}

static void run_until(uint64_t end)
{
    while (w.now < end)
        step(end);
}

static void begin(uint64_t seed)
{
    struct phx_machine_settings settings = phx_usual(seed % 2 ? PHX_V2 : PHX_V1, seed);
    struct phx_machine_io io = {
        .open = io_open, .want_write = io_want_write, .close = io_close, .drop = io_drop};
    struct phx_socket_events events = {.connected = on_connected, .disconnected = on_disconnected};

    settings.max_queue = QUEUE;
    memset(&c, 0, sizeof c);
    week_begin(&w, seed, settings.vsn);
    c.not_after = PHX_NEVER;
    c.machine = phx_machine_new(&settings, &io, &events);
    RULE(c.machine != NULL);
    for (int i = 0; i < TOPICS; i++) {
        snprintf(topics[i], sizeof topics[i], "room:%d", i);
        join(i);
    }
    phx_machine_connect(c.machine, w.now);
    week_schedule(0, EV_LIVE, NULL, 0);
    week_schedule(0, EV_WEATHER, NULL, 0);
}

static struct week_totals run(uint64_t seed, unsigned days)
{
    uint64_t period = STORM_MS + CALM_MS, end;

    begin(seed);
    end = WEEK_START_MS + (uint64_t)days * DAY_MS;
    for (uint64_t at = WEEK_START_MS + period; at <= end; at += period) {
        run_until(at - 1);
        check_all_is_well();
        run_until(at);
    }
    for (int i = 0; i < TOPICS; i++)
        leave(i);
    RULE(c.waiting == 0);
    phx_machine_free(c.machine);
    week_end();
    return c.totals;
}

int main(int argc, char **argv)
{
    uint64_t seed = 0, seeds = 0, days = 7;
    const struct test_arg known[] = {
        {"--seed", .number = &seed}, {"--seeds", .number = &seeds}, {"--days", .number = &days}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    if (seeds == 0)
        seeds = seed != 0 ? 1 : 2;
    if (seed == 0)
        seed = 1;
    for (uint64_t i = seed; i < seed + seeds; i++) {
        struct week_totals t = run(i, (unsigned)days);
        printf(
            "seed %llu: %llu days, %u attempts, %u ends, %u joins, %u pushes: %u replies, %u lost, "
            "%u too late; %u times all was well\n",
            (unsigned long long)i, (unsigned long long)days, t.attempts, t.ends, t.joins, t.pushes,
            t.replies, t.lost, t.late, t.calms);
        RULE(t.pushes == t.replies + t.lost + t.late + 0u * t.calms);
        RULE(days < 7 || (t.attempts > 100 && t.lost > 10 && t.late > 10 && t.calms > 10));
    }
    return 0;
}
