/*
 * Connections and who sits on them. What a lane does on its connection is lane_server.c's.
 */
#include "seat.h"

#include <stdlib.h>
#include <string.h>

struct connection {
    struct connection *next;
    struct seats *seats;
    struct phx_socket *socket;
    char *key; /* NULL: of one seat alone */
    size_t count;
    bool probing;    /* a probe is under way */
    unsigned busy;   /* callbacks under way: nothing is freed below them */
    size_t capacity; /* of `taken`, whose gaps are NULL */
    struct seat *taken[];
};

/* What a seat wants of heartbeats. */
enum question {
    QUESTION_NONE,
    QUESTION_ASKED,   /* the probe under way is for it */
    QUESTION_WAITING, /* it asked after that one had left */
};

struct seat {
    struct connection *connection;
    struct phx_socket_events events;
    enum question question;
    bool told; /* that the connection is up */
};

struct seats {
    struct phx_context *context;
    struct connection *first;
};

struct seats *seats_new(struct phx_context *context)
{
    struct seats *seats = calloc(1, sizeof *seats);
    if (seats != NULL)
        seats->context = context;
    return seats;
}

void seats_free(struct seats *seats)
{
    free(seats);
}

size_t seats_connections(const struct seats *seats)
{
    size_t n = 0;
    for (const struct connection *c = seats->first; c != NULL; c = c->next)
        n++;
    return n;
}

/* -- Connections. */

static void free_connection(struct connection *connection)
{
    struct connection **at = &connection->seats->first;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    phx_socket_free(connection->socket);
    free(connection->key);
    free(connection);
}

static void leave_callback(struct connection *connection)
{
    connection->busy--;
    if (connection->busy == 0 && connection->count == 0)
        free_connection(connection);
}

static struct seat *anybody(const struct connection *connection)
{
    for (size_t i = 0; i < connection->capacity; i++)
        if (connection->taken[i] != NULL)
            return connection->taken[i];
    return NULL;
}

static bool on_credentials(void *user, struct phx_credentials *credentials)
{
    struct connection *connection = user;
    struct seat *seat = anybody(connection);
    if (seat == NULL || seat->events.credentials == NULL)
        return seat != NULL;
    connection->busy++;
    bool good = seat->events.credentials(seat->events.user, credentials);
    leave_callback(connection);
    return good;
}

static bool on_retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    struct seat *seat = anybody(user);
    return seat == NULL || seat->events.retry == NULL ||
           seat->events.retry(seat->events.user, why, wait_ms);
}

/* A seat that is taken from within is told of its connection by seat_start. */
static void on_connected(void *user)
{
    struct connection *connection = user;
    connection->busy++;
    for (size_t i = 0; i < connection->capacity; i++) {
        struct seat *seat = connection->taken[i];
        if (seat == NULL || seat->told)
            continue;
        seat->told = true;
        seat->events.connected(seat->events.user);
    }
    leave_callback(connection);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct connection *connection = user;
    connection->probing = false;
    connection->busy++;
    for (size_t i = 0; i < connection->capacity; i++) {
        struct seat *seat = connection->taken[i];
        if (seat == NULL)
            continue;
        seat->question = QUESTION_NONE;
        seat->told = false;
        seat->events.disconnected(seat->events.user, why);
    }
    leave_callback(connection);
}

/* A message outside of any channel is for whoever has the connection for himself. */
static void on_message(void *user, const struct phx_message *message)
{
    struct connection *connection = user;
    struct seat *seat = connection->key == NULL ? anybody(connection) : NULL;
    if (seat == NULL || seat->events.message == NULL)
        return;
    connection->busy++;
    seat->events.message(seat->events.user, message);
    leave_callback(connection);
}

static void ask(struct connection *connection)
{
    bool any = false;
    for (size_t i = 0; i < connection->capacity; i++) {
        struct seat *seat = connection->taken[i];
        if (seat == NULL || seat->question != QUESTION_WAITING)
            continue;
        seat->question = QUESTION_ASKED;
        any = true;
    }
    connection->probing = any;
    if (any)
        phx_socket_probe(connection->socket);
}

