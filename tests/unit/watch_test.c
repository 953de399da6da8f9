/*
 * The pages of a running bridge: the format holds whatever a name, a board or an error contains,
 * and the verdict is of what is down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/watch.h"
#include "watch/watch_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct watch_text page;
static struct watch_port port;
static struct watch_lane lane;
static struct watch watch;

static int begin(void **state)
{
    (void)state;
    watch_text_free(&page);
    port = (struct watch_port){.name = "left",
                               .path = "/dev/ttyUSB0",
                               .state = WATCH_LINK_SERVING,
                               .rtt_us = 1500,
                               .clock_bound_us = WATCH_NONE};
    lane = (struct watch_lane){.name = "bench-1",
                               .port = "left",
                               .path = "/dev/ttyUSB0",
                               .device = "stub-1",
                               .product = "stub",
                               .version = "1",
                               .has_server = true,
                               .server = WATCH_CHANNEL_JOINED,
                               .oldest_us = 250000};
    watch = (struct watch){.process = {.version = "0.1"},
                           .ports = &port,
                           .port_count = 1,
                           .lanes = &lane,
                           .lane_count = 1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    watch_text_free(&page);
    return 0;
}

static const char *metrics(void)
{
    page.n = 0;
    watch_metrics(&page, &watch);
    watch_put(&page, "");
    char *text = realloc(page.at, page.n + 1);
    assert_non_null(text);
    text[page.n] = '\0';
    page.at = text;
    page.cap = page.n + 1;
    return text;
}

/* -- A strict reader of the text format: every line is a comment or a sample, and a family's
 * samples stand together after its TYPE. Returns how many samples there were. */

