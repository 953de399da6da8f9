/*
 * board_probe_board.c - one board of board_probe: a flash that is a file, what stands in it says
 * hello, and what nh_board asks of it. Orders, time and death are board_probe.c's.
 */
#include "board_probe.h"

#include "fw/fw_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLASH_STEP 10 /* percent of an image that one tick writes */
#define BACK_MS    60 /* from the end of a flash to the hello */

char *board_read_whole(const char *path, size_t *n)
{
    struct stat info;
    int fd = open(path, O_RDONLY);
    *n = 0;
    if (fd < 0 || fstat(fd, &info) != 0)
        return NULL;
    char *bytes = malloc((size_t)info.st_size + 1);
    ssize_t got = bytes != NULL ? read(fd, bytes, (size_t)info.st_size) : -1;
    close(fd);
    *n = got > 0 ? (size_t)got : 0;
    return bytes;
}

static void write_flash(struct board *b, const void *bytes, size_t n)
{
    int fd = open(b->flash, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        probe_line(b->name, "trouble", "the flash cannot be written");
    close(fd);
}

static void say_hello(struct board *b)
{
    size_t n;
    char *bytes = board_read_whole(b->flash, &n);
    uint8_t id[FW_IMAGE_ID_MAX], device[4] = {1, 2, 3, (uint8_t)b->name[strlen(b->name) - 1]};
    device[0] = b->swapped ? 9 : 1;
    struct fw_image image = {.bytes = (uint8_t *)bytes, .length = n};
    bool whole = n > 4 && memcmp(bytes + n - 4, "END!", 4) == 0;
    size_t length = whole ? fw_image_id(&image, id) : 0;
    if (whole && !b->pulled) {
        struct nh_board_hello hello = {
            .device = device,
            .device_length = sizeof(device),
            .image = id,
            .image_length = length,
            .product = b->blank ? "" : "greenhouse",
            .version = "0.9.0",
            .architecture = "avr8",
            .platform = "mega",
        };
        probe_line(b->name, "hello", length > 0 ? (char[]){(char)('a' + id[0] % 26), '\0'} : "");
        nh_board_here(b->board, &hello);
        b->said = true;
    } else {
        probe_line(b->name, "silent", "");
    }
    free(bytes);
}

static void end_flash(struct board *b, const char *why, bool for_good)
{
    b->flashing = false;
    free(b->image);
    b->image = NULL;
    probe_line(b->name, "flashed", why != NULL ? why : "");
    if (b->old && why == NULL)
        write_flash(b, b->before, b->before_bytes);
    if (!b->silent || why != NULL)
        b->hello_at = probe_real_ms() + BACK_MS;
    b->silent = b->old = false;
    nh_board_flashed(b->board, why, for_good);
}

static void end_unbegun(struct board *b)
{
    b->flashing = false;
    free(b->image);
    b->image = NULL;
    b->hello_at = probe_real_ms() + BACK_MS;
    nh_board_not_flashed(b->board, "there is no such program");
}

static void flash_on(struct board *b)
{
    if (!b->flashing || (b->holding && b->percent == 50 && b->fail == 0 && !b->pulled))
        return;
    if (b->refuse || b->pulled || (b->fail > 0 && b->percent == 50)) {
        bool refused = b->refuse;
        b->fail -= b->fail > 0 ? 1 : 0;
        b->refuse = false;
        end_flash(b, refused ? "too large for the board: 100 bytes" : "the line was cut", refused);
        return;
    }
    if (b->missing > 0) {
        b->missing--;
        end_unbegun(b);
        return;
    }
    b->percent += FLASH_STEP;
    write_flash(b, b->image, b->image_bytes * b->percent / 100);
    nh_board_flash_percent(b->board, b->percent);
    if (b->percent == 100)
        end_flash(b, NULL, false);
}

static bool on_flash(void *user, const char *path, char *why, size_t cap)
{
    struct board *b = user;
    if (b->pulled || b->flashing) {
        snprintf(why, cap, "the port is not there");
        return false;
    }
    probe_line(b->name, "flash", path);
    free(b->before);
    b->before = board_read_whole(b->flash, &b->before_bytes);
    b->image = (uint8_t *)board_read_whole(path, &b->image_bytes);
    b->percent = 0;
    b->flashing = true;
    nh_board_gone(b->board);
    return true;
}

static void on_stop_flash(void *user)
{
    struct board *b = user;
    if (b->flashing)
        end_flash(b, "stopped", false);
}

static size_t on_type(void *user, const char *bytes, size_t n)
{
    char text[4096];
    struct board *b = user;
    if (b->deaf)
        return 0;
    snprintf(text, sizeof(text), "%.*s", (int)n, bytes);
    probe_line(b->name, "typed", text);
    return n;
}

void board_reboot(void *user)
{
    struct board *b = user;
    probe_line(b->name, "reboot", "");
    nh_board_gone(b->board);
    b->hello_at = probe_real_ms() + BACK_MS;
}

static void on_identify(void *user)
{
    probe_line(((struct board *)user)->name, "identify", "");
}

static void on_window(void *user, unsigned rows, unsigned columns)
{
    char text[40];
    snprintf(text, sizeof(text), "%u %u", rows, columns);
    probe_line(((struct board *)user)->name, "window", text);
}

static char *on_health(void *user)
{
    (void)user;
    return strdup("{\"metrics\":{\"link_errors\":0}}");
}

static void on_say(void *user, bool bad, const char *text)
{
    probe_line(((struct board *)user)->name, bad ? "bad" : "say", text);
}

static void print_lines(struct board *b)
{
    for (unsigned i = 0; i < 100 && b->line < b->lines; i++) {
        char text[40];
        int n = snprintf(text, sizeof(text), "line %u\n", b->line++);
        nh_board_console(b->board, (uint8_t *)text, (size_t)n);
    }
}

void board_turn(struct board *b)
{
    if (b->hello_at != 0 && probe_real_ms() >= b->hello_at) {
        b->hello_at = 0;
        say_hello(b);
    }
    flash_on(b);
    print_lines(b);
}

void board_show(struct board *b)
{
    struct nh_board_picture now;
    char text[2 * NH_TEXT_MAX];
    nh_board_watch(b->board, &now);
    if (now.joined != b->joined)
        probe_line(b->name, now.joined ? "joined" : "left", now.running->uuid);
    if (now.stage != b->stage) {
        snprintf(text, sizeof(text), "%s %.200s", nh_stage_text(now.stage), now.trouble);
        probe_line(b->name, "stage", text);
    }
    b->joined = now.joined;
    b->stage = now.stage;
}

void board_pull(struct board *b)
{
    b->pulled = true;
    b->hello_at = 0;
    nh_board_gone(b->board);
}

void board_plug(struct board *b)
{
    b->pulled = false;
    b->hello_at = probe_real_ms();
}

void board_free(struct board *b)
{
    nh_board_free(b->board);
    free(b->before);
    free(b->image);
}

struct nh_board_io board_io = {
    .type = on_type,
    .reboot = board_reboot,
    .identify = on_identify,
    .window = on_window,
    .flash = on_flash,
    .stop_flash = on_stop_flash,
    .health = on_health,
    .say = on_say,
    .now_ms = probe_now_ms,
    .unix_us = probe_unix_us,
    .wake = probe_wake,
};
