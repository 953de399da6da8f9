/*
 * phx_auto.c - which transport to use, by what was seen of both. Each does its work elsewhere.
 *
 *   TRYING_WS --> OVER_WS
 *      |  refused, or too long
 *      v
 *   TRYING_POLL --> OVER_POLL <--> PROBING (a WebSocket beside it)
 */
#include "phx_auto.h"

#include "phx_net.h"
#include "phx_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define NEVER UINT64_MAX

struct phx_auto {
    struct phx_transport base;
    struct phx_net *net;
    struct phx_transport *ws, *poll;
    struct auto_conn *conns;
    uv_timer_t timer;
    bool has_timer;
};

enum auto_state { TRYING_WS, OVER_WS, TRYING_POLL, OVER_POLL, PROBING, GONE };

struct auto_conn {
    struct phx_conn base;
    struct auto_conn *next, *prev;
    struct phx_auto *over;
    enum auto_state state;
    struct phx_request *request;
    struct phx_fallback *fallback;
    struct phx_conn *inner; /* the one that the user's frames take */
    struct phx_conn *probe;
    struct phx_end ws_end; /* why WebSockets were given up */
    uint64_t due;
    unsigned depth; /* events under way: it is freed behind the last */
    bool fell;      /* a WebSocket was tried in this attempt */
    bool sent, heard;
};

/* ---- life ---- */

static void free_conn(struct auto_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->over->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    phx_request_free(conn->request);
    free(conn);
}

static void enter(struct auto_conn *conn)
{
    conn->depth++;
}

static void leave(struct auto_conn *conn)
{
    if (--conn->depth == 0 && conn->state == GONE)
        free_conn(conn);
}

static void drop_inner(struct phx_conn **inner)
{
    struct phx_conn *conn = *inner;

    *inner = NULL;
    if (conn)
        conn->ops->drop(conn);
}

