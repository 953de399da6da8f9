/* Does phx-dev let in whom a real server lets in: the recorded vectors, and what the bridge signs?
 */
#include "nerves.h"
#include "nerveshub/nh_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t server_s;

static int64_t clock_ms(void)
{
    return server_s * 1000 + 999;
}

/* The status of a connect with these headers, and who it is. */
static int connect_as(enum nerves_like like, const char *option, const char *alg, const char *key,
                      const char *time, const char *token, char identifier[NH_IDENTIFIER_MAX + 2])
{
    struct nerves *n = must_calloc(1, sizeof *n);
    struct http_request request;
    struct nerves_auth auth;
    struct buf head = {0};
    size_t used = 0;
    n->like = like;
    n->clock_ms = clock_ms;
    assert_int_equal(nerves_keys_add(n, option), 0);
    buf_printf(
        &head,
        "GET /device-socket/websocket HTTP/1.1\r\nHost: x\r\nx-nh-alg: %s\r\nX-NH-Key: %s\r\n"
        "x-nh-time: %s\r\nx-nh-signature: %s\r\n\r\n",
        alg, key, time, token);
    assert_int_equal(http_parse(&request, head.data, head.len, &used), HTTP_DONE);
    nerves_authenticate(n, &request, &auth);
    snprintf(identifier, NH_IDENTIFIER_MAX + 2, "%s", buf_all(&auth.identifier).data);
    buf_deinit(&auth.identifier);
    buf_deinit(&head);
    nerves_deinit(n);
    free(n);
    return auth.status;
}

static void both_accepted_vectors_are_let_in(void **state)
{
    char who[NH_IDENTIFIER_MAX + 2];
    (void)state;
    server_s = 1787120842;
    assert_int_equal(connect_as(NERVES_MAIN, "nhp_abc123=s3cret-value", "NH1-HMAC-SHA256-1000-32",
                                "nhp_abc123", "1787120842",
                                "SFMyNTY.g2gDbQAAAAlteS1kZXZpY2VuBgAQ9bMYoAFiAAFRgA."
                                "9qXfZC7_ENQyT5_LZc6LsXd_uEoUB2V-IZDqcmNd7gQ",
                                who),
                     101);
    assert_string_equal(who, "my-device");
    server_s = 1700000000;
    assert_int_equal(connect_as(NERVES_240, "nhd_TESTKEY=TESTSECRET:bridge-mcu-0001", NH_ALG,
                                "nhd_TESTKEY", "1700000000",
                                "SFMyNTY.g2gDbQAAAA9icmlkZ2UtbWN1LTAwMDFuBgAAaOXPiwFiAAFRgA."
                                "Os9GenbKdUn-fkcB-t6vDUGNVFVDpkDZxZxjwGZMMPk",
                                who),
                     101);
    assert_string_equal(who, "bridge-mcu-0001");
}

static int signed_at(enum nerves_like like, int64_t at_s, const char *secret)
{
    struct nh_headers headers;
    char who[NH_IDENTIFIER_MAX + 2];
    assert_int_equal(nh_sign(NH_ALG, "nhp_k", secret, "mcu 1", at_s, &headers), 0);
    return connect_as(like, "nhp_k=secret/with+signs", NH_ALG, "nhp_k", headers.time, headers.token,
                      who);
}

static void what_the_bridge_signs_is_good_for_ninety_seconds_and_on_main_not_before(void **state)
{
    static const char SECRET[] = "secret/with+signs";
    (void)state;
    server_s = 1787120842;
    assert_int_equal(signed_at(NERVES_MAIN, server_s, SECRET), 101);
    assert_int_equal(signed_at(NERVES_MAIN, server_s - 89, SECRET), 101);
    assert_int_equal(signed_at(NERVES_MAIN, server_s - 91, SECRET), 401);
    assert_int_equal(signed_at(NERVES_MAIN, server_s + 1, SECRET), 401);
    assert_int_equal(signed_at(NERVES_240, server_s - 91, SECRET), 401);
    assert_int_equal(signed_at(NERVES_240, server_s + 31536000, SECRET), 101);
    assert_int_equal(signed_at(NERVES_MAIN, server_s, "another"), 401);
}

static void the_bridge_finds_the_servers_time_from_its_refusal(void **state)
{
    (void)state;
    for (int64_t off = -7200; off <= 7200; off += 7200) {
        struct nh_clock clock = {0};
        int64_t ours = 1787120842;
        server_s = ours + off;
        int status = signed_at(NERVES_MAIN, nh_clock_now(&clock, ours), "secret/with+signs");
        assert_int_equal(status, off == 0 ? 101 : 401);
        if (status == 401) {
            assert_true(nh_clock_refused(&clock, ours, server_s));
            assert_int_equal(
                signed_at(NERVES_MAIN, nh_clock_now(&clock, ours), "secret/with+signs"), 101);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_accepted_vectors_are_let_in),
        cmocka_unit_test(what_the_bridge_signs_is_good_for_ninety_seconds_and_on_main_not_before),
        cmocka_unit_test(the_bridge_finds_the_servers_time_from_its_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
