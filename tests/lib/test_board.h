/*
 * test_board.h - what the boards of tests and benchmarks share: an mp_device under the real clock,
 * with the settings that none of them is about, on a descriptor or on a pseudo-terminal. What a
 * board measures, says and obeys, and when, is its program's.
 */
#ifndef TEST_BOARD_H
#define TEST_BOARD_H

#include "faults.h"
#include "mp_device.h"
#include "pty.h"

#include <stdint.h>

struct test_board {
    struct mp_device device;
    char id[16];
    uint8_t tx[4096], rx[1024];
};

/* Starts the device, or starts it anew: `id` is its identity, of at most 15 characters. What
 * `config` leaves out is: the whole of tx and rx, version 1 for "any" and "posix", ticks of 1 ms, a
 * dead-man timer of 1.5 s, bodies of at most 128 bytes. Returns as mp_device_init. */
int test_board_start(struct test_board *board, const char *id,
                     const struct mp_device_config *config, const struct mp_device_io *io);

/* Serves the device on `fd` until that ends. `turn`, in which it talks, is called after each
 * `wait_ms` milliseconds at the latest, and whenever something has come. */
void test_board_run(struct mp_device *device, int fd, int wait_ms,
                    void (*turn)(struct mp_device *device));

/* -- A pseudo-terminal, and what goes over it. */

struct test_line {
    struct pty pty;                        /* master -1: cut */
    struct faults *up, *down;              /* what happens to bytes on the way; NULL: nothing */
    uint8_t out[1024 * FAULTS_MOST_BYTES]; /* bytes that the terminal did not take */
    size_t out_at, out_len;
};

/* Opens a terminal that is found at `link`, which may be NULL. Of what waited for the line before,
 * nothing is left. Returns 0, or -1 with errno set. */
int test_line_plug(struct test_line *line, const char *link);
/* Hangs up and removes the link; does nothing to a line that is cut. */
void test_line_cut(struct test_line *line);
/* Forgets what waits for the terminal. */
void test_line_forget(struct test_line *line);
/* Passes on what there is, both ways, as far as the terminal takes it; what a device says on a cut
 * line is lost. Returns as mp_device_poll. */
uint32_t test_line_serve(struct test_line *line, struct mp_device *device);

#endif
