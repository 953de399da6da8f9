/*
 * What a configuration says reaches struct config; what it says wrongly is refused with its place,
 * all of it in one run.
 */
#define _DEFAULT_SOURCE
#include "config/config_parse.h"
#include "config/config_value.h"
#include "config_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_bytes(struct config *config, const char *bytes, size_t n)
{
    struct config_source source = {
        .name = "f", .folder = "/etc/b", .bytes = bytes, .n = n, .report = keep};
    forget();
    memset(config, 0xA5, sizeof *config);
    return config_parse(config, &source);
}

static int parse(struct config *config, const char *text)
{
    return parse_bytes(config, text, strlen(text));
}

#define SERVER  "server: {url: 'ws://h:4000/microcontrollers/websocket'}\n"
#define ONE_MCU "mcus: [{name: a, path: /dev/a, api_key_file: a.key}]\n"

/* Exactly this one complaint. */
static void assert_refused(const char *text, const char *error)
{
    struct config config;
    char expected[1024];
    snprintf(expected, sizeof expected, "%s\n", error);
    assert_int_equal(parse(&config, text), -1);
    assert_string_equal(errors, expected);
}

/* -- What is taken. */

static void a_short_file_has_all_defaults(void **state)
{
    (void)state;
    struct config c;
    if (parse(&c, SERVER ONE_MCU))
        fail_msg("%s", errors);
    assert_string_equal(c.url, "ws://h:4000/microcontrollers/websocket");
    assert_null(c.ca_file);
    assert_int_equal(c.transport, CONFIG_WEBSOCKET);
    assert_null(c.proxy);
    assert_false(c.deflate);
    assert_int_equal(c.vsn, CONFIG_V2);
    assert_int_equal(c.profile, CONFIG_MICROCONTROLLERS);
    assert_false(c.values_as_strings);
    assert_false(c.reading_at);
    assert_int_equal(c.heartbeat_ms, 30000);
    assert_int_equal(c.heartbeat_timeout_ms, 10000);
    assert_int_equal(c.batch_readings, 500);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_false(c.log_json);
    assert_int_equal(c.port_count, 1);
    assert_int_equal(c.ports[0].baud, 115200);
    assert_int_equal(c.mcu_count, 1);
    assert_true(c.mcus[0].any_device);
    config_free(&c);
}