static void end(struct auto_conn *conn, const struct phx_end *why)
{
    void *user = conn->base.user;

    conn->base.user = NULL;
    conn->state = GONE;
    drop_inner(&conn->inner);
    drop_inner(&conn->probe);
    if (user)
        conn->base.events->closed(user, why);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

static uint64_t now_of(const struct auto_conn *conn)
{
    return uv_now(conn->over->net->loop);
}

static void arm(struct phx_auto *all)
{
    uint64_t due = NEVER, now = uv_now(all->net->loop);

    for (const struct auto_conn *conn = all->conns; conn; conn = conn->next)
        due = conn->due < due ? conn->due : due;
    if (due == NEVER)
        return;
    if (!all->has_timer) {
        uv_timer_init(all->net->loop, &all->timer);
        all->timer.data = all;
        all->has_timer = true;
    }
    uv_timer_start(&all->timer, on_timer, due > now ? due - now : 0, 0);
}

static void set_due(struct auto_conn *conn, uint64_t due)
{
    conn->due = due;
    arm(conn->over);
}

/* ---- memory ---- */

static void remember(struct auto_conn *conn)
{
    struct phx_fallback *memory = conn->fallback;
    uint32_t twice = memory->period_ms < PHX_FALLBACK_MEMORY_MAX_MS / 2
                         ? memory->period_ms * 2
                         : PHX_FALLBACK_MEMORY_MAX_MS;

    memory->period_ms = memory->period_ms ? twice : memory->memory_ms;
    memory->until_ms = now_of(conn) + memory->period_ms;
}

static bool is_remembered(const struct auto_conn *conn)
{
    return conn->fallback->period_ms && now_of(conn) < conn->fallback->until_ms;
}

static void forget(struct auto_conn *conn)
{
    conn->fallback->period_ms = 0;
}

/* Whatever way we take, these stay. */
static bool is_the_same_by_polling(const struct phx_end *why)
{
    switch (why->cause) {
    case PHX_CAUSE_RESOLVE:
    case PHX_CAUSE_TLS:
    case PHX_CAUSE_CLOCK:
    case PHX_CAUSE_LIMITED:
    case PHX_CAUSE_CREDENTIAL:
    case PHX_CAUSE_ASKED:
        return true;
    case PHX_CAUSE_CONNECT:
    case PHX_CAUSE_REFUSED:
    case PHX_CAUSE_SERVER:
    case PHX_CAUSE_CLOSED:
    case PHX_CAUSE_HEARTBEAT:
    case PHX_CAUSE_PROTOCOL:
        return false;
    }
    return false;
}

/* ---- attempts ---- */

static const struct phx_conn_events inner_events, probe_events;

static bool start(struct auto_conn *conn, enum auto_state state, struct phx_end *why)
{
    struct phx_transport *by = state == TRYING_WS ? conn->over->ws : conn->over->poll;

    conn->state = state;
    conn->inner = by->ops->connect(by, conn->request, &inner_events, conn, why);
    set_due(conn, state == TRYING_WS ? now_of(conn) + conn->fallback->after_ms : NEVER);
    return conn->inner != NULL;
}

static void fall_back(struct auto_conn *conn)
{
    struct phx_end why;

    conn->fell = true;
    if (!start(conn, TRYING_POLL, &why))
        end(conn, &why);
    else
        conn->base.events->progress(conn->base.user);
}

/* ---- the WebSocket tried beside a polled connection ---- */

static void on_probe_over(struct auto_conn *conn)
{
    conn->probe = NULL;
    conn->state = OVER_POLL;
    remember(conn);
    set_due(conn, conn->fallback->until_ms);
}

static void probe_ignored(void *user)
{
    (void)user;
}

static void probe_opened(void *user)
{
    struct auto_conn *conn = user;
    struct phx_end why = {.cause = PHX_CAUSE_CLOSED};

    enter(conn);
    snprintf(why.text, sizeof why.text, "WebSockets work again: long polling is given up for one");
    forget(conn);
    end(conn, &why);
    leave(conn);
}

static void probe_frame(void *user, bool binary, char *bytes, size_t len)
{
    (void)user;
    (void)binary;
    (void)bytes;
    (void)len;
}

static struct phx_send *probe_next(void *user)
{
    (void)user;
    return NULL;
}

static void probe_closed(void *user, const struct phx_end *why)
{
    (void)why;
    on_probe_over(user);
}

static const struct phx_conn_events probe_events = {
    .progress = probe_ignored,
    .opened = probe_opened,
    .frame = probe_frame,
    .next = probe_next,
    .closed = probe_closed,
};

static void probe(struct auto_conn *conn)
{
    struct phx_end why;
    struct phx_transport *ws = conn->over->ws;

    conn->state = PROBING;
    conn->probe = ws->ops->connect(ws, conn->request, &probe_events, conn, &why);
    if (conn->probe)
        set_due(conn, now_of(conn) + conn->fallback->after_ms);
    else
        on_probe_over(conn);
}

/* ---- what is due ---- */

static void act(struct auto_conn *conn)
{
    conn->due = NEVER;
    switch (conn->state) {
    case TRYING_WS:
        drop_inner(&conn->inner);
        conn->ws_end = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
        snprintf(conn->ws_end.text, sizeof conn->ws_end.text, "no answer in time");
        fall_back(conn);
        break;
    case OVER_POLL:
        probe(conn);
        break;
    case PROBING:
        drop_inner(&conn->probe);
        on_probe_over(conn);
        break;
    case OVER_WS:
    case TRYING_POLL:
    case GONE:
        break;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct phx_auto *all = timer->data;
    struct auto_conn *conn = all->conns, *next;

    for (; conn; conn = next) {
        enter(conn);
        if (conn->due <= uv_now(all->net->loop))
            act(conn);
        next = conn->next;
        leave(conn);
    }
    arm(all);
}

/* ---- what the inner one tells ---- */

static void inner_progress(void *user)
{
    struct auto_conn *conn = user;

    enter(conn);
    conn->base.events->progress(conn->base.user);
    leave(conn);
}

static void inner_opened(void *user)
{
    struct auto_conn *conn = user;

    enter(conn);
    if (conn->state == TRYING_WS) {
        conn->state = OVER_WS;
        set_due(conn, NEVER);
    } else {
        conn->state = OVER_POLL;
        if (!is_remembered(conn))
            remember(conn);
        set_due(conn, conn->fallback->until_ms);
    }
    conn->base.events->opened(conn->base.user);
    leave(conn);
}

static void inner_frame(void *user, bool binary, char *bytes, size_t len)
{
    struct auto_conn *conn = user;

    enter(conn);
    if (conn->state == OVER_WS && !conn->heard)
        forget(conn);
    conn->heard = true;
    conn->base.events->frame(conn->base.user, binary, bytes, len);
    leave(conn);
}

static struct phx_send *inner_next(void *user)
{
    struct auto_conn *conn = user;
    struct phx_send *send;

    enter(conn);
    send = conn->base.user ? conn->base.events->next(conn->base.user) : NULL;
    conn->sent = conn->sent || send;
    leave(conn);
    return send;
}

/* Frames went out and none came back: something in between lets the upgrade through, and no more.
 */
static void judge_silence(struct auto_conn *conn)
{
    if (conn->state == OVER_WS && conn->sent && !conn->heard)
        remember(conn);
}

static void inner_closed(void *user, const struct phx_end *why)
{
    struct auto_conn *conn = user;

    enter(conn);
    conn->inner = NULL;
    if (conn->state == TRYING_WS && !is_the_same_by_polling(why)) {
        conn->ws_end = *why;
        fall_back(conn);
    } else {
        judge_silence(conn);
        if (conn->state == TRYING_POLL && !conn->fell)
            forget(conn);
        if (conn->state == TRYING_POLL && conn->fell && why->http_status == 404)
            why = &conn->ws_end; /* no long polling there: the WebSocket's end says more */
        end(conn, why);
    }
    leave(conn);
}

static const struct phx_conn_events inner_events = {
    .progress = inner_progress,
    .opened = inner_opened,
    .frame = inner_frame,
    .next = inner_next,
    .closed = inner_closed,
};

/* ---- orders ---- */

static const struct phx_transport_ops ops;

static struct phx_conn *auto_connect(struct phx_transport *transport,
                                     const struct phx_request *request,
                                     const struct phx_conn_events *events, void *user,
                                     struct phx_end *why)
{
    struct phx_auto *all = (struct phx_auto *)transport;
    struct auto_conn *conn = calloc(1, sizeof *conn);

    *why = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
    snprintf(why->text, sizeof why->text, "no connection: out of memory");
    if (!conn)
        return NULL;
    conn->base = (struct phx_conn){&ops, events, user};
    conn->over = all;
    conn->fallback = request->fallback;
    conn->due = NEVER;
    conn->next = all->conns;
    if (all->conns)
        all->conns->prev = conn;
    all->conns = conn;
    conn->request = phx_request_copy(request);
    if (conn->request && start(conn, is_remembered(conn) ? TRYING_POLL : TRYING_WS, why))
        return &conn->base;
    free_conn(conn);
    return NULL;
}

static void auto_want_write(struct phx_conn *base)
{
    struct auto_conn *conn = (struct auto_conn *)base;

    if (conn->inner)
        conn->inner->ops->want_write(conn->inner);
}

static void auto_shut(struct phx_conn *base, int code)
{
    struct auto_conn *conn = (struct auto_conn *)base;

    if (conn->inner)
        conn->inner->ops->shut(conn->inner, code);
}

static void auto_drop(struct phx_conn *base)
{
    struct auto_conn *conn = (struct auto_conn *)base;

    enter(conn);
    judge_silence(conn);
    conn->base.user = NULL;
    end(conn, NULL);
    leave(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct phx_auto *all = handle->data;

    phx_net_release(all->net);
}

static void auto_stop(struct phx_transport *transport)
{
    struct phx_auto *all = (struct phx_auto *)transport;
    struct auto_conn *conn = all->conns, *next;

    for (; conn; conn = next) {
        next = conn->next;
        auto_drop(&conn->base);
    }
    if (all->has_timer) {
        phx_net_hold(all->net);
        uv_close((uv_handle_t *)&all->timer, on_timer_closed);
    }
}

static void auto_free(struct phx_transport *transport)
{
    free(transport);
}

static const struct phx_transport_ops ops = {
    .name = "WebSocket or long polling",
    .connect = auto_connect,
    .want_write = auto_want_write,
    .shut = auto_shut,
    .drop = auto_drop,
    .stop = auto_stop,
    .free = auto_free,
};

struct phx_transport *phx_auto_open(struct phx_net *net, struct phx_transport *ws,
                                    struct phx_transport *poll)
{
    struct phx_auto *all = calloc(1, sizeof *all);

    if (!all)
        return NULL;
    all->base.ops = &ops;
    all->net = net;
    all->ws = ws;
    all->poll = poll;
    return &all->base;
}
