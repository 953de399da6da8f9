/*
 * flash_command.h - flashing a board by an external program: avrdude, esptool, stm32flash,
 * dfu-util, whatever takes its port and file as arguments.
 *
 * One object flashes one board, one run at a time; a second program at the same port, from whatever
 * object or process, is refused (flash_claim.h). The program runs without a shell, in a session of
 * its own without a terminal, with nothing to read, with none of this process's descriptors but
 * its output (both ends: it may outlive its reader) and the claim, and with PATH, HOME and TMPDIR
 * as its only inherited environment.
 *
 * What the caller must guarantee: the port is closed, by all of this process, before
 * flash_command_start, and nobody opens it again before `done`: the program sets the line's speed
 * and DTR, and reads answers that another reader would take away. The file stays unchanged until
 * then. After `done` the board may need its boot loader's time before it says hello, its port may
 * have gone and come back, and what runs on it is known from its hello alone: success here says
 * only that the program said so. While it runs, `progress` may stay the same for minutes. A port
 * that goes meanwhile is a reason to call flash_command_stop: avrdude would turn round for ever.
 *
 * Everything happens on the loop's thread; no callback is called from within start, stop or free.
 */
#ifndef FLASH_COMMAND_H
#define FLASH_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define FLASH_COMMAND_WHY_MAX 1700

struct flash_command;

struct flash_command_options {
    const char *const *words; /* flash_argv.h; NULL-terminated, copied */
    uint32_t timeout_ms;      /* for a whole run */
    uint32_t term_ms;         /* between being asked to end (SIGTERM) and being killed */
};

struct flash_command_events {
    void *user;
    /* 1 to 100, rising; only when the program's output tells (flash_progress.h). */
    void (*progress)(void *user, unsigned percent);
    /* The run is over and the port is free. why: NULL when the program ended with status 0, else
     * one line of valid UTF-8, with the program's last lines in it, valid during the call. May
     * call start. Both may call stop and free. */
    void (*done)(void *user, const char *why);
};

/* NULL with one line in `why`: the words are no flasher (flash_argv_check), or no memory. */
struct flash_command *flash_command_new(uv_loop_t *loop,
                                        const struct flash_command_options *options,
                                        const struct flash_command_events *events, char *why,
                                        size_t why_cap);

#define FLASH_COMMAND_NOT_NOW (-1) /* running already, port missing or claimed, file unreadable */
#define FLASH_COMMAND_NEVER   (-2) /* the program cannot be run */

/* Starts the program; `done` follows. `port` and `file` are absolute paths. Returns 0; or one of
 * these with one line in `why`, and `done` does not follow. */
int flash_command_start(struct flash_command *command, const char *port, const char *file,
                        uint32_t baud, char *why, size_t why_cap);

bool flash_command_running(const struct flash_command *command);

/* Ends the run: the whole process group gets SIGTERM, and SIGKILL after term_ms; `done` follows.
 * A program stopped while it writes leaves a board that only its boot loader can save. Without a
 * run, nothing. */
void flash_command_stop(struct flash_command *command);

/* Kills what runs, at once, without `done`. NULL is allowed. The loop must still turn for the
 * handles to close. */
void flash_command_free(struct flash_command *command);

#endif