static const char *take_name(const char *at)
{
    assert_true(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    return at;
}

static const char *take_label(const char *at)
{
    at = take_name(at);
    assert_true(at[0] == '=' && at[1] == '"');
    for (at += 2; *at != '"'; at++) {
        assert_true((unsigned char)*at >= 0x20);
        if (*at == '\\') {
            at++;
            assert_true(*at == '\\' || *at == '"' || *at == 'n');
        }
    }
    return at + 1;
}

static const char *take_labels(const char *at)
{
    if (*at != '{')
        return at;
    do
        at = take_label(at + 1);
    while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

static bool belongs(const char *sample, size_t n, const char *family)
{
    static const char *const tails[] = {"", "_bucket", "_sum", "_count"};
    for (size_t i = 0; i < 4; i++)
        if (n == strlen(family) + strlen(tails[i]) &&
            strncmp(sample, family, strlen(family)) == 0 &&
            strncmp(sample + strlen(family), tails[i], strlen(tails[i])) == 0)
            return true;
    return false;
}

static size_t check_format(const char *text)
{
    char family[128] = "", seen[16384] = "", marked[130];
    size_t samples = 0;
    while (*text != '\0') {
        const char *line_end = strchr(text, '\n');
        assert_non_null(line_end);
        if (strncmp(text, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(text + 7, "%127s", family), 1);
            snprintf(marked, sizeof marked, " %s ", family);
            assert_null(strstr(seen, marked));
            strncat(seen, marked, sizeof seen - strlen(seen) - 1);
        } else if (*text != '#') {
            const char *at = take_name(text);
            assert_true(belongs(text, (size_t)(at - text), family));
            at = take_labels(at);
            assert_int_equal(*at, ' ');
            char *number_end;
            strtod(at + 1, &number_end);
            assert_ptr_equal(number_end, line_end);
            samples++;
        }
        text = line_end + 1;
    }
    return samples;
}

static void every_line_is_as_prometheus_reads_it(void **state)
{
    (void)state;
    watch.process.has_spool = true;
    assert_true(check_format(metrics()) > 60);
}

static void microseconds_are_shown_as_seconds_and_what_is_not_known_not_at_all(void **state)
{
    (void)state;
    const char *text = metrics();
    assert_non_null(strstr(text, "\nmcu_bridge_link_round_trip_seconds{port=\"left\"} 0.0015\n"));
    assert_non_null(
        strstr(text, "\nmcu_bridge_readings_oldest_unsent_seconds{mcu=\"bench-1\"} 0.25\n"));
    assert_null(strstr(text, "\nmcu_bridge_link_clock_error_bound_seconds{"));
}

static void whatever_a_board_says_of_itself_stays_a_label(void **state)
{
    (void)state;
    static const char *const evil[] = {"\"} 1\nevil_metric 2\n", "\\",       "a\\\"b", "\xff\xfe",
                                       "\x01\x7f\r\n",           "\xc3\xa9", "{}",     ""};
    size_t samples = check_format(metrics());
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        lane.device = lane.product = lane.version = evil[i];
        lane.name = port.name = evil[i];
        const char *text = metrics();
        assert_int_equal(check_format(text), samples);
        assert_null(strstr(text, "\nevil_metric"));
    }
}

static void a_label_is_bounded(void **state)
{
    (void)state;
    char name[5000];
    memset(name, '"', sizeof name);
    name[sizeof name - 1] = '\0';
    lane.product = name;
    size_t samples = check_format(metrics());
    assert_true(samples > 60);
    assert_true(page.n < 32768);
}

static void the_lag_is_a_histogram_that_adds_up(void **state)
{
    (void)state;
    static const uint64_t late[] = {0, 1000, 1001, 30000, 99999999};
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++)
        watch_lag_add(&watch.process.lag, late[i]);
    const char *text = metrics();
    assert_non_null(strstr(text, "mcu_bridge_loop_lag_seconds_bucket{le=\"0.001\"} 2\n"));
    assert_non_null(strstr(text, "mcu_bridge_loop_lag_seconds_bucket{le=\"0.005\"} 3\n"));
    assert_non_null(strstr(text, "mcu_bridge_loop_lag_seconds_bucket{le=\"0.1\"} 4\n"));
    assert_non_null(strstr(text, "mcu_bridge_loop_lag_seconds_bucket{le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(text, "mcu_bridge_loop_lag_seconds_count 5\n"));
}

static void each_outcome_of_a_command_has_its_counter(void **state)
{
    (void)state;
    lane.outcomes[COMMANDS_DONE] = 7;
    lane.outcomes[COMMANDS_CHANNEL_LOST] = 3;
    const char *text = metrics();
    assert_non_null(
        strstr(text, "mcu_bridge_commands_total{mcu=\"bench-1\",outcome=\"done\"} 7\n"));
    assert_non_null(
        strstr(text, "mcu_bridge_commands_total{mcu=\"bench-1\",outcome=\"channel_lost\"} 3\n"));
}

static void health_is_good_only_when_everything_is_up(void **state)
{
    (void)state;
    assert_true(watch_health(&page, &watch));
    assert_int_equal(page.n, 0);
    lane.server = WATCH_CHANNEL_JOINING;
    lane.error = "the server refuses it";
    assert_false(watch_health(&page, &watch));
    watch_put(&page, "\n");
    page.at[page.n - 1] = '\0';
    assert_string_equal(page.at,
                        "MCU bench-1: its channel is not joined (the server refuses it)\n");
    begin(NULL);
    lane.port = NULL;
    assert_false(watch_health(&page, &watch));
    begin(NULL);
    port.state = WATCH_LINK_CLOSED; /* a spare one: the board is on another */
    assert_true(watch_health(&page, &watch));
    lane.port = NULL;
    port.trouble = "/dev/ttyUSB0 is not there";
    assert_false(watch_health(&page, &watch));
    watch_put(&page, "\n");
    page.at[page.n - 1] = '\0';
    assert_string_equal(page.at, "port left: not open (/dev/ttyUSB0 is not there)\n"
                                 "MCU bench-1: its board is not there\n");
    begin(NULL);
    port.state = WATCH_LINK_HELD;
    assert_false(watch_health(&page, &watch));
    begin(NULL);
    port.state = WATCH_LINK_LENT; /* another MCU's update is no trouble of this one */
    assert_true(watch_health(&page, &watch));
    begin(NULL);
    watch.process.has_spool = true;
    assert_true(watch_health(&page, &watch));
    watch.process.spool.failing = 1;
    assert_false(watch_health(&page, &watch));
    begin(NULL);
    watch.process.stopping = true;
    assert_false(watch_health(&page, &watch));
}

/* -- NervesHub. */

static void make_device(void)
{
    lane.has_server = false;
    lane.server = WATCH_CHANNEL_OFF;
    lane.has_hub = lane.hub_joined = true;
    lane.hub_stage = "flashing";
    lane.hub_uuid = "U1";
    lane.hub_version = "1.0.0";
    lane.hub_coming = "U2";
    lane.hub_trouble = "";
    lane.hub_percent = 40;
    lane.hub_updated = 3;
    lane.hub_failed = 1;
}

static void a_device_of_nerveshub_needs_no_other_server(void **state)
{
    (void)state;
    make_device();
    assert_true(watch_health(&page, &watch));
    lane.hub_joined = false;
    lane.hub_trouble = "the server refuses the key";
    lane.error = "something older";
    assert_false(watch_health(&page, &watch));
    watch_put(&page, "\n");
    page.at[page.n - 1] = '\0';
    assert_string_equal(
        page.at, "MCU bench-1: it is not joined at NervesHub (the server refuses the key)\n");
}

static const char *status(void)
{
    watch_status(&page, &watch);
    watch_put_bytes(&page, "", 1);
    return page.at;
}

static void firmware_and_updates_of_a_device_are_shown(void **state)
{
    (void)state;
    static const char *const samples[] = {
        "mcu_bridge_nerveshub_up{mcu=\"bench-1\"} 1\n",
        "mcu_bridge_nerveshub_update_stage{mcu=\"bench-1\",stage=\"flashing\"} 1\n",
        "mcu_bridge_nerveshub_firmware_info{mcu=\"bench-1\",uuid=\"U1\",version=\"1.0.0\"} 1\n",
        "mcu_bridge_nerveshub_update_percent{mcu=\"bench-1\"} 40\n",
        "mcu_bridge_nerveshub_updates_total{mcu=\"bench-1\"} 3\n",
        "mcu_bridge_nerveshub_updates_failed_total{mcu=\"bench-1\"} 1\n",
    };
    make_device();
    const char *text = metrics();
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strstr(text, samples[i]) == NULL)
            fail_msg("no %s", samples[i]);
    begin(NULL);
    assert_null(strstr(status(), "nerveshub"));
    assert_null(strstr(metrics(), "nerveshub"));
    begin(NULL);
    make_device();
    lane.hub_percent = WATCH_NONE;
    text = status();
    assert_non_null(strstr(text, "\"server\":null"));
    assert_non_null(
        strstr(text, "\"nerveshub\":{\"state\":\"joined\",\"uuid\":\"U1\",\"version\":\"1.0.0\","
                     "\"update\":\"flashing\",\"update_uuid\":\"U2\",\"updates\":3,"
                     "\"updates_failed\":1,\"trouble\":null}"));
}

static void a_thousand_boards_are_one_growing_buffer(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct watch_lane *lanes = calloc(COUNT, sizeof *lanes);
    assert_non_null(lanes);
    for (size_t i = 0; i < COUNT; i++)
        lanes[i] = lane;
    watch.lanes = lanes;
    watch.lane_count = COUNT;
    assert_true(check_format(metrics()) > (size_t)COUNT * 25);
    free(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_line_is_as_prometheus_reads_it, begin),
        cmocka_unit_test_setup(microseconds_are_shown_as_seconds_and_what_is_not_known_not_at_all,
                               begin),
        cmocka_unit_test_setup(whatever_a_board_says_of_itself_stays_a_label, begin),
        cmocka_unit_test_setup(a_label_is_bounded, begin),
        cmocka_unit_test_setup(the_lag_is_a_histogram_that_adds_up, begin),
        cmocka_unit_test_setup(each_outcome_of_a_command_has_its_counter, begin),
        cmocka_unit_test_setup(health_is_good_only_when_everything_is_up, begin),
        cmocka_unit_test_setup(a_device_of_nerveshub_needs_no_other_server, begin),
        cmocka_unit_test_setup(firmware_and_updates_of_a_device_are_shown, begin),
        cmocka_unit_test_setup(a_thousand_boards_are_one_growing_buffer, begin),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