static void every_setting_reaches_its_member(void **state)
{
    (void)state;
    struct config c;
    if (parse(&c,
              "server:\n"
              "  url: wss://[::1]/x/websocket?a=b\n  profile: microcontrollers\n  vsn: \"1.0.0\"\n"
              "  ca_file: ca.pem\n  heartbeat: 5s\n  heartbeat_timeout: 500ms\n  reconnect_min: "
              "20ms\n"
              "  reconnect_max: 2m\n  stable_after: 1h\n  linger: 0\n"
              "  transport: auto\n  proxy: http://p:1\n  cert_file: c.pem\n  key_file: c.key\n"
              "  auth_token_command: fetch it\n  deflate: true\n"
              "readings: {batch: 7, batch_wait: 3s, buffer: 64KiB, values: string, at_and_seq: "
              "true, reply_timeout: 11s}\n"
              "commands: {ttl: 1500ms, channel_loss: 9s}\nlink: {keepalive: 250ms}\n"
              "log: {level: debug, format: json}\n"
              "ports:\n  - {name: left, path: ttyX, baud: 9600}\n  - usb_serial: 55731\n"
              "mcus:\n"
              "  - {name: one, device: stub-1, port: '55731', api_key_file: /k/1}\n"
              "  - name: two\n    device: 0x00fF10\n    api_key_file: k2\n"
              "    controls: {motor: {on_channel_loss: hold}, valve: {}}\n"
              "  - {name: three, device: \"0x12\", api_key_file: k3}\n"))
        fail_msg("%s", errors);
    assert_int_equal(c.vsn, CONFIG_V1);
    assert_string_equal(c.ca_file, "/etc/b/ca.pem");
    assert_int_equal(c.transport, CONFIG_AUTO);
    assert_string_equal(c.proxy, "http://p:1");
    assert_string_equal(c.cert_file, "/etc/b/c.pem");
    assert_string_equal(c.key_file, "/etc/b/c.key");
    assert_string_equal(c.auth_token_command, "fetch it");
    assert_null(c.auth_token_file);
    assert_true(c.deflate);
    assert_int_equal(c.heartbeat_ms, 5000);
    assert_int_equal(c.heartbeat_timeout_ms, 500);
    assert_int_equal(c.backoff_min_ms, 20);
    assert_int_equal(c.backoff_max_ms, 120000);
    assert_int_equal(c.stable_ms, 3600000);
    assert_int_equal(c.linger_ms, 0);
    assert_int_equal(c.batch_readings, 7);
    assert_int_equal(c.batch_ms, 3000);
    assert_int_equal(c.reply_timeout_ms, 11000);
    assert_int_equal(c.buffer_bytes, 65536);
    assert_true(c.values_as_strings);
    assert_true(c.reading_at);
    assert_int_equal(c.command_ttl_ms, 1500);
    assert_int_equal(c.channel_loss_ms, 9000);
    assert_int_equal(c.keepalive_ms, 250);
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_true(c.log_json);
    assert_string_equal(c.ports[0].path, "/etc/b/ttyX");
    assert_int_equal(c.ports[0].baud, 9600);
    assert_string_equal(c.ports[1].name, "55731");
    assert_string_equal(c.ports[1].usb_serial, "55731");
    assert_string_equal(c.mcus[0].port, "55731");
    assert_false(c.mcus[0].any_device);
    assert_memory_equal(c.mcus[0].device, "stub-1", 6);
    assert_string_equal(c.mcus[0].api_key_file, "/k/1");
    assert_int_equal(c.mcus[1].device_len, 3);
    assert_memory_equal(c.mcus[1].device, "\x00\xff\x10", 3);
    assert_null(c.mcus[1].port);
    assert_int_equal(c.mcus[1].control_count, 2);
    assert_string_equal(c.mcus[1].controls[0].name, "motor");
    assert_int_equal(c.mcus[1].controls[0].on_channel_loss, CONFIG_HOLD);
    assert_int_equal(c.mcus[1].controls[1].on_channel_loss, CONFIG_FAILSAFE);
    assert_memory_equal(c.mcus[2].device, "0x12", 4);
    config_free(&c);
}

static void an_mcu_with_a_line_of_its_own_is_pinned_to_it(void **state)
{
    (void)state;
    struct config c;
    if (parse(&c, SERVER "mcus:\n  - {name: a, path: tty0, baud: 300, api_key_file: a}\n"
                         "  - {name: b, usb_serial: S1, api_key_file: b}\n"))
        fail_msg("%s", errors);
    assert_int_equal(c.port_count, 2);
    assert_string_equal(c.ports[0].path, "/etc/b/tty0");
    assert_int_equal(c.ports[0].baud, 300);
    assert_string_equal(c.mcus[0].port, c.ports[0].name);
    assert_string_equal(c.ports[1].usb_serial, "S1");
    assert_string_equal(c.mcus[1].port, c.ports[1].name);
    config_free(&c);
}

static void the_only_port_is_the_port_of_an_mcu_without_device(void **state)
{
    (void)state;
    struct config c;
    if (parse(&c, SERVER "ports: [{path: /dev/x}]\nmcus: [{name: a, api_key_file: a}]\n"))
        fail_msg("%s", errors);
    assert_true(c.mcus[0].any_device);
    assert_string_equal(c.mcus[0].port, "/dev/x");
    config_free(&c);
}

static void the_installed_example_is_a_configuration(void **state)
{
    (void)state;
    static char bytes[CONFIG_BYTES_MAX];
    struct config c;
    FILE *file = fopen("../../bridge/mcu-bridge.yaml", "r");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (parse_bytes(&c, bytes, n))
        fail_msg("%s", errors);
    assert_int_equal(c.mcu_count, 2);
    config_free(&c);
}

static void every_default_fits_its_own_range(void **state)
{
    (void)state;
    union {
        struct config config;
        struct config_mcu_entry entry;
        struct config_port port;
    } base;
    for (size_t s = 0; s < CONFIG_SECTION_COUNT; s++)
        for (size_t i = 0; i < config_sections[s].count; i++) {
            const struct config_setting *row = &config_sections[s].settings[i];
            struct config_complaint complaint;
            memset(&base, 0, sizeof base);
            if (!row->fallback)
                continue;
            struct config_scalar value = {row->fallback, strlen(row->fallback), false};
            if (config_value_put(row, &value, NULL, &base, &complaint))
                fail_msg("%s: %s is not %s", row->key, row->fallback, complaint.expected);
            if (row->type == CONFIG_TEXT)
                free(*(char **)((char *)&base + row->at));
        }
}

