/* Leaving a channel, and being told when that is over. */
#include "phx_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void leave(struct rig *rig, unsigned index)
{
    phx_machine_leave(rig->channels[index].channel, rig->now);
    rig->channels[index].channel = NULL;
}

static void up_joined_and_told(struct rig *rig)
{
    rig_up(rig, PHX_V2);
    rig->tell_left = true;
    rig_join(rig, 0, "room:1");
    rig_server(rig, "[\"1\",\"1\",\"room:1\",\"phx_reply\"," OK "]");
    rig_forget(rig);
}

static void the_end_of_a_leave_is_told_once(void **state)
{
    static const char *const answers[] = {"[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]",
                                          "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]"};
    struct rig rig;

    (void)state;
    for (int first = 0; first < 2; first++) {
        up_joined_and_told(&rig);
        leave(&rig, 0);
        rig_expect(&rig, "> [\"1\",\"2\",\"room:1\",\"phx_leave\",{}]\n");
        rig_server(&rig, answers[first]);
        rig_server(&rig, answers[!first]);
        rig_expect(&rig, "room:1: left\n");
        rig_deinit(&rig);
    }
}

static void a_leave_without_an_answer_or_a_connection_ends_all_the_same(void **state)
{
    struct rig rig;

    (void)state;
    up_joined_and_told(&rig);
    leave(&rig, 0);
    rig_pass(&rig, 9999);
    rig_expect(&rig, "> [\"1\",\"2\",\"room:1\",\"phx_leave\",{}]\n");
    rig_pass(&rig, 1);
    rig_expect(&rig, "room:1: left\n");
    rig_join(&rig, 0, "room:1");
    leave(&rig, 0);
    rig_forget(&rig);
    rig_close(&rig, 1012);
    rig_expect(&rig, "room:1: left\ndown closed in soon\n");
    rig_join(&rig, 0, "room:1");
    leave(&rig, 0);
    rig_expect(&rig, "room:1: left\n");
    rig_deinit(&rig);
}

static void a_topic_may_be_joined_again_before_its_leave_is_answered(void **state)
{
    struct rig rig;

    (void)state;
    up_joined_and_told(&rig);
    leave(&rig, 0);
    assert_int_equal(rig_join(&rig, 1, "room:1"), PHX_OK);
    rig_forget(&rig);
    rig_server(&rig, "[\"3\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]");
    rig_expect(&rig, "room:1: joined {}\nroom:1: left\n");
    assert_true(phx_machine_is_joined(rig.channels[1].channel));
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_leave_is_told_once),
        cmocka_unit_test(a_leave_without_an_answer_or_a_connection_ends_all_the_same),
        cmocka_unit_test(a_topic_may_be_joined_again_before_its_leave_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
