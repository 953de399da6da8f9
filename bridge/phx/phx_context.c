/*
 * phx_context.c - a context on the caller's loop: the one timer of all sockets, one input at a
 * time, and the end of everything. A socket's own wiring is in phx_socket.c.
 */
#include "phx_socket.h"

#include "phx_auto.h"
#include "phx_gate.h"
#include "phx_net.h"
#include "phx_poll.h"
#include "phx_ws.h"

#include <stdlib.h>

#define TICK_MS             10 /* timers of all sockets are served together, at most so late */
#define DEFAULT_MAX_SOCKETS 1024

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

uint64_t phx_context_now(const struct phx_context *context)
{
    return uv_now(context->loop);
}

static void arm(struct phx_context *context, uint64_t deadline)
{
    uint64_t now = phx_context_now(context), earliest = now + TICK_MS;

    if (deadline == PHX_NEVER || context->closing)
        return;
    deadline = deadline < earliest ? earliest : deadline;
    if (deadline >= context->armed)
        return;
    context->armed = deadline;
    uv_timer_start(&context->timer, on_timer, deadline - now, 0);
}

/* ---- one input at a time ---- */

static void finish_close(struct phx_context *context);

uint64_t phx_socket_enter(struct phx_socket *socket)
{
    socket->depth++;
    socket->context->busy++;
    return phx_context_now(socket->context);
}

void phx_socket_leave(struct phx_socket *socket)
{
    struct phx_context *context = socket->context;

    if (socket->depth == 1 && socket->wants) {
        socket->wants = false;
        if (socket->conn)
            socket->conn->ops->want_write(socket->conn);
    }
    context->busy--;
    if (--socket->depth == 0 && socket->dead)
        phx_socket_destroy(socket);
    else if (!socket->dead)
        arm(context, phx_machine_deadline(socket->machine));
    if (context->closing && context->busy == 0 && !context->sockets)
        finish_close(context);
}

static void on_timer(uv_timer_t *timer)
{
    struct phx_context *context = timer->data;
    struct phx_socket *socket = context->sockets, *next;
    uint64_t soonest = PHX_NEVER, now, deadline;

    context->armed = PHX_NEVER;
    context->busy++;
    for (; socket; socket = next) {
        if (!socket->dead && phx_machine_deadline(socket->machine) <= phx_context_now(context)) {
            now = phx_socket_enter(socket);
            phx_machine_tick(socket->machine, now);
            next = socket->next;
            phx_socket_leave(socket);
        } else {
            deadline = socket->dead ? PHX_NEVER : phx_machine_deadline(socket->machine);
            soonest = deadline < soonest ? deadline : soonest;
            next = socket->next;
        }
    }
    context->busy--;
    arm(context, soonest);
    if (context->closing && context->busy == 0 && !context->sockets)
        finish_close(context);
}

/* ---- contexts ---- */

void phx_context_log(void *user, int level, const char *text)
{
    struct phx_context *context = user;

    if (context->options.log)
        context->options.log(context->options.user, level, text);
}

static void free_transports(struct phx_context *context)
{
    for (int i = 0; i < PHX_TRANSPORTS; i++)
        if (context->transports[i])
            context->transports[i]->ops->free(context->transports[i]);
}

static bool open_transports(struct phx_context *context)
{
    struct phx_transport **by = context->transports;

    by[PHX_WEBSOCKET] = phx_ws_open(context->net);
    by[PHX_LONGPOLL] = phx_poll_open(context->net);
    if (!by[PHX_WEBSOCKET] || !by[PHX_LONGPOLL])
        return false;
    by[PHX_AUTO] = phx_auto_open(context->net, by[PHX_WEBSOCKET], by[PHX_LONGPOLL]);
    return by[PHX_AUTO] != NULL;
}

struct phx_context *phx_context_open(uv_loop_t *loop, const struct phx_context_options *options)
{
    struct phx_context *context = calloc(1, sizeof *context);
    unsigned max_sockets = options && options->max_sockets ? options->max_sockets : 0;

    if (!context)
        return NULL;
    if (options)
        context->options = *options;
    context->pace.per_s = context->options.attempts_per_s;
    context->loop = loop;
    context->armed = PHX_NEVER;
    context->net = phx_net_open(loop, max_sockets ? max_sockets : DEFAULT_MAX_SOCKETS,
                                phx_context_log, context);
    if (!context->net || !open_transports(context)) {
        free_transports(context);
        free(context->net); /* nothing of it has started */
        free(context);
        return NULL;
    }
    uv_timer_init(loop, &context->timer);
    context->timer.data = context;
    return context;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct phx_context *context = handle->data;
    void (*closed)(void *user) = context->closed;
    void *user = context->closed_user;

    phx_gates_free(context->gates);
    free(context);
    if (closed)
        closed(user);
}

static void on_net_closed(void *user)
{
    struct phx_context *context = user;

    free_transports(context);
    uv_close((uv_handle_t *)&context->timer, on_timer_closed);
}

static void finish_close(struct phx_context *context)
{
    context->busy = 1; /* not again */
    uv_timer_stop(&context->timer);
    for (int i = PHX_TRANSPORTS; i-- > 0;) /* PHX_AUTO holds connections of the others */
        context->transports[i]->ops->stop(context->transports[i]);
    phx_net_close(context->net, on_net_closed, context);
}

void phx_context_close(struct phx_context *context, void (*closed)(void *user), void *user)
{
    struct phx_socket *socket = context->sockets, *next;

    context->closing = true;
    context->closed = closed;
    context->closed_user = user;
    context->busy++;
    for (; socket; socket = next) {
        next = socket->next;
        phx_socket_free(socket);
    }
    context->busy--;
    if (context->busy == 0)
        finish_close(context);
}