static void on_heartbeat(void *user)
{
    struct connection *connection = user;
    connection->busy++;
    for (size_t i = 0; i < connection->capacity; i++) {
        struct seat *seat = connection->taken[i];
        if (seat == NULL || seat->question == QUESTION_WAITING)
            continue;
        seat->question = QUESTION_NONE;
        if (seat->events.heartbeat != NULL)
            seat->events.heartbeat(seat->events.user);
    }
    ask(connection);
    leave_callback(connection);
}

static struct connection *open_connection(struct seats *seats, const char *key,
                                          const struct phx_socket_options *options)
{
    size_t capacity = key != NULL ? SEATS_MAX : 1;
    struct connection *connection =
        calloc(1, sizeof *connection + capacity * sizeof(struct seat *));
    if (connection == NULL)
        return NULL;
    connection->capacity = capacity;
    const struct phx_socket_events events = {
        .user = connection,
        .credentials = on_credentials,
        .retry = on_retry,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_message,
        .heartbeat = on_heartbeat,
    };
    connection->seats = seats;
    connection->key = key != NULL ? strdup(key) : NULL;
    connection->socket = phx_socket_new(seats->context, options, &events);
    if (connection->socket == NULL || (key != NULL && connection->key == NULL)) {
        if (connection->socket != NULL)
            phx_socket_free(connection->socket);
        free(connection->key);
        free(connection);
        return NULL;
    }
    connection->next = seats->first;
    seats->first = connection;
    return connection;
}

/* -- Seats. */

static struct connection *find_connection(const struct seats *seats, const char *key)
{
    for (struct connection *c = seats->first; key != NULL && c != NULL; c = c->next)
        if (c->key != NULL && c->count > 0 && c->count < c->capacity && strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

static void sit_down(struct seat *seat)
{
    struct connection *connection = seat->connection;
    size_t i = 0;
    while (connection->taken[i] != NULL)
        i++;
    connection->taken[i] = seat;
    connection->count++;
}

struct seat *seat_take(struct seats *seats, const char *key,
                       const struct phx_socket_options *options,
                       const struct phx_socket_events *events)
{
    struct seat *seat = calloc(1, sizeof *seat);
    struct connection *connection = find_connection(seats, key);
    if (seat != NULL && connection == NULL)
        connection = open_connection(seats, key, options);
    if (seat == NULL || connection == NULL) {
        free(seat);
        return NULL;
    }
    seat->connection = connection;
    seat->events = *events;
    sit_down(seat);
    return seat;
}

int seat_start(struct seat *seat)
{
    struct phx_socket *socket = seat->connection->socket;
    if (!phx_socket_is_connected(socket))
        return phx_socket_connect(socket);
    if (!seat->told) {
        seat->told = true;
        seat->events.connected(seat->events.user);
    }
    return PHX_OK;
}

void seat_free(struct seat *seat)
{
    if (seat == NULL)
        return;
    struct connection *connection = seat->connection;
    for (size_t i = 0; i < connection->capacity; i++)
        if (connection->taken[i] == seat)
            connection->taken[i] = NULL;
    connection->count--;
    free(seat);
    if (connection->count == 0 && connection->busy == 0)
        free_connection(connection);
}

struct phx_socket *seat_socket(const struct seat *seat)
{
    return seat->connection->socket;
}

void seat_probe(struct seat *seat)
{
    seat->question = QUESTION_WAITING;
    if (!seat->connection->probing)
        ask(seat->connection);
}

int seat_reconnect(struct seat *seat)
{
    phx_socket_disconnect(seat->connection->socket, 0);
    return phx_socket_connect(seat->connection->socket);
}

bool seat_disconnect(struct seat *seat, uint32_t linger_ms)
{
    if (seat->connection->count > 1)
        return false;
    phx_socket_disconnect(seat->connection->socket, linger_ms);
    return true;
}