/* -- What is refused, and where. */

static void a_wrong_value_names_place_key_expected_and_found(void **state)
{
    (void)state;
    assert_refused(
        SERVER "ports:\n  - name: x\n    path: y\n    baud: 115200bps\nmcus:\n"
               "  - {name: a, api_key_file: a}\n",
        "f:5:11: \"baud\": expected a whole number from 300 to 4000000, found \"115200bps\"");
}

static const char *baud_error(const char *value)
{
    static char text[512];
    struct config c;
    snprintf(text, sizeof text, SERVER "mcus: [{name: a, path: x, api_key_file: a, baud: %s}]",
             value);
    assert_int_equal(parse(&c, text), -1);
    assert_int_equal(error_count, 1);
    return errors;
}

static void numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        ".nan",     "1e400",       "0123",   "0x100",
        "-9600",    "+9600",       "9600.0", "9_600",
        "299",      "4000001",     "''",     "~",
        "\"9600\"", "[9600]",      "{}",     "99999999999999999999999999",
        "yes",      "\"9600\\0\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_non_null(
            strstr(baud_error(wrong[i]), "\"baud\": expected a whole number from 300 to "));
    assert_non_null(strstr(baud_error("0123"), "octal"));
    assert_non_null(strstr(baud_error("'9600'"), "without quotation marks"));
}

static const char *heartbeat_error(const char *value)
{
    static char text[512];
    struct config c;
    snprintf(text, sizeof text, "server: {url: 'ws://h/websocket', heartbeat: %s}\n" ONE_MCU,
             value);
    assert_int_equal(parse(&c, text), -1);
    assert_int_equal(error_count, 1);
    return errors;
}

static void durations_need_a_unit_and_a_whole_number(void **state)
{
    (void)state;
    static const char *const wrong[] = {"30",   "1.5s", "030s",    "30 s", "30sec",
                                        "s",    "-1s",  "999ms",   "601s", "4294967297ms",
                                        "2e1s", ".inf", "'30s\\0'"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_non_null(strstr(heartbeat_error(wrong[i]), "expected a duration from 1s to 10m"));
    assert_non_null(strstr(heartbeat_error("30"), "the unit is missing"));
}

static const char *url_error(const char *url)
{
    static char text[4096];
    struct config c;
    snprintf(text, sizeof text, "server: {url: '%s'}\n" ONE_MCU, url);
    assert_int_equal(parse(&c, text), -1);
    assert_int_equal(error_count, 1);
    return errors;
}

static void urls_that_cannot_work_are_refused_with_a_hint(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"http://h/websocket", "ws:// in place of http://"},
        {"https://h/websocket", "wss:// in place of https://"},
        {"h:4000/websocket", "begins with ws:// or wss://"},
        {"ws:///websocket", "HOST or HOST:PORT"},
        {"ws://h:/websocket", "HOST or HOST:PORT"},
        {"ws://h:0/websocket", "HOST or HOST:PORT"},
        {"ws://h:65536/websocket", "HOST or HOST:PORT"},
        {"ws://[::1/websocket", "HOST or HOST:PORT"},
        {"ws://h/microcontrollers", "ends in /websocket"},
        {"ws://h/websocket/", "ends in /websocket"},
        {"ws://h", "ends in /websocket"},
        {"ws://h/a b/websocket", "no spaces"},
        {"ws://h/websocket#x", "without the #"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (!strstr(url_error(wrong[i][0]), wrong[i][1]))
            fail_msg("%s\nlacks %s", errors, wrong[i][1]);
}

static void a_password_in_a_url_is_not_repeated(void **state)
{
    (void)state;
    assert_null(strstr(url_error("ws://me:s3cret@h/websocket"), "s3cret"));
}

static void all_errors_come_in_one_run_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(parse(&c, "server:\n  url: x\n  vsn: 3\nlog: {level: loud}\n"
                               "ports: [{path: a, baud: 1}]\nmcus: [{name: a}, {}]\nextra: 1\n"),
                     -1);
    static const char *const places[] = {
        "f:2:", "f:3:", "f:4:", "f:5:", "f:6:8: ", "f:6:19: ", "f:7:"};
    const char *at = errors;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        at = strstr(at, places[i]);
        if (!at) {
            print_message("%s\nlacks %s\n", errors, places[i]);
            fail();
            return;
        }
    }
}

