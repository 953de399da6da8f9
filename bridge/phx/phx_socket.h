/*
 * phx_socket.h - what phx_context.c (loop, time and the end of all) and phx_socket.c (one socket's
 * wiring) share, and nobody else.
 */
#ifndef PHX_SOCKET_H
#define PHX_SOCKET_H

#include "phx_backoff.h"
#include "phx_machine.h"
#include "phx_transport.h"

#include <uv.h>

#define PHX_TRANSPORTS (PHX_AUTO + 1)

struct phx_gate;
struct phx_net;
struct phx_command;

struct phx_context {
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t armed; /* when the timer fires; PHX_NEVER: not armed */
    struct phx_net *net;
    struct phx_transport *transports[PHX_TRANSPORTS];
    struct phx_context_options options;
    struct phx_pace pace; /* of all attempts */
    struct phx_gate *gates;
    struct phx_socket *sockets;
    bool closing;
    unsigned busy; /* sockets inside an input: they are freed when it returns */
    void (*closed)(void *user);
    void *closed_user;
};

struct phx_socket {
    struct phx_socket *next, *prev;
    struct phx_context *context;
    struct phx_machine *machine;
    struct phx_conn *conn; /* NULL: no attempt and no connection */
    struct phx_gate *gate; /* that the attempt under way has passed */
    bool (*credentials)(void *user, struct phx_credentials *credentials);
    void *credentials_user;
    char *url_text, *ca, *cert, *key, *agent;
    struct phx_url url;
    enum phx_vsn vsn;
    enum phx_via via;
    bool deflate;
    char *proxy; /* NULL: the environment's */
    struct phx_fallback fallback;
    enum phx_secret_use secret_use;
    char *secret_name, *secret_file, **command_argv;
    uint32_t command_ms;
    struct phx_command *command; /* under way */
    size_t max_message;
    unsigned attempts;
    unsigned depth; /* inputs under way, one inside the other */
    bool dead;      /* freed inside one of them */
    bool wants;     /* something was queued inside one of them */
    char error[160];
};

/* Around every input to a socket's machine. phx_socket_enter returns the time; the socket may be
 * gone after phx_socket_leave. */
uint64_t phx_socket_enter(struct phx_socket *socket);
void phx_socket_leave(struct phx_socket *socket);
uint64_t phx_context_now(const struct phx_context *context);
void phx_context_log(void *user, int level, const char *text);
/* phx_socket.c: when nothing is under way inside it any more. */
void phx_socket_destroy(struct phx_socket *socket);

#endif
