/*
 * Addresses to listen on: which are taken, which can be reached by others, and that these are
 * refused unless somebody says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config_listen.h"
#include "config/config_parse.h"

#include <stdio.h>
#include <string.h>

static void what_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool loopback;
    } good[] = {
        {"127.0.0.1:9469", "127.0.0.1", 9469, true},
        {"127.9.9.9:1", "127.9.9.9", 1, true},
        {"localhost:65535", "127.0.0.1", 65535, true},
        {"[::1]:80", "::1", 80, true},
        {"0.0.0.0:80", "0.0.0.0", 80, false},
        {"192.168.1.2:80", "192.168.1.2", 80, false},
        {"[::]:80", "::", 80, false},
        {"[fe80::1]:80", "fe80::1", 80, false},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct config_listen at;
        assert_int_equal(config_listen(good[i].text, &at), 0);
        assert_string_equal(at.host, good[i].host);
        assert_int_equal(at.port, good[i].port);
        assert_int_equal(at.is_loopback, good[i].loopback);
        assert_false(at.is_unix);
    }
    struct config_listen at;
    assert_int_equal(config_listen("unix:/run/mcu-bridge/status.sock", &at), 0);
    assert_true(at.is_unix && at.is_loopback);
    assert_string_equal(at.path, "/run/mcu-bridge/status.sock");
}

static void what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           ":80",          "127.0.0.1",     "127.0.0.1:",   "127.0.0.1:0",
        "1.2.3:80",   "127.0.0.1:x",  "127.0.0.1:080", "::1:80",       "127.0.0.1:65536",
        "[::1]",      "[::1:80",      "[]:80",         "example:80",   "[127.0.0.1]:80",
        "unix:",      "unix:rel",     "unix:/dir/",    "localhost:-1", "[localhost]:80",
        "localhost ", "127.0.0.1:+8", "UNIX:/x",       " 127.0.0.1:8", "127.0.0.1:999999",
    };
    char path[200] = "unix:/";
    struct config_listen at;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(config_listen(bad[i], &at), -1);
    memset(path + 6, 'a', 107);
    assert_int_equal(config_listen(path, &at), -1);
    path[5 + CONFIG_LISTEN_PATH_MAX] = '\0';
    assert_int_equal(config_listen(path, &at), 0);
}

static char errors[2048];

static void keep(void *user, const char *error)
{
    size_t n = strlen(errors);
    (void)user;
    snprintf(errors + n, sizeof errors - n, "%s\n", error);
}

static int parse(const char *metrics)
{
    char text[512];
    struct config config;
    snprintf(text, sizeof text,
             "server: {url: ws://a/b/websocket}\nmetrics: %s\n"
             "mcus:\n  - {name: a, path: /dev/tty, api_key_file: key}\n",
             metrics);
    const struct config_source source = {
        .name = "f", .bytes = text, .n = strlen(text), .report = keep};
    errors[0] = '\0';
    int result = config_parse(&config, &source);
    if (result == 0)
        config_free(&config);
    return result;
}

static void what_others_reach_is_refused_unless_somebody_says_so(void **state)
{
    (void)state;
    assert_int_equal(parse("{listen: \"127.0.0.1:9469\"}"), 0);
    assert_int_equal(parse("{listen: \"unix:/run/s\"}"), 0);
    assert_int_equal(parse("{listen: \"0.0.0.0:9469\"}"), -1);
    assert_non_null(strstr(errors, "allow_remote: true"));
    assert_int_equal(parse("{listen: \"[::]:9469\"}"), -1);
    assert_int_equal(parse("{listen: \"0.0.0.0:9469\", allow_remote: true}"), 0);
    assert_int_equal(parse("{listen: \"example.org:9469\", allow_remote: true}"), -1);
    assert_non_null(strstr(errors, "f:2:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_others_reach_is_refused_unless_somebody_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
