/*
 * How a control ended, as an event: valid JSON whatever its name is; and who never pushes one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"
#include "profile/profile_command.h"

#include <math.h>
#include <string.h>

static char json[PROFILE_COMMAND_MAX + 1];

static const char *written(const char *control, double value)
{
    const struct profile_command command = {control, value, "done", 12};
    json[profile_command_write(&command, json)] = '\0';
    return json;
}

static void it_says_what_became_of_which_control(void **state)
{
    (void)state;
    assert_string_equal(written("motor", 40),
                        "{\"control\":\"motor\",\"value\":40,\"outcome\":\"done\",\"number\":12}");
    assert_string_equal(
        written("motor", (double)NAN),
        "{\"control\":\"motor\",\"value\":null,\"outcome\":\"done\",\"number\":12}");
}

static void any_name_is_a_string_and_a_long_one_is_cut(void **state)
{
    (void)state;
    char name[5000];
    assert_string_equal(
        written("a\"b\\c\n\xff", 1),
        "{\"control\":\"a\\\"b\\\\c??\",\"value\":1,\"outcome\":\"done\",\"number\":12}");
    memset(name, '"', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_true(strlen(written(name, -1.7976931348623157e308)) < PROFILE_COMMAND_MAX);
}

static void the_server_of_microcontrollers_gets_no_event_that_it_does_not_know(void **state)
{
    (void)state;
    assert_false(profile_microcontrollers.command_events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_became_of_which_control),
        cmocka_unit_test(any_name_is_a_string_and_a_long_one_is_cut),
        cmocka_unit_test(the_server_of_microcontrollers_gets_no_event_that_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
