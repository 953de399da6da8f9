/*
 * The vectors of tests/vectors/protocol, which any implementation can be held to. They were made by
 * another implementation, in another language.
 */
#include "mp_describe.h"
#include "mp_dump.h"
#include "mp_frame.h"
#include "mp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTORS "../vectors/protocol/"
#define LINE    2048

/* Calls `check` with the two sides of every line that is no comment; returns how many there were.
 */
static size_t each(const char *path, void (*check)(char *left, char *right))
{
    static char line[LINE];
    size_t n = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        char *right = strstr(line, " =");
        if (right != NULL) {
            *right = '\0';
            right += right[2] == ' ' ? 3 : 2;
        }
        check(line, right);
        n++;
    }
    fclose(file);
    return n;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    if (strcmp(hex, "-") == 0)
        return 0;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

static char *word(char **at)
{
    char *start = *at;
    size_t n = strcspn(start, " ");
    *at = start + n + (start[n] == ' ');
    start[n] = '\0';
    return start;
}

static enum mp_deframed decode(const uint8_t *wire, size_t n, uint8_t *mem, size_t *len)
{
    struct mp_deframer deframer;
    enum mp_deframed any = MP_DEFRAMED_MORE;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        if (mp_deframer_byte(&deframer, wire[i]) == MP_DEFRAMED_FRAME) {
            any = MP_DEFRAMED_FRAME;
            *len = deframer.body_len;
        }
    return any;
}

static void check_frame(char *left, char *right)
{
    uint8_t wire[512] = {0}, out[512], mem[MP_FRAME_MAX], body[MP_BODY_MAX] = {0};
    size_t len = 0;
    if (strcmp(word(&left), "bad") == 0) {
        size_t n = from_hex(left, wire);
        assert_int_equal(decode(wire, n, mem, &len), MP_DEFRAMED_MORE);
        return;
    }
    uint8_t id = (uint8_t)strtoul(word(&left), NULL, 16);
    uint8_t tag = (uint8_t)strtoul(word(&left), NULL, 16);
    uint8_t number = (uint8_t)strtoul(word(&left), NULL, 16);
    size_t body_len = from_hex(left, body);
    size_t n = from_hex(right, wire);
    struct mp_framer framer = {0};
    uint8_t frame[MP_FRAME_MAX] = {
        [MP_FRAME_ID] = id, [MP_FRAME_TAG] = tag, [MP_FRAME_NUMBER] = number};
    memcpy(frame + MP_FRAME_BODY, body, body_len);
    mp_framer_begin(&framer, frame, body_len, false);
    assert_int_equal(mp_framer_read(&framer, out, sizeof out), n);
    assert_memory_equal(out, wire, n);
    assert_int_equal(decode(wire, n, mem, &len), MP_DEFRAMED_FRAME);
    assert_int_equal(len, body_len);
    assert_memory_equal(mem + MP_FRAME_BODY, body, body_len);
}

static void check_message(char *left, char *right)
{
    uint8_t body[MP_BODY_MAX];
    char text[LINE];
    struct mp_message message = {.body = body};
    message.id = (uint8_t)strtoul(word(&left), NULL, 16);
    message.reliable = *word(&left) == '#';
    message.number = (uint32_t)strtoul(word(&left), NULL, 10);
    message.len = from_hex(left, body);
    mp_dump(&message, text, sizeof text);
    assert_string_equal(text, right);
}

static uint8_t type_of(const char *name)
{
#define X_TYPE(id, NAME, name_, size) \
    if (strcmp(name, name_) == 0)     \
        return id;
    MP_TYPES(X_TYPE)
    fail_msg("no type %s", name);
    return 0;
}

static void check_readings(char *left, char *right)
{
    uint8_t types[8], entries[MP_BODY_MAX];
    char text[LINE] = "";
    size_t slots = 0, at = 0;
    struct mp_readings_iter iter;
    struct mp_reading reading;
    int more;
    char *names = word(&left);
    uint32_t base = (uint32_t)strtoul(word(&left), NULL, 10);
    size_t n = from_hex(left, entries);
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ","))
        types[slots++] = type_of(name);
    mp_readings_begin(&iter, base, entries, n, types, slots);
    while ((more = mp_readings_next(&iter, &reading)) > 0)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u@%u:%08x", at == 0 ? "" : " ",
                               reading.slot, reading.ticks,
                               mp_value_to_bits(reading.type, reading.value));
    if (strcmp(right, "bad") == 0)
        assert_int_equal(more, -1);
    else
        assert_string_equal(text, right);
}

static void check_description(char *left, char *right)
{
    uint8_t expected[512], written[512];
    uint32_t hash;
    (void)right;
    size_t n = from_hex(word(&left), expected);
    assert_int_equal(mp_describe(&world_described, 0, written, sizeof written, &hash), n);
    assert_memory_equal(written, expected, n);
    assert_int_equal(hash, strtoul(left, NULL, 16));
}

static void frames_are_those_of_the_vectors(void **state)
{
    (void)state;
    assert_true(each(VECTORS "frames.txt", check_frame) > 15);
}

static void messages_are_those_of_the_vectors(void **state)
{
    (void)state;
    assert_true(each(VECTORS "messages.txt", check_message) > 15);
}

static void readings_are_those_of_the_vectors(void **state)
{
    (void)state;
    assert_true(each(VECTORS "readings.txt", check_readings) > 5);
}

static void the_description_is_that_of_the_vectors(void **state)
{
    (void)state;
    assert_int_equal(each(VECTORS "description.txt", check_description), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_those_of_the_vectors),
        cmocka_unit_test(messages_are_those_of_the_vectors),
        cmocka_unit_test(readings_are_those_of_the_vectors),
        cmocka_unit_test(the_description_is_that_of_the_vectors),
    };
    return cmocka_run_group_tests_name("mp_vectors", tests, NULL, NULL);
}
