/* A thousand sockets of one context, whose server goes away and comes back: virtual time, a network
 * that answers at once, or after the time that a processor takes for handshakes. */
#include "phx_backoff.h"
#include "phx_gate.h"
#include "phx_usual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CROWD     1000
#define PER_S     50
#define STEP_MS   20
#define UNDER_WAY 32
#define FRESH_MAX (PER_S + PHX_PACE_BURST)

static struct phx_pace pace;
static uint64_t now;
static bool server_is_up;
static unsigned attempts; /* in the second that goes on */
static struct phx_gate *gates;
static uint64_t handshake_ms;  /* that the processor takes for one; 0: none at all */
static uint64_t free_ms;       /* when the processor is done with those that have begun */
static unsigned under_way_max; /* attempts that were under way at a time */
static unsigned late;          /* attempts that were given up */
static const struct phx_url server = {.port = 443,
                                      .host = {"phoenix.example", sizeof "phoenix.example" - 1}};

struct member {
    struct phx_machine *machine;
    bool opening;
    uint64_t done_ms; /* when its handshake is */
};
static struct member crowd[CROWD];

static bool io_open(void *user, struct phx_end *end)
{
    struct member *member = user;
    (void)end;
    attempts++;
    member->opening = true;
    free_ms = (free_ms > now ? free_ms : now) + handshake_ms;
    member->done_ms = free_ms;
    return true;
}

static void io_drop(void *user)
{
    struct member *member = user;
    member->opening = false;
    late++;
}

static bool io_enter(void *user)
{
    (void)user;
    struct phx_gate *gate = phx_gate_of(&gates, &server, UNDER_WAY);
    bool in = phx_gate_enter(gate);
    under_way_max = gate->under_way > under_way_max ? gate->under_way : under_way_max;
    return in;
}

static void io_leave(void *user)
{
    (void)user;
    phx_gate_leave(gates);
}

static void io_ignore(void *user)
{
    (void)user;
}

static void io_close(void *user, int code)
{
    (void)user;
    (void)code;
}

static uint64_t io_turn(void *user, uint64_t at)
{
    (void)user;
    return phx_pace_turn(&pace, at);
}

static void answer(struct member *member)
{
    const struct phx_end end = {.cause = PHX_CAUSE_CONNECT};
    member->opening = false;
    if (server_is_up)
        phx_machine_opened(member->machine, now);
    else
        phx_machine_closed(member->machine, &end, now);
}

/* Returns the most attempts of any second. */
static unsigned pass(uint64_t seconds)
{
    unsigned most = 0;
    for (uint64_t until = now + seconds * 1000; now < until; now += STEP_MS) {
        if (now % 1000 == 0)
            attempts = 0;
        for (size_t i = 0; i < CROWD; i++) {
            phx_machine_tick(crowd[i].machine, now);
            if (crowd[i].opening && crowd[i].done_ms <= now)
                answer(&crowd[i]);
        }
        most = attempts > most ? attempts : most;
    }
    return most;
}

static unsigned connected(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < CROWD; i++)
        n += phx_machine_is_connected(crowd[i].machine);
    return n;
}

static void end_all(void)
{
    const struct phx_end end = {.cause = PHX_CAUSE_CLOSED, .close_code = 1012};
    for (size_t i = 0; i < CROWD; i++)
        phx_machine_closed(crowd[i].machine, &end, now);
}

static int gather(void **state)
{
    (void)state;
    pace = (struct phx_pace){.per_s = PER_S};
    now = 1000000;
    handshake_ms = free_ms = 0;
    under_way_max = late = 0;
    server_is_up = true;
    for (size_t i = 0; i < CROWD; i++) {
        const struct phx_machine_io io = {&crowd[i], io_open, io_ignore, io_close, io_drop,
                                          NULL,      io_turn, io_enter,  io_leave};
        struct phx_machine_settings settings = phx_usual(PHX_V2, i + 1);
        settings.heartbeat_ms = 3600000;
        settings.backoff_min_ms = 500;
        crowd[i] = (struct member){.machine = phx_machine_new(&settings, &io, NULL)};
        assert_non_null(crowd[i].machine);
        phx_machine_connect(crowd[i].machine, now);
    }
    return 0;
}