static void unknown_keys_are_refused_with_what_was_meant(void **state)
{
    (void)state;
    assert_refused(SERVER ONE_MCU "reading: {}\n",
                   "f:3:1: \"reading\": no such setting; did you mean \"readings\"?");
    assert_refused(SERVER ONE_MCU "readings: {bacth: 3}\n",
                   "f:3:12: \"bacth\": no such setting in readings; did you mean \"batch\"?");
    assert_refused(SERVER ONE_MCU "readings: {heartbeat: 3s}\n",
                   "f:3:12: \"heartbeat\": no such setting in readings; it belongs in \"server\"");
    assert_refused(SERVER ONE_MCU "xyzzy: 1\n",
                   "f:3:1: \"xyzzy\": no such setting; mcu-bridge --help-config lists them");
}

static void whatever_stands_twice_is_refused(void **state)
{
    (void)state;
    assert_refused(SERVER ONE_MCU SERVER, "f:3:1: \"server\": given twice, first in line 1");
    assert_refused(SERVER "log: {level: info, level: info}\n" ONE_MCU,
                   "f:2:20: \"level\": given twice, first in line 2");
    assert_refused(SERVER "mcus: [{name: a, path: x, api_key_file: a, controls: {m: {}, m: {}}}]",
                   "f:2:62: \"m\": given twice");
}

#define TWO(first, second) SERVER "mcus:\n  - {name: a, path: x, " first "}\n  - {" second "}\n"

static void whatever_is_claimed_twice_is_refused(void **state)
{
    (void)state;
    assert_refused(TWO("api_key_file: a", "name: a, path: y, api_key_file: b"),
                   "f:4:12: \"name\": the same as in the entry in line 3");
    assert_refused(TWO("api_key_file: a", "name: b, path: x, api_key_file: b"),
                   "f:4:21: \"path\": the same as in the entry in line 3");
    assert_refused(
        SERVER "ports: [{path: x}]\nmcus:\n  - {name: a, api_key_file: a}\n"
               "  - {name: b, api_key_file: b}\n",
        "f:5:5: \"port\": already belongs to \"a\" in line 4, which takes any device too");
    assert_refused(
        TWO("api_key_file: a, device: 0x6161", "name: b, path: y, api_key_file: b, device: aa"),
        "f:4:49: \"device\": already claimed by \"a\" in line 3");
    assert_refused(
        TWO("api_key_file: a", "name: b, path: y, api_key_file: a"),
        "f:4:38: \"api_key_file\": the same as of \"a\" in line 3; the server knows an MCU by "
        "its key: give each its own");
    assert_refused(SERVER "ports:\n  - {name: p, path: x}\n  - {name: p, usb_serial: y}\n"
                          "mcus: [{name: a, device: d, api_key_file: a}]\n",
                   "f:4:12: \"name\": the same as in the entry in line 3");
}

static void ports_and_mcus_have_to_fit(void **state)
{
    (void)state;
    assert_refused(
        SERVER "ports: [{name: left, path: x}]\n"
               "mcus: [{name: a, port: lfet, api_key_file: a}]\n",
        "f:3:24: \"port\": expected the name of an entry of \"ports\", found \"lfet\"; did you "
        "mean \"left\"?");
    assert_refused(SERVER "ports: [{path: x, usb_serial: y}]\nmcus: [{name: a, api_key_file: a}]\n",
                   "f:2:31: \"usb_serial\": expected one of path and usb_serial, found both");
    assert_refused(
        SERVER "ports: [{path: x}]\nmcus: [{name: a, path: y, api_key_file: a}]\n",
        "f:3:24: \"path\": belongs in an entry of \"ports\", since this file has that list; "
        "here stands \"port\", its name");
    assert_refused(SERVER "ports: [{path: x}, {path: y}]\nmcus: [{name: a, api_key_file: a}]\n",
                   "f:3:8: \"device\" or \"port\" is missing in this entry of mcus");
    assert_refused(
        SERVER "mcus: [{name: a, device: d, api_key_file: a}]\n",
        "f:2:8: no line to find this MCU on: add \"path\" or \"usb_serial\" here, or a list of "
        "\"ports\"");
}

