/* Which proxy is taken, and who is reached without one. */
#include "phx_proxy.h"

#include "phx_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct phx_proxy *proxy)
{
    char error[160] = "";
    int result = phx_proxy_parse(text, proxy, error, sizeof error);

    assert_int_equal(result != PHX_OK, error[0] != '\0');
    return result;
}

static void a_proxy_is_taken_apart(void **state)
{
    struct phx_proxy proxy;
    char text[PHX_PROXY_TEXT_MAX];

    (void)state;
    assert_int_equal(parse("http://me:p%3Ass%25@proxy.example:8080/", &proxy), PHX_OK);
    assert_string_equal(proxy.host, "proxy.example");
    assert_int_equal(proxy.port, 8080);
    phx_proxy_write(&proxy, "10.0.0.1", text, sizeof text);
    assert_string_equal(text, "me:p:ss%@10.0.0.1:8080");
    assert_int_equal(parse("HTTP://[::1]", &proxy), PHX_OK);
    assert_string_equal(proxy.host, "::1");
    assert_int_equal(proxy.port, 3128);
    phx_proxy_write(&proxy, "::1", text, sizeof text);
    assert_string_equal(text, "[::1]:3128");
    assert_int_equal(parse("me@proxy", &proxy), PHX_OK);
    assert_string_equal(proxy.auth, "me");
    phx_proxy_write(&proxy, "10.0.0.1", text, sizeof text);
    assert_string_equal(text, "me@10.0.0.1:3128");
}

static void what_is_no_http_proxy_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",          "http://",     "socks5://proxy",   "https://proxy", "proxy:0",
        "proxy:x",   "proxy:65536", "proxy:",           "http://a b",    "proxy/path",
        "[::1",      "pro\nxy",     "a\r\nb@proxy",     "me:%0d@proxy",  "%4@proxy",
        "@proxy:80", "a%00b@proxy", "http://proxy:1:2",
    };
    struct phx_proxy proxy;
    char many[300];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (parse(wrong[i], &proxy) != PHX_ERR_BAD_OPTION)
            fail_msg("%s was taken", wrong[i]);
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_int_equal(parse(many, &proxy), PHX_ERR_BAD_OPTION);
    memcpy(many + 290, "@proxy", 7);
    assert_int_equal(parse(many, &proxy), PHX_ERR_BAD_OPTION);
}

static void no_proxy_names_names_addresses_and_networks(void **state)
{
    static const struct {
        const char *no, *host;
        uint16_t port;
        bool excepted;
    } rows[] = {
        {"example.org", "example.org", 443, true},
        {"example.org", "EXAMPLE.ORG", 443, true},
        {"example.org", "a.b.example.org", 443, true},
        {".example.org", "a.example.org", 443, true},
        {"*.example.org", "a.example.org", 443, true},
        {"example.org", "notexample.org", 443, false},
        {"example.org", "example.org.evil", 443, false},
        {"*", "anything", 443, true},
        {"*", "10.1.2.3", 443, true},
        {"", "example.org", 443, false},
        {",, ,", "example.org", 443, false},
        {"a b,c\texample.org", "example.org", 443, true},
        {"example.org:4000", "example.org", 4000, true},
        {"example.org:4000", "example.org", 443, false},
        {"10.0.0.0/8", "10.200.1.1", 443, true},
        {"10.0.0.0/8", "11.0.0.1", 443, false},
        {"10.1.2.128/25", "10.1.2.200", 443, true},
        {"10.1.2.128/25", "10.1.2.100", 443, false},
        {"10.1.2.3", "10.1.2.3", 443, true},
        {"10.1.2.3", "10.1.2.30", 443, false},
        {"10.1.2.3:80", "10.1.2.3", 443, false},
        {"0.0.0.0/0", "10.1.2.3", 443, true},
        {"10.0.0.0/33", "10.0.0.1", 443, false},
        {"10.0.0.0/x", "10.0.0.1", 443, false},
        {"fe80::/10", "fe80::1:2", 443, true},
        {"fe80::/10", "fd00::1", 443, false},
        {"::1", "::1", 443, true},
        {"[::1]:443", "::1", 443, true},
        {"[::1]:80", "::1", 443, false},
        {"10.0.0.0/8", "::1", 443, false},
        {"10.0.0.0/8", "ten.example", 443, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (phx_proxy_is_excepted(rows[i].no, phx_text_of(rows[i].host), rows[i].port) !=
            rows[i].excepted)
            fail_msg("no_proxy=%s for %s:%u", rows[i].no, rows[i].host, rows[i].port);
    assert_false(phx_proxy_is_excepted(NULL, phx_text_of("example.org"), 443));
}

static const char *choice(const char *configured, const char *server,
                          const struct phx_proxy_variables *variables)
{
    static struct phx_proxy proxy;
    struct phx_url url;
    char error[160];

    assert_int_equal(phx_url_parse(server, &url, error, sizeof error), PHX_OK);
    assert_int_equal(phx_proxy_for(configured, variables, &url, &proxy, error, sizeof error),
                     PHX_OK);
    return proxy.host;
}

static void the_environment_s_proxy_is_taken_unless_one_is_configured(void **state)
{
    struct phx_proxy_variables all = {"http://plain:1", "http://secret:2", "http://any:3", "near"};
    struct phx_proxy_variables any = {.all = "http://any:3"};
    struct phx_proxy_variables none = {.http = NULL};

    (void)state;
    assert_string_equal(choice(NULL, "ws://far/socket", &all), "plain");
    assert_string_equal(choice(NULL, "wss://far/socket", &all), "secret");
    assert_string_equal(choice(NULL, "wss://far/socket", &any), "any");
    assert_string_equal(choice(NULL, "wss://far/socket", &none), "");
    assert_string_equal(choice(NULL, "wss://sub.near/socket", &all), "");
    assert_string_equal(choice("", "wss://far/socket", &all), "");
    assert_string_equal(choice("mine", "wss://near/socket", &all), "mine");
}

static void this_machine_is_reached_without_the_environment_s_proxy(void **state)
{
    struct phx_proxy_variables all = {"http://plain:1", "http://secret:2", NULL, NULL};

    (void)state;
    assert_string_equal(choice(NULL, "ws://localhost:4000/socket", &all), "");
    assert_string_equal(choice(NULL, "ws://127.3.2.1/socket", &all), "");
    assert_string_equal(choice(NULL, "ws://[::1]:4000/socket", &all), "");
    assert_string_equal(choice("mine", "ws://localhost/socket", &all), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_is_taken_apart),
        cmocka_unit_test(what_is_no_http_proxy_is_refused),
        cmocka_unit_test(no_proxy_names_names_addresses_and_networks),
        cmocka_unit_test(the_environment_s_proxy_is_taken_unless_one_is_configured),
        cmocka_unit_test(this_machine_is_reached_without_the_environment_s_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
