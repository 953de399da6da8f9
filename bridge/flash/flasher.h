/*
 * flasher.h - brings a firmware file into the board of a port, in one of two ways: in-band, by the
 * protocol's upload into the store of the board's own boot loader; or by command, an external
 * program (avrdude, esptool...) to which the port is lent.
 *
 * One object flashes one board, one run at a time. Everything happens on the loop's thread; no
 * event is told from within the functions here.
 */
#ifndef FLASHER_H
#define FLASHER_H

#include "loop/loop.h"
#include "port/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLASHER_WHY_MAX 2048

struct flasher;

struct flasher_options {
    struct loop *loop;
    /* flash_argv.h: NULL-terminated, copied. NULL: in-band. */
    const char *const *words;
    /* In-band: the longest time without progress, the board's absence included; a slow line may
     * take as long as it wants. By command: for the whole run. */
    uint32_t timeout_ms;
    /* By command, after it: how long nothing is written on the line that is opened again, unless
     * the firmware speaks, so that a boot loader which listens then starts it. */
    uint32_t quiet_ms;
    /* By command; 0: 5000 each. Between being asked to end and being killed; and for how long the
     * device of the port may be away before the program is stopped (some boards have another USB
     * device in their boot loader). A program whose words have no {port} is not stopped. */
    uint32_t term_ms, gone_ms;
};

struct flasher_events {
    void *user;
    /* 0 to 100, rising; by command only as far as the program's output tells. May stay the same
     * for minutes. May call flasher_stop alone. */
    void (*progress)(void *user, unsigned percent);
    /* The run is over. `why` NULL: the firmware is in the board's store or flash, and only the
     * board's next hello, by its image id, tells whether it runs. Else why not, one line of valid
     * UTF-8 that holds during the call; for_good: the board was not touched, and trying again
     * cannot help, such as with a file that is too large or a program that is not to be found.
     * May call every function here. */
    void (*done)(void *user, const char *why, bool for_good);
};

/* NULL with one line in `why`: the words are no flasher, or no memory. */
struct flasher *flasher_new(const struct flasher_options *options,
                            const struct flasher_events *events, char *why, size_t why_cap);
/* Kills what runs, without `done`; a lent port is taken back. NULL is ignored. The loop must still
 * turn for the handles to close. */
void flasher_free(struct flasher *flasher);

/* Starts a run; `done` follows, once. `file`: a whole path; in-band a raw binary or Intel HEX
 * (fw_image.h), which is read now; by command whatever the program takes, unchanged until `done`.
 * `port`: that of the board; in-band NULL while it is not there. By command client.lost of the port
 * is called from within. Returns 0; or -1 with one line in `why`, and `done` does not follow: it
 * runs already, no port (by command), the port is lent already, the file cannot be read or is no
 * image. */
int flasher_start(struct flasher *flasher, struct port *port, const char *file, char *why,
                  size_t why_cap);
bool flasher_is_running(const struct flasher *flasher);
/* Whether the latest run may have changed what the board holds; false: it ended before that, its
 * port or its program was not there. */
bool flasher_has_touched(const struct flasher *flasher);

/* The board that is flashed is there (again), perhaps on another port: to be called each time that
 * it is claimed, from within or after. In-band the upload goes on where the board's store says. By
 * command, and without a run, nothing. */
void flasher_board(struct flasher *flasher, struct port *port);
/* It is gone. The run goes on; see timeout_ms. */
void flasher_board_lost(struct flasher *flasher);

/* Ends the run; `done` follows, with a reason, unless it had ended. A program stopped while it
 * writes leaves a board that only its boot loader can save; in-band nothing is lost. Without a run,
 * nothing. */
void flasher_stop(struct flasher *flasher);

#endif
