/* Whatever a device can be brought to say to NervesHub is what recorded servers take: every
 * encoder, over words drawn to do harm, read by phx-dev's strict JSON and judged by its rules.
 *
 * A failure names its seed; MCU_SAID_SEED=N begins with that one.
 */
#include "nerves.h"
#include "nerveshub/nh_message.h"
#include "nerveshub/nh_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS     1200
#define TEXT_MAX 2000
#define UUID     "206d2695-f7b3-5efd-05c8-5d40adeac947"

static uint32_t random_state;
static unsigned seed;

static unsigned pick(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

#define MUST(condition)                                                \
    do {                                                               \
        if (!(condition)) {                                            \
            fail_msg("%s with MCU_SAID_SEED=%u", #condition, seed);    \
            abort(); /* never reached, which clang-tidy cannot know */ \
        }                                                              \
    } while (0)

/* What has closed sockets, crashed channels or left a JSON string before. */
static const char *const PIECES[] = {
    "\xff", "\xc3",    "\xed\xa0\x80", "\xf0\x9f\x98",   "\xc0\x80",   "\xf4\x90\x80\x80",
    "\"",   "\\",      "\\ud800",      "\x1b[2J",        "\x7f",       "\xe2\x80\xa8",
    "\n",   "\x01",    "</script>",    "fwup error",     "FWUP ERROR", "failed",
    "NaN",  "1e400",   "-0.0",         "50.5",           "null",       "{}",
    "[1,2", "../../x", "%s%n",         "\xef\xbf\xbf",   "\xc3\xa9",   "\xf0\x9f\x98\x80",
    "a",    " ",       "nosuch",       "update-handled", "\xfe",       "\xe2\x82",
};

static char *draw(char out[static TEXT_MAX])
{
    size_t n = 0;
    unsigned pieces = pick(4) == 0 ? pick(600) : pick(6);
    for (unsigned i = 0; i < pieces; i++) {
        const char *piece = PIECES[pick(sizeof(PIECES) / sizeof(PIECES[0]))];
        if (n + strlen(piece) >= TEXT_MAX)
            break;
        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    out[n] = '\0';
    return out;
}

/* Frees `text`. */
static struct json_doc parsed(char *text)
{
    struct json_doc doc;
    MUST(text != NULL);
    bool cut = false;
    MUST(utf8_valid_prefix(text, strlen(text), &cut) == strlen(text));
    MUST(json_parse(&doc, text, strlen(text)) == 0);
    MUST(json_is(doc.root, JSON_OBJECT));
    free(text);
    return doc;
}

static int64_t no_clock(void)
{
    return 1800000000000LL;
}

/* A server with one device, which has a row of an update in flight or none. */
static struct nerves *make_server(enum nerves_like like)
{
    struct nerves *n = must_calloc(1, sizeof(*n));
    n->like = like;
    n->clock_ms = no_clock;
    nerves_device_get(n, slice_of("mcu-1"));
    return n;
}

static void in_flight(struct nerves *n)
{
    static char uuid[] = UUID;
    struct nerves_firmware firmware = {.uuid = uuid};
    nerves_pushed(n, n->devices, &firmware, true);
    n->devices->row.stored_ms -=
        NERVES_STORE_EVERY_MS; /* what comes now is stored, and so looked at */
}

static void each(void (*once)(struct nerves *server))
{
    const char *first = getenv("MCU_SAID_SEED");
    for (enum nerves_like like = NERVES_MAIN; like <= NERVES_240; like++) {
        struct nerves *server = make_server(like);
        seed = first != NULL ? (unsigned)strtoul(first, NULL, 10) : 1;
        for (unsigned end = seed + RUNS; seed < end; seed++) {
            random_state = seed * 2654435761u + 1;
            once(server);
        }
        nerves_deinit(server);
        free(server);
    }
}

static const enum nh_status ALL[] = {NH_RECEIVED, NH_STARTED,   NH_DOWNLOADING,
                                     NH_UPDATING, NH_COMPLETED, NH_FAILED};

static void status(struct nerves *server)
{
    char reason[TEXT_MAX];
    in_flight(server);
    enum nh_status word = ALL[pick(6)];
    enum nh_server to = pick(2) ? NH_MAIN : NH_RELEASE_2_4;
    bool understood = to == NH_RELEASE_2_4 || server->like == NERVES_MAIN;
    struct json_doc doc = parsed(nh_encode_status(to, word, pick(5) == 0 ? NULL : draw(reason)));
    MUST(json_is(json_get(doc.root, "status"), JSON_STRING));
    MUST(nerves_on_status(server, server->devices, doc.root) != NERVES_CRASH);
    MUST(server->devices->row.present == (word != NH_FAILED || !understood));
    json_deinit(&doc);
}

static void every_status_is_one_of_the_ten_words_whatever_its_reason(void **state)
{
    (void)state;
    each(status);
}

static void progress(struct nerves *server)
{
    long value;
    in_flight(server);
    unsigned percent = pick(4) == 0 ? (unsigned)-1 - pick(200) : pick(300);
    struct json_doc doc =
        parsed(nh_encode_progress(percent, pick(2) ? NH_DOWNLOADING : NH_UPDATING));
    MUST(json_is(json_get(doc.root, "value"), JSON_INT));
    MUST(json_int(json_get(doc.root, "value"), 0, 100, &value));
    MUST(value == (long)(percent < 100 ? percent : 100));
    MUST(nerves_on_progress(server, server->devices, doc.root) != NERVES_CRASH);
    MUST(server->devices->row.present);
    MUST(server->like == NERVES_240 || server->devices->row.progress == value);
    json_deinit(&doc);
}

static void every_progress_is_a_plain_integer_from_0_to_100_with_a_stage(void **state)
{
    (void)state;
    each(progress);
}

static void put(char *field, size_t cap)
{
    char text[TEXT_MAX];
    snprintf(field, cap, "%s", draw(text));
}

static void join(struct nerves *server)
{
    static const char *const UUIDS[] = {UUID, "206D2695-F7B3-5EFD-05C8-5D40ADEAC947", "hello", "",
                                        "206d2695-f7b3-5efd-05c8-5d40adeac94g"};
    struct nh_firmware f = {0};
    unsigned which = pick(5);
    snprintf(f.uuid, sizeof(f.uuid), "%s", UUIDS[which]);
    put(f.product, NH_TEXT_MAX);
    put(f.version, NH_TEXT_MAX);
    put(f.platform, NH_TEXT_MAX);
    put(f.architecture, NH_TEXT_MAX);
    put(f.author, NH_TEXT_MAX);
    put(f.description, NH_TEXT_MAX);
    put(f.vcs_identifier, NH_TEXT_MAX);
    put(f.misc, NH_TEXT_MAX);
    struct nh_join what = {
        .firmware = &f, .downloading_uuid = pick(2) ? UUID : NULL, .auto_reverted = pick(2) == 0};
    bool whole = which == 0 && f.product[0] && f.version[0] && f.platform[0] && f.architecture[0];
    char *text = nh_encode_join(&what);
    MUST((text != NULL) == whole);
    if (!whole)
        return;
    struct json_doc doc = parsed(text);
    MUST(nerves_on_join(server, server->devices, doc.root) == NERVES_TAKEN);
    MUST(server->devices->uuid.len == NH_UUID_TEXT - 1); /* and has all that an update needs */
    json_deinit(&doc);
}

static void a_join_is_taken_or_not_made(void **state)
{
    (void)state;
    each(join);
}

static void console(struct nerves *server)
{
    static struct nh_console c;
    size_t taken = 0;
    char text[TEXT_MAX];
    (void)server;
    nh_console_free(&c);
    for (unsigned i = pick(12); i > 0; i--) {
        draw(text);
        nh_console_add(&c, text, strlen(text) + pick(2), 0); /* a NUL now and then */
    }
    char *payload = nh_console_payload(&c, &taken);
    if (payload == NULL) {
        MUST(taken == 0 && c.length <= 3);
        return;
    }
    struct json_doc doc = parsed(payload);
    MUST(json_is(json_get(doc.root, "data"), JSON_STRING));
    json_deinit(&doc);
}

static void what_a_board_prints_is_always_text_in_data(void **state)
{
    (void)state;
    each(console);
}

static void talk(struct nerves *server)
{
    char text[TEXT_MAX], question[2 * TEXT_MAX];
    (void)server;
    struct json_doc doc = parsed(nh_encode_log("info", draw(text), (int64_t)pick(1u << 31)));
    MUST(json_is(json_get(doc.root, "message"), JSON_STRING));
    json_deinit(&doc);

    char *health = nh_encode_health(draw(text)); /* NULL: it was no JSON */
    if (health != NULL) {
        doc = parsed(health);
        MUST(json_get(doc.root, "value") != NULL);
        json_deinit(&doc);
    }
    snprintf(question, sizeof(question), "{\"metrics\":{\"a\":1e400,\"b\":-0.5,\"%s\":1}}",
             draw(text));
    health = nh_encode_health(question);
    if (health != NULL) {
        doc = parsed(health);
        json_deinit(&doc);
    }
    snprintf(question, sizeof(question), "{\"ref\":\"%s\",\"text\":\"%s\"}", draw(text), "x");
    char *answer = nh_encode_script_refused(question, strlen(question));
    if (answer != NULL) {
        doc = parsed(answer);
        MUST(json_is_text(json_get(doc.root, "result"), "error"));
        MUST(json_is_text(json_get(doc.root, "output"), "not supported"));
        json_deinit(&doc);
    }
}

static void logs_health_and_answers_to_scripts_are_json_or_not_said(void **state)
{
    (void)state;
    each(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_one_of_the_ten_words_whatever_its_reason),
        cmocka_unit_test(every_progress_is_a_plain_integer_from_0_to_100_with_a_stage),
        cmocka_unit_test(a_join_is_taken_or_not_made),
        cmocka_unit_test(what_a_board_prints_is_always_text_in_data),
        cmocka_unit_test(logs_health_and_answers_to_scripts_are_json_or_not_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
