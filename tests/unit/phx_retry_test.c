/* What follows an end: the caller's decisions, and patience. */
#include "phx_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool in_7_s(struct rig *rig, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    (void)rig;
    assert_true(why->retry);
    assert_int_equal(why->retry_ms, *wait_ms);
    *wait_ms = 7000;
    return true;
}

static bool never(struct rig *rig, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    (void)rig;
    (void)why;
    (void)wait_ms;
    return false;
}

static bool disconnects_inside(struct rig *rig, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    (void)why;
    (void)wait_ms;
    phx_machine_disconnect(rig->machine, 0, rig->now);
    return true;
}

static void the_caller_may_decide_when_the_next_attempt_is(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig.decide = in_7_s;
    rig_close(&rig, 1000);
    rig_expect(&rig, "retry? closed\ndown closed in soon\n");
    assert_int_equal(rig.last_wait_ms, 7000);
    rig_pass(&rig, 6999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "open\n");
    rig_deinit(&rig);
}

static void the_caller_may_decide_that_there_is_none_and_connect_later(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig.decide = never;
    rig_close(&rig, 1012);
    rig_pass(&rig, 3600000);
    rig_expect(&rig, "retry? closed\ndown closed\n");
    rig_connect(&rig);
    rig_expect(&rig, "open\nconnected\n");
    rig.decide = disconnects_inside;
    rig_close(&rig, 1012);
    rig_pass(&rig, 3600000);
    rig_expect(&rig, "retry? closed\ndown closed\ndown asked\n");
    rig_deinit(&rig);
}

static void an_end_that_was_asked_for_is_not_a_question(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig.decide = never;
    phx_machine_disconnect(rig.machine, 0, rig.now);
    rig_close(&rig, 1000);
    rig_expect(&rig, "close 1000\ndown asked\n");
    rig_deinit(&rig);
}

static void hurry_ends_a_wait_and_does_nothing_otherwise(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_hurry(rig.machine, rig.now);
    rig_pass(&rig, 100);
    rig_expect(&rig, "");
    rig_connect(&rig);
    phx_machine_hurry(rig.machine, rig.now);
    rig_pass(&rig, 100);
    rig_expect(&rig, "open\nconnected\n");
    rig_close(&rig, 1012);
    rig_forget(&rig);
    phx_machine_hurry(rig.machine, rig.now);
    rig_pass(&rig, 0);
    rig_expect(&rig, "open\n");
    rig_deinit(&rig);
}

static void connections_that_die_young_are_tried_ever_more_slowly(void **state)
{
    struct rig rig;
    uint32_t longest = 0;

    (void)state;
    rig_up(&rig, PHX_V2);
    for (int i = 0; i < 10; i++) {
        rig_pass(&rig, 5000);
        rig_close(&rig, 1011);
        assert_true(i < 2 || rig.last_wait_ms >= 2600);
        longest = rig.last_wait_ms > longest ? rig.last_wait_ms : longest;
        rig_connect_again(&rig);
    }
    assert_in_range(longest, 40000, 60000);
    rig_deinit(&rig);
}

static void the_join_payload_can_change_for_the_next_join(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(phx_machine_set_payload(rig.channels[0].channel, "{nan}"), PHX_ERR_BAD_JSON);
    assert_int_equal(phx_machine_set_payload(rig.channels[0].channel, "{\"v\":2}"), PHX_OK);
    rig_close(&rig, 1012);
    rig_connect_again(&rig);
    rig_expect(&rig, "down closed in soon\nopen\nconnected\n"
                     "> [\"2\",\"2\",\"room:1\",\"phx_join\",{\"v\":2}]\n");
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_caller_may_decide_when_the_next_attempt_is),
        cmocka_unit_test(the_caller_may_decide_that_there_is_none_and_connect_later),
        cmocka_unit_test(an_end_that_was_asked_for_is_not_a_question),
        cmocka_unit_test(hurry_ends_a_wait_and_does_nothing_otherwise),
        cmocka_unit_test(connections_that_die_young_are_tried_ever_more_slowly),
        cmocka_unit_test(the_join_payload_can_change_for_the_next_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
