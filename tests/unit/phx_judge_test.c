/* Ends as a transport sees them, and what they are judged to be. */
#include "phx_judge.h"

#include "phx_json.h"

#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static struct phx_end judge_status(int status)
{
    struct phx_sight sight = {
        .stage = PHX_STAGE_REQUEST, .http_status = status, .now_s = 1800000000};
    struct phx_end end;

    phx_judge(&sight, &end);
    return end;
}

static void an_answer_instead_of_an_upgrade_is_told_by_its_status(void **state)
{
    static const struct {
        int status;
        enum phx_cause cause;
        const char *text;
    } rows[] = {
        {400, PHX_CAUSE_REFUSED, "refuses"},    {401, PHX_CAUSE_REFUSED, "credentials"},
        {403, PHX_CAUSE_REFUSED, "refuses us"}, {404, PHX_CAUSE_REFUSED, "/websocket"},
        {407, PHX_CAUSE_REFUSED, "proxy"},      {418, PHX_CAUSE_REFUSED, "refuses"},
        {426, PHX_CAUSE_REFUSED, "proxy"},      {429, PHX_CAUSE_LIMITED, "come later"},
        {503, PHX_CAUSE_LIMITED, "available"},  {500, PHX_CAUSE_SERVER, "error"},
        {502, PHX_CAUSE_SERVER, "proxy"},       {504, PHX_CAUSE_SERVER, "proxy"},
        {301, PHX_CAUSE_SERVER, "elsewhere"},   {200, PHX_CAUSE_SERVER, "upgrade"},
        {999, PHX_CAUSE_SERVER, "upgrade"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct phx_end end = judge_status(rows[i].status);
        assert_int_equal(end.cause, rows[i].cause);
        assert_int_equal(end.http_status, rows[i].status);
        assert_int_equal(end.lasting, rows[i].cause == PHX_CAUSE_REFUSED);
        assert_non_null(strstr(end.text, rows[i].text));
    }
}

static void a_redirect_is_named_without_its_query(void **state)
{
    struct phx_sight sight = {.stage = PHX_STAGE_REQUEST,
                              .http_status = 302,
                              .location = phx_text_of("https://elsewhere/x\r\n?token=secret")};
    struct phx_end end;

    (void)state;
    phx_judge(&sight, &end);
    assert_non_null(strstr(end.text, "https://elsewhere/x.."));
    assert_null(strstr(end.text, "secret"));
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *value, *date;
        uint32_t ms;
    } rows[] = {
        {"120", "", 120000},
        {"0", "", 0},
        {"1.5", "", 0},
        {"-3", "", 0},
        {"", "", 0},
        {"soon", "", 0},
        {"99999999999999999999", "", UINT32_MAX / 1000 * 1000},
        {"Tue, 14 Nov 2023 22:13:50 GMT", "", 30000},
        {"Tue, 14 Nov 2023 22:13:20 GMT", "", 0},
        {"Tue, 14 Nov 2023 22:13:19 GMT", "", 0},
        /* The server's own clock counts, not ours. */
        {"Fri, 01 Jan 2038 00:00:07 GMT", "Fri, 01 Jan 2038 00:00:00 GMT", 7000},
        {"Tue, 14 Nov 2023 22:13:50 GMT", "garbage", 30000},
        {"Tue, 14 Nov 2023 22:13:50", "", 0},
        {"Tue, 14 Xyz 2023 22:13:50 GMT", "", 0},
        {"Tue, 14 anF 2023 22:13:50 GMT", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(
            phx_judge_retry_after(phx_text_of(rows[i].value), phx_text_of(rows[i].date), NOW),
            rows[i].ms);
    assert_int_equal(phx_judge_date(phx_text_of("Sun, 06 Nov 1994 08:49:37 GMT")), 784111777);
}

static void a_refusal_tells_a_clock_that_is_off_and_the_servers_time(void **state)
{
    struct phx_sight sight = {.stage = PHX_STAGE_REQUEST,
                              .http_status = 401,
                              .date = phx_text_of("Tue, 14 Nov 2023 22:13:20 GMT"),
                              .now_s = NOW - 3600};
    struct phx_end end;

    (void)state;
    phx_judge(&sight, &end);
    assert_int_equal(end.cause, PHX_CAUSE_REFUSED);
    assert_int_equal(end.server_time_s, NOW);
    assert_non_null(strstr(end.text, "3600 s behind"));
    sight.now_s = NOW + 10;
    phx_judge(&sight, &end);
    assert_null(strstr(end.text, "clock"));
}

static void a_certificate_is_the_clocks_fault_when_the_clock_was_never_set(void **state)
{
    struct phx_sight sight = {.stage = PHX_STAGE_CONNECT, .tls = true, .host = "h"};
    struct phx_end end;

    (void)state;
    sight.verify_error = X509_V_ERR_CERT_HAS_EXPIRED;
    sight.now_s = 1800000000;
    phx_judge(&sight, &end);
    assert_int_equal(end.cause, PHX_CAUSE_TLS);
    assert_true(end.lasting);
    sight.now_s = 86400;
    phx_judge(&sight, &end);
    assert_int_equal(end.cause, PHX_CAUSE_CLOCK);
    assert_false(end.lasting);
    sight.verify_error = X509_V_ERR_CERT_NOT_YET_VALID;
    sight.now_s = 1800000000;
    phx_judge(&sight, &end);
    assert_int_equal(end.cause, PHX_CAUSE_CLOCK);
    sight.verify_error = X509_V_ERR_HOSTNAME_MISMATCH;
    phx_judge(&sight, &end);
    assert_int_equal(end.cause, PHX_CAUSE_TLS);
}

static void an_attempt_without_an_answer_says_where_it_failed(void **state)
{
    static const struct {
        struct phx_sight sight;
        enum phx_cause cause;
        const char *text;
    } rows[] = {
        {{.stage = PHX_STAGE_RESOLVE, .host = "nowhere", .detail = "unknown name"},
         PHX_CAUSE_RESOLVE,
         "host name nowhere: unknown name"},
        {{.stage = PHX_STAGE_CONNECT}, PHX_CAUSE_CONNECT, "nothing listens"},
        {{.stage = PHX_STAGE_CONNECT, .tls = true}, PHX_CAUSE_CONNECT, "does not speak TLS"},
        {{.stage = PHX_STAGE_REQUEST}, PHX_CAUSE_CONNECT, "closed before it answered"},
        {{.stage = PHX_STAGE_CONNECT, .tls = true, .detail = "SSL error: alert"},
         PHX_CAUSE_TLS,
         "handshake"},
        {{.stage = PHX_STAGE_CONNECT,
          .tls = true,
          .detail = "connect SSL err 1: error:00000001:lib(0)::reason(1)"},
         PHX_CAUSE_TLS,
         "the TLS handshake failed: perhaps TLS is not spoken there, and it is ws://"},
        {{.stage = PHX_STAGE_REQUEST, .detail = "read failed"},
         PHX_CAUSE_CONNECT,
         "no connection: read failed; perhaps TLS is spoken there, and it is wss://"},
        {{.stage = PHX_STAGE_CONNECT, .detail = "no route"}, PHX_CAUSE_CONNECT, "no route"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct phx_end end;
        phx_judge(&rows[i].sight, &end);
        assert_int_equal(end.cause, rows[i].cause);
        assert_non_null(strstr(end.text, rows[i].text));
    }
}

static void a_close_tells_its_code_and_reason_and_what_the_code_may_hide(void **state)
{
    static const struct {
        int code;
        const char *reason, *text;
    } rows[] = {
        {0, "", "the connection broke"},
        {1000, "", "kick or an idle time-out (code 1000)"},
        {1002, "", "a restart, an idle time-out or a protocol error"},
        {1011, "", "had an error"},
        {1012, "bye\n", "restarts (code 1012: bye.)"},
        {4000, "mine", "closed by the server (code 4000: mine)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct phx_sight sight = {.stage = PHX_STAGE_OPEN,
                                  .close_code = rows[i].code,
                                  .close_reason = phx_text_of(rows[i].reason)};
        struct phx_end end;
        phx_judge(&sight, &end);
        assert_int_equal(end.cause, PHX_CAUSE_CLOSED);
        assert_int_equal(end.close_code, rows[i].code);
        assert_non_null(strstr(end.text, rows[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_instead_of_an_upgrade_is_told_by_its_status),
        cmocka_unit_test(a_redirect_is_named_without_its_query),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_refusal_tells_a_clock_that_is_off_and_the_servers_time),
        cmocka_unit_test(a_certificate_is_the_clocks_fault_when_the_clock_was_never_set),
        cmocka_unit_test(an_attempt_without_an_answer_says_where_it_failed),
        cmocka_unit_test(a_close_tells_its_code_and_reason_and_what_the_code_may_hide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
