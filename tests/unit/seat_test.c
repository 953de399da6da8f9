/* Lanes on one connection hear what is theirs, and no question of one answers another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lane/seat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- A libphx that does nothing by itself. */

struct phx_socket {
    struct phx_socket_events events;
    bool connected;
    unsigned probes, connects, disconnects;
};

static struct phx_socket *latest;
static int sockets;

struct phx_socket *phx_socket_new(struct phx_context *context,
                                  const struct phx_socket_options *options,
                                  const struct phx_socket_events *events)
{
    (void)context;
    (void)options;
    latest = calloc(1, sizeof *latest);
    latest->events = *events;
    sockets++;
    return latest;
}

void phx_socket_free(struct phx_socket *socket)
{
    sockets--;
    free(socket);
}

int phx_socket_connect(struct phx_socket *socket)
{
    socket->connects++;
    return PHX_OK;
}

void phx_socket_disconnect(struct phx_socket *socket, uint32_t linger_ms)
{
    (void)linger_ms;
    socket->disconnects++;
}

bool phx_socket_is_connected(const struct phx_socket *socket)
{
    return socket->connected;
}

void phx_socket_probe(struct phx_socket *socket)
{
    socket->probes++;
}

static void come_up(struct phx_socket *socket)
{
    socket->connected = true;
    socket->events.connected(socket->events.user);
}

static void go_down(struct phx_socket *socket)
{
    const struct phx_disconnect why = {.cause = PHX_CAUSE_CLOSED};
    socket->connected = false;
    socket->events.disconnected(socket->events.user, &why);
}

static void heartbeat(struct phx_socket *socket)
{
    socket->events.heartbeat(socket->events.user);
}

/* -- Lanes. */

struct lane {
    struct seat *seat;
    unsigned up, down, heartbeats, messages;
    bool leaves_when_down;
    struct lane *takes_when_up;
};

static struct seats *seats;

static void sit(struct lane *lane, const char *key);

static void on_connected(void *user)
{
    struct lane *lane = user;
    lane->up++;
    if (lane->takes_when_up != NULL)
        sit(lane->takes_when_up, "key");
    lane->takes_when_up = NULL;
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct lane *lane = user;
    (void)why;
    lane->down++;
    if (!lane->leaves_when_down)
        return;
    seat_free(lane->seat);
    lane->seat = NULL;
}

static void on_heartbeat(void *user)
{
    ((struct lane *)user)->heartbeats++;
}

static void on_message(void *user, const struct phx_message *message)
{
    (void)message;
    ((struct lane *)user)->messages++;
}

static void sit(struct lane *lane, const char *key)
{
    const struct phx_socket_options options = {.url = "ws://x/websocket"};
    const struct phx_socket_events events = {.user = lane,
                                             .connected = on_connected,
                                             .disconnected = on_disconnected,
                                             .message = on_message,
                                             .heartbeat = on_heartbeat};
    lane->seat = seat_take(seats, key, &options, &events);
    assert_non_null(lane->seat);
    assert_int_equal(seat_start(lane->seat), PHX_OK);
}

static int open_seats(void **state)
{
    (void)state;
    seats = seats_new(NULL);
    return seats == NULL;
}

static int close_seats(void **state)
{
    (void)state;
    seats_free(seats);
    return sockets != 0;
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, open_seats, close_seats)

/* Two lanes on one connection, which is up. */
static void sit_together(struct lane *a, struct lane *b)
{
    sit(a, "key");
    sit(b, "key");
    come_up(latest);
}

static void without_a_key_each_has_a_connection_of_its_own(void **state)
{
    (void)state;
    struct lane a = {0}, b = {0};
    sit(&a, NULL);
    sit(&b, NULL);
    assert_int_equal(seats_connections(seats), 2);
    assert_ptr_not_equal(seat_socket(a.seat), seat_socket(b.seat));
    latest->events.message(latest->events.user, NULL);
    assert_int_equal(b.messages, 1);
    assert_int_equal(a.messages, 0);
    seat_free(a.seat);
    seat_free(b.seat);
    assert_int_equal(seats_connections(seats), 0);
}