static int scatter(void **state)
{
    (void)state;
    for (size_t i = 0; i < CROWD; i++)
        phx_machine_free(crowd[i].machine);
    phx_gates_free(gates);
    gates = NULL;
    return 0;
}

static void a_first_connection_of_all_is_no_stampede_either(void **state)
{
    (void)state;
    assert_in_range(pass(CROWD / PER_S), PER_S, FRESH_MAX);
    assert_int_equal(connected(), CROWD);
}

static void a_restarted_server_has_all_back_in_90_s_without_a_stampede(void **state)
{
    static const unsigned down_s[] = {0, 10, 300};
    (void)state;
    pass(100);
    for (size_t i = 0; i < sizeof down_s / sizeof down_s[0]; i++) {
        unsigned down, back;
        server_is_up = false;
        end_all();
        down = pass(down_s[i]);
        server_is_up = true;
        back = pass(90);
        assert_int_equal(connected(), CROWD);
        assert_true(down <= FRESH_MAX && back <= FRESH_MAX);
        pass(100); /* long enough for the next wait to be the first again */
    }
}

/* Ten a second: with all of a thousand under way at once, none would be done in its time. */
static void a_processor_that_is_slow_at_handshakes_does_none_in_vain(void **state)
{
    (void)state;
    handshake_ms = 100;
    pass(CROWD / 10 + 10);
    assert_int_equal(connected(), CROWD);
    assert_int_equal(late, 0);
    assert_int_equal(under_way_max, UNDER_WAY);
    assert_int_equal(gates->under_way, 0);
}

static void each_server_has_a_gate_of_its_own(void **state)
{
    (void)state;
    struct phx_url other = server;
    other.port = 4000;
    struct phx_gate *gate = phx_gate_of(&gates, &server, 1);
    assert_true(phx_gate_enter(gate));
    assert_false(phx_gate_enter(phx_gate_of(&gates, &server, 1)));
    assert_true(phx_gate_enter(phx_gate_of(&gates, &other, 1)));
    phx_gate_leave(gate);
    assert_true(phx_gate_enter(gate));
    phx_gates_free(gates);
    gates = NULL;
    gate = phx_gate_of(&gates, &server, 0);
    for (int i = 0; i < CROWD; i++)
        assert_true(phx_gate_enter(gate));
    phx_gates_free(gates);
    gates = NULL;
}

static void a_few_boards_never_wait_for_each_other(void **state)
{
    (void)state;
    pass(100);
    for (unsigned i = 0; i < PHX_PACE_BURST; i++)
        assert_int_equal(phx_pace_turn(&pace, now), now);
    assert_in_range(phx_pace_turn(&pace, now), now + 1, now + 1000 / PER_S);
}

static void without_a_bound_every_turn_is_now(void **state)
{
    (void)state;
    pace.per_s = 0;
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(phx_pace_turn(&pace, now), now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_first_connection_of_all_is_no_stampede_either, gather,
                                        scatter),
        cmocka_unit_test_setup_teardown(a_restarted_server_has_all_back_in_90_s_without_a_stampede,
                                        gather, scatter),
        cmocka_unit_test_setup_teardown(a_processor_that_is_slow_at_handshakes_does_none_in_vain,
                                        gather, scatter),
        cmocka_unit_test(each_server_has_a_gate_of_its_own),
        cmocka_unit_test_setup_teardown(a_few_boards_never_wait_for_each_other, gather, scatter),
        cmocka_unit_test_setup_teardown(without_a_bound_every_turn_is_now, gather, scatter),
    };
    return cmocka_run_group_tests_name("phx_crowd", tests, NULL, NULL);
}
