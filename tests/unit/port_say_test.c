/*
 * What is most likely wrong with a line, from what came on it.
 */
#include "port/port_say.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct port_silence nothing = {.name = "left", .path = "/dev/ttyUSB0", .baud = 115200};

static void expect(const struct port_silence *about, const char *said)
{
    char why[512];
    assert_non_null(strstr(port_say_why(about, why, sizeof why), said));
    assert_non_null(strstr(why, "/dev/ttyUSB0"));
}

static void no_bytes_may_be_power_or_the_wrong_port(void **state)
{
    struct port_silence about = nothing;
    (void)state;
    expect(&about, "nothing answers on");
    about.dtr_off = true;
    expect(&about, "\"dtr_rts\"");
}

static void bytes_without_a_frame_mean_another_baud_rate(void **state)
{
    struct port_silence about = nothing;
    (void)state;
    about.bytes = 4711;
    expect(&about, "4711 bytes and not one valid frame: most likely 115200 is not the firmware's");
    about.framing_errors = 12;
    expect(&about, ", with 12 framing errors");
    about.is_text = true;
    expect(&about, "baud rate");
}

static void text_means_another_firmware(void **state)
{
    struct port_silence about = nothing;
    (void)state;
    about.bytes = 100;
    about.is_text = true;
    expect(&about, "another firmware");
}

static void frames_without_an_answer_mean_that_the_board_does_not_hear_us(void **state)
{
    struct port_silence about = nothing;
    (void)state;
    about.bytes = 100;
    about.frames = 4;
    expect(&about, "RX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bytes_may_be_power_or_the_wrong_port),
        cmocka_unit_test(bytes_without_a_frame_mean_another_baud_rate),
        cmocka_unit_test(text_means_another_firmware),
        cmocka_unit_test(frames_without_an_answer_mean_that_the_board_does_not_hear_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
