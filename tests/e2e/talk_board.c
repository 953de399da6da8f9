/*
 * talk-board: a board that talks, for the end-to-end tests of consoles and logs. Usage: talk-board
 * FD [IMAGE_ID], 20 bytes in hex; without it, it says nothing of what it runs. On its console, a
 * line each:
 *
 *   lines N    prints "line 0" to "line N-1"        logs N   as many lines to its log
 *   sum        the bytes that came before this line since the last sum, their CRC-32, and the
 *              messages of the console since then, that of this line included
 *
 * Everything else is taken in silence. It prints "identify MS" and "reset" when these are asked of
 * it, and goes on.
 */
#define _GNU_SOURCE
#include "mp_crc.h"
#include "test_board.h"
#include "test_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX   80
#define PERIOD_US  200000
#define WAIT_MS    2
#define HEX_DIGITS 2

static struct test_board board;
static char line[LINE_MAX];
static size_t line_len;
static uint32_t sum_crc, sum_count, line_crc, line_count; /* after the last sum; up to this line */
static unsigned messages;
static unsigned lines_done, lines_wanted, logs_done, logs_wanted;
static char waiting[LINE_MAX]; /* an answer that had no room */

static bool print(const char *text)
{
    return mp_device_console(&board.device, (const uint8_t *)text, strlen(text)) == MP_OK;
}

static void answer(const char *text)
{
    if (!print(text))
        snprintf(waiting, sizeof waiting, "%s", text);
}

static void say_sum(void)
{
    char text[LINE_MAX];
    snprintf(text, sizeof text, "sum %u %08x %u\n", line_count, line_crc, messages);
    answer(text);
    sum_crc = sum_count = messages = 0;
}

static void obey(void)
{
    line[line_len] = '\0';
    if (sscanf(line, "lines %u", &lines_wanted) == 1)
        lines_done = 0;
    else if (sscanf(line, "logs %u", &logs_wanted) == 1)
        logs_done = 0;
    else if (strcmp(line, "sum") == 0)
        say_sum();
    line_len = 0;
    line_crc = sum_crc;
    line_count = sum_count;
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    messages++;
    for (size_t i = 0; i < n; i++) {
        sum_crc = mp_crc32(sum_crc, &bytes[i], 1);
        sum_count++;
        if (bytes[i] == '\n')
            obey();
        else if (line_len + 1 < sizeof line)
            line[line_len++] = (char)bytes[i];
    }
}

static void on_identify(void *user, uint16_t ms)
{
    char text[LINE_MAX];
    (void)user;
    snprintf(text, sizeof text, "identify %u\n", ms);
    answer(text);
}

static void on_reset(void *user, enum mp_reset_mode mode)
{
    (void)user;
    (void)mode;
    answer("reset\n");
}

static void talk(struct mp_device *device)
{
    char text[LINE_MAX];
    if (waiting[0] != '\0' && print(waiting))
        waiting[0] = '\0';
    for (; lines_done < lines_wanted; lines_done++) {
        snprintf(text, sizeof text, "line %u\n", lines_done);
        if (!print(text))
            return;
    }
    for (; logs_done < logs_wanted; logs_done++) {
        snprintf(text, sizeof text, "log %u", logs_done);
        if (mp_device_log(device, MP_LEVEL_WARNING, text) != MP_OK)
            return;
    }
}

static void send_reading(struct mp_device *device)
{
    static int32_t count;
    const union mp_value value = {.i = count};
    if (mp_device_reading(device, 0, value, mp_device_ticks(device), true) == MP_OK &&
        mp_device_flush(device) == MP_OK)
        count++;
}

static void turn(struct mp_device *device)
{
    static uint64_t due_us;
    if (due_us == 0)
        due_us = test_now_us();
    if (test_now_us() >= due_us) {
        due_us += PERIOD_US;
        send_reading(device);
    }
    talk(device);
}

static size_t read_hex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = 0;
    for (; n < cap && text[0] != '\0' && text[1] != '\0'; text += HEX_DIGITS) {
        const char pair[] = {text[0], text[1], '\0'};
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

int main(int argc, char **argv)
{
    static const struct mp_sensor sensors[] = {
        {"counter", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I32, 0},
    };
    static uint8_t image[MP_IMAGE_ID_MAX];
    const struct mp_device_io io = {
        .console = on_console, .identify = on_identify, .reset = on_reset};
    struct mp_device_config config = {
        .firmware = {.product = "talk-board", .version = "1.0.0"},
        .sensors = sensors,
        .sensor_count = 1,
        .image_id = image,
        .tx_bytes = 2048,
    };
    if (argc < 2)
        return 2;
    if (argc > 2)
        config.image_id_len = (uint8_t)read_hex(argv[2], image, sizeof image);
    if (test_board_start(&board, "talker", &config, &io) != MP_OK)
        return 2;
    test_board_run(&board.device, (int)strtol(argv[1], NULL, 10), WAIT_MS, turn);
    return 0;
}