static void identities_that_may_be_misread_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0123",
                                        "1234",
                                        "1e400",
                                        "0x",
                                        "0x123",
                                        "0xzz",
                                        "''",
                                        "~",
                                        "0x0011223344556677889900112233445566",
                                        "seventeen-letters",
                                        "\"a\\nb\"",
                                        "[a]"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[512];
        struct config c;
        snprintf(text, sizeof text,
                 SERVER "mcus: [{name: a, path: x, api_key_file: a, device: %s}]", wrong[i]);
        assert_int_equal(parse(&c, text), -1);
        assert_int_equal(error_count, 1);
        assert_non_null(strstr(errors, "\"device\": expected an identity of 1 to 16 bytes"));
    }
}

static void yaml_beyond_plain_settings_is_refused(void **state)
{
    (void)state;
    assert_refused("", "f: is empty: a configuration has at least \"server\" and \"mcus\"");
    assert_refused("# nothing\n",
                   "f: is empty: a configuration has at least \"server\" and \"mcus\"");
    assert_refused("server\n",
                   "f:1:1: expected sections such as \"server:\" and \"mcus:\", found \"server\"");
    assert_refused("--- {}\n--- {}\n", "f:2:1: a second document: one file is one configuration");
    assert_refused("a: &x b\nc: *x\n",
                   "f:1:4: anchors and aliases (& and *) are not taken here: write it out\n"
                   "f:2:4: anchors and aliases (& and *) are not taken here: write it out");
    assert_refused("server: !!map {}\n", "f:1:9: tags (!) are not taken here");
    assert_refused(SERVER ONE_MCU "<<: {a: b}\n",
                   "f:3:1: merge keys (<<) are not taken here: write it out");
    assert_refused("server:\n\turl: x\n",
                   "f:2:1: expected spaces, found a tab: YAML is indented with spaces only");
    assert_refused("server:\n  url: x\n   vsn: 2.0.0\n",
                   "f:3:7: no YAML: mapping values are not allowed in this context; is it indented "
                   "as the lines around it?");
    assert_refused("mcus:\n  - name: a\n   path: x\n",
                   "f:3:4: no YAML: did not find expected '-' indicator, while parsing a block "
                   "collection; is it indented as the lines around it?");
    assert_refused("server:\n  url: \"ws://h\nmcus: []\n",
                   "f:2:8: no YAML: found unexpected end of stream, while scanning a quoted "
                   "scalar; the quotation mark is not closed");
    assert_refused("a: \xff\n", "f:1:4: expected text in UTF-8, found a byte that is none");
    assert_refused("a: \x01\n", "f:1:4: expected text, found a control character");
    assert_refused("a: [[[[[[[[[[[[[[[[[[[[\n",
                   "f:1:11: nested too deeply: nothing here has more than 8 levels");
}

static void what_editors_of_other_systems_leave_in_a_file_does_not_matter(void **state)
{
    (void)state;
    struct config c;
    if (parse(&c, "\xEF\xBB\xBFserver:\r\n  url: ws://h/websocket\r\nmcus:\r\n"
                  "  - {name: a, path: x, api_key_file: k}\r\n"))
        fail_msg("%s", errors);
    assert_string_equal(c.url, "ws://h/websocket");
    config_free(&c);
    assert_refused("\xEF\xBB\xBFwrong: 1\n" SERVER ONE_MCU, "f:1:1: \"wrong\": no such setting; "
                                                            "mcu-bridge --help-config lists them");
}

static void a_secret_in_the_configuration_is_asked_for_as_a_file(void **state)
{
    (void)state;
    assert_refused("server: {url: 'ws://h/websocket', api_key: API_TOKEN_MC_1}\n" ONE_MCU,
                   "f:1:35: \"api_key\": no such setting in server; \"api_key_file\" in \"mcus\" "
                   "is the path of a file with it");
}

