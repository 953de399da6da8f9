/*
 * line.h - the serial line between an emulated MCU and its host: owns the MCU's process and the
 * PTY, moves the bytes, and does to the line what a person with pliers would.
 *
 * `up` is from the MCU to the host. Bytes for an end that is not there (line cut, MCU dead) are
 * discarded and counted. When the host does not read, the MCU's bytes wait: first 4 KiB here, then
 * its own UART is held up. Functions returning int return 0, or -1 with one line in `why`.
 */
#ifndef LINE_H
#define LINE_H

#include "mcu.h"
#include "pty.h"
#include "pump.h"

#include <uv.h>

#define LINE_WHY_MAX 300

/* What happens when a pump has passed the bytes it was told to. */
enum line_then { LINE_GO_ON, LINE_CUT, LINE_RESET };

struct line_way {
    struct pump pump;
    enum line_then then;
};

struct line {
    uv_loop_t *loop;
    void (*mcu_ended)(void *user, int status); /* not asked for; status as from waitpid */
    void *user;
    struct mcu_config config;
    char link[256];     /* where the PTY is, or was before it was cut */
    bool reset_on_open; /* the MCU is reset whenever somebody opens the port, as by DTR */
    /* The rest is the line's own. */
    struct mcu mcu;
    struct pty pty;
    struct line_way up, down;
    uint64_t cut_deadline_ns; /* 0: no cut is waiting for the host to read */
    bool auto_reset;          /* before the next byte down */
    uint64_t cuts, resets;
    uv_poll_t *mcu_watch, *pty_watch, *opens_watch;
    int opens; /* -1: not watched */
    uv_timer_t timer;
    uv_signal_t child;
};

/* Fill in the members above the line first. Opens the PTY and starts the MCU. */
int line_open(struct line *line, char *why, size_t why_cap);

/* Kills the MCU, removes the link, and lets go of the loop. Also after line_open has failed. */
void line_close(struct line *line);

int line_cut(struct line *line, char *why, size_t why_cap);
/* `link`: under which path from now on; NULL: as before. */
int line_plug(struct line *line, const char *link, char *why, size_t why_cap);
int line_reset(struct line *line, char *why, size_t why_cap);
int line_kill(struct line *line, char *why, size_t why_cap);
int line_start(struct line *line, char *why, size_t why_cap);
int line_pause(struct line *line, bool paused, char *why, size_t why_cap);

/* Cuts the line, or resets the MCU, after exactly `bytes` more have passed in that direction;
 * before a cut the host gets half a second to read them. What follows them is lost. */
void line_after(struct line *line, struct line_way *way, uint64_t bytes, enum line_then then);

/* Resets the MCU when the next bytes come from the host, once, before the first of them arrives:
 * what DTR does to an Arduino when its port is opened, and a PTY cannot tell. */
void line_auto_reset(struct line *line);

void line_set_baud(struct line *line, uint32_t baud); /* 0: no limit */

#endif
