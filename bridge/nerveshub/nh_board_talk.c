/*
 * A board's console between its line and the server: what one of them cannot take now waits here,
 * in memory that ends, and what finds no room is counted and said once.
 */
#include "nh_board_private.h"

static void lose(struct nh_board *b, size_t n, bool *losing, const char *text)
{
    if (n == 0)
        return;
    b->console_lost += n;
    if (!*losing)
        nh_board_say(b, true, text);
    *losing = true;
}

/* -- From the server to the board. */

static void type_what_waits(struct nh_board *b)
{
    const char *bytes;
    for (size_t n, taken; b->io.type != NULL && (bytes = nh_ring_peek(&b->typed, &n)) != NULL;) {
        taken = b->io.type(b->io.user, bytes, n);
        nh_ring_drop(&b->typed, taken);
        if (taken < n)
            return;
        b->losing_typed = false;
    }
}

/* Keys typed while no board is there are not for the board that comes. */
void nh_board_typed(struct nh_board *b, const char *bytes, size_t n)
{
    if (!b->here || b->io.type == NULL) {
        lose(b, n, &b->losing_typed, "keys were typed at the server, and no board is there");
        return;
    }
    size_t taken = nh_ring_add(&b->typed, NH_BOARD_BUFFER, bytes, n);
    lose(b, n - taken, &b->losing_typed,
         "keys typed at the server were dropped: the board takes them too slowly");
    type_what_waits(b);
    b->io.wake(b->io.user);
}

/* -- From the board to the server. */

static void print_what_waits(struct nh_board *b, uint64_t now_ms)
{
    const char *bytes;
    for (size_t n, taken; (bytes = nh_ring_peek(&b->printed, &n)) != NULL;) {
        taken = nh_device_print(b->device, bytes, n, now_ms);
        nh_ring_drop(&b->printed, taken);
        if (taken < n)
            return;
        b->losing_printed = false;
    }
}

void nh_board_console(struct nh_board *b, const uint8_t *bytes, size_t n)
{
    uint64_t now_ms = b->io.now_ms(b->io.user);
    const char *text = (const char *)bytes;
    size_t direct = b->printed.length == 0 ? nh_device_print(b->device, text, n, now_ms) : 0;
    size_t kept = nh_ring_add(&b->printed, NH_BOARD_BUFFER, text + direct, n - direct);
    lose(b, n - direct - kept, &b->losing_printed,
         "console output was dropped: the server takes it too slowly");
    b->io.wake(b->io.user);
}

/* -- */

bool nh_board_talk(struct nh_board *b, uint64_t now_ms)
{
    if (!b->here)
        nh_ring_free(&b->typed);
    type_what_waits(b);
    print_what_waits(b, now_ms);
    nh_device_poll(b->device, now_ms);
    return b->typed.length > 0 || b->printed.length > 0 || nh_device_is_printing(b->device);
}

void nh_board_talk_free(struct nh_board *b)
{
    nh_ring_free(&b->typed);
    nh_ring_free(&b->printed);
}