static void missing_sections_are_named(void **state)
{
    (void)state;
    assert_refused("log: {}\n",
                   "f:1:1: \"server\" or \"nerveshub\" is missing\nf:1:1: \"mcus\" is missing");
    assert_refused("server: {}\n" ONE_MCU, "f:1:9: \"url\" is missing in server");
    assert_refused(SERVER "mcus: []\n", "f:2:7: \"mcus\": expected a list of at least one entry, "
                                        "each after a \"- \", found a list");
    assert_refused(SERVER "mcus: [{}]\n",
                   "f:2:8: \"name\" is missing in this entry of mcus\n"
                   "f:2:8: no line to find this MCU on: add \"path\" or "
                   "\"usb_serial\" here, or a list of \"ports\"\n"
                   "f:2:8: \"api_key_file\" is missing in this entry of mcus");
}

static void more_mcus_than_the_bridge_takes_are_refused(void **state)
{
    (void)state;
    struct config c;
    char *text = malloc(CONFIG_BYTES_MAX);
    int used = snprintf(text, CONFIG_BYTES_MAX, SERVER "mcus:\n");
    for (int i = 0; i <= CONFIG_MCUS_MAX; i++)
        used += snprintf(text + used, CONFIG_BYTES_MAX - (size_t)used,
                         "- {name: m%d, path: p%d, api_key_file: k%d}\n", i, i, i);
    assert_int_equal(parse(&c, text), -1);
    assert_string_equal(errors, "f:3:1: \"mcus\": expected at most 4096 entries, found 4097\n");
    *strrchr(text, '-') = '#';
    assert_int_equal(parse(&c, text), 0);
    assert_int_equal(c.mcu_count, CONFIG_MCUS_MAX);
    config_free(&c);
    free(text);
}

/* -- Help. */

/* Each break of a line with the spaces around it is one space. */
static void without_breaks(char *text)
{
    char *out = text, last = '\0';
    for (; *text; text++) {
        if (*text == '\n' || (*text == ' ' && last == ' '))
            continue;
        last = *text;
        *out++ = last;
    }
    *out = '\0';
}

static void the_help_names_every_setting(void **state)
{
    (void)state;
    forget();
    config_help(keep, NULL);
    without_breaks(errors);
    for (size_t s = 0; s < CONFIG_SECTION_COUNT; s++)
        for (size_t i = 0; i < config_sections[s].count; i++) {
            assert_non_null(strstr(errors, config_sections[s].settings[i].key));
            assert_non_null(strstr(errors, config_sections[s].settings[i].help));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_file_has_all_defaults),
        cmocka_unit_test(every_setting_reaches_its_member),
        cmocka_unit_test(an_mcu_with_a_line_of_its_own_is_pinned_to_it),
        cmocka_unit_test(the_only_port_is_the_port_of_an_mcu_without_device),
        cmocka_unit_test(the_installed_example_is_a_configuration),
        cmocka_unit_test(every_default_fits_its_own_range),
        cmocka_unit_test(a_wrong_value_names_place_key_expected_and_found),
        cmocka_unit_test(numbers_that_are_none_are_refused),
        cmocka_unit_test(durations_need_a_unit_and_a_whole_number),
        cmocka_unit_test(urls_that_cannot_work_are_refused_with_a_hint),
        cmocka_unit_test(a_password_in_a_url_is_not_repeated),
        cmocka_unit_test(all_errors_come_in_one_run_in_the_order_of_the_file),
        cmocka_unit_test(unknown_keys_are_refused_with_what_was_meant),
        cmocka_unit_test(whatever_stands_twice_is_refused),
        cmocka_unit_test(whatever_is_claimed_twice_is_refused),
        cmocka_unit_test(ports_and_mcus_have_to_fit),
        cmocka_unit_test(identities_that_may_be_misread_are_refused),
        cmocka_unit_test(yaml_beyond_plain_settings_is_refused),
        cmocka_unit_test(what_editors_of_other_systems_leave_in_a_file_does_not_matter),
        cmocka_unit_test(a_secret_in_the_configuration_is_asked_for_as_a_file),
        cmocka_unit_test(missing_sections_are_named),
        cmocka_unit_test(more_mcus_than_the_bridge_takes_are_refused),
        cmocka_unit_test(the_help_names_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