static void the_hundred_and_first_opens_another_connection(void **state)
{
    (void)state;
    static struct lane lanes[SEATS_MAX + 1];
    for (size_t i = 0; i <= SEATS_MAX; i++)
        sit(&lanes[i], "key");
    assert_int_equal(seats_connections(seats), 2);
    struct lane other = {0};
    sit(&other, "another key");
    assert_int_equal(seats_connections(seats), 3);
    seat_free(other.seat);
    for (size_t i = 0; i <= SEATS_MAX; i++)
        seat_free(lanes[i].seat);
}

static void who_comes_late_is_told_once_that_it_is_up(void **state)
{
    (void)state;
    struct lane a = {0}, b = {0}, c = {0};
    a.takes_when_up = &b;
    sit(&a, "key");
    come_up(latest);
    sit(&c, "key");
    assert_int_equal(a.up, 1);
    assert_int_equal(b.up, 1);
    assert_int_equal(c.up, 1);
    go_down(latest);
    come_up(latest);
    assert_int_equal(b.up, 2);
    seat_free(a.seat);
    seat_free(b.seat);
    seat_free(c.seat);
}

static void all_may_leave_while_they_are_told_of_the_end(void **state)
{
    (void)state;
    struct lane a = {.leaves_when_down = true}, b = {.leaves_when_down = true};
    sit_together(&a, &b);
    go_down(latest);
    assert_int_equal(a.down + b.down, 2);
    assert_int_equal(sockets, 0);
}

static void an_answer_is_for_those_who_had_asked_before_it_was_asked(void **state)
{
    (void)state;
    struct lane a = {0}, b = {0};
    sit_together(&a, &b);
    seat_probe(a.seat);
    seat_probe(b.seat); /* the probe under way may have left already */
    assert_int_equal(latest->probes, 1);
    heartbeat(latest);
    assert_int_equal(a.heartbeats, 1);
    assert_int_equal(b.heartbeats, 0);
    assert_int_equal(latest->probes, 2);
    heartbeat(latest);
    assert_int_equal(b.heartbeats, 1);
    seat_free(a.seat);
    seat_free(b.seat);
}

/* As after a gap: the answer to the first may have lain there for as long as that. */
static void who_asks_again_hears_the_answer_to_the_later_question(void **state)
{
    (void)state;
    struct lane a = {0};
    sit(&a, NULL);
    come_up(latest);
    seat_probe(a.seat);
    seat_probe(a.seat);
    heartbeat(latest);
    assert_int_equal(a.heartbeats, 0);
    assert_int_equal(latest->probes, 2);
    heartbeat(latest);
    assert_int_equal(a.heartbeats, 1);
    seat_free(a.seat);
}

static void a_question_ends_with_the_connection(void **state)
{
    (void)state;
    struct lane a = {0}, b = {0};
    sit_together(&a, &b);
    seat_probe(a.seat);
    seat_probe(b.seat);
    go_down(latest);
    come_up(latest);
    seat_probe(b.seat);
    assert_int_equal(latest->probes, 2);
    heartbeat(latest);
    assert_int_equal(b.heartbeats, 1);
    seat_free(a.seat);
    seat_free(b.seat);
}

static void only_the_last_one_closes_the_connection(void **state)
{
    (void)state;
    struct lane a = {0}, b = {0};
    sit_together(&a, &b);
    assert_false(seat_disconnect(a.seat, 100));
    assert_int_equal(latest->disconnects, 0);
    seat_free(a.seat);
    assert_true(seat_disconnect(b.seat, 100));
    assert_int_equal(latest->disconnects, 1);
    seat_free(b.seat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAT_TEST(without_a_key_each_has_a_connection_of_its_own),
        SEAT_TEST(the_hundred_and_first_opens_another_connection),
        SEAT_TEST(who_comes_late_is_told_once_that_it_is_up),
        SEAT_TEST(all_may_leave_while_they_are_told_of_the_end),
        SEAT_TEST(an_answer_is_for_those_who_had_asked_before_it_was_asked),
        SEAT_TEST(who_asks_again_hears_the_answer_to_the_later_question),
        SEAT_TEST(a_question_ends_with_the_connection),
        SEAT_TEST(only_the_last_one_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
