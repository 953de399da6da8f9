/*
 * flasher_private.h - what flasher.c shares with the two ways, flasher_in_band.c and
 * flasher_command.c. Nobody else includes it.
 */
#ifndef FLASHER_PRIVATE_H
#define FLASHER_PRIVATE_H

#include "flasher.h"

/* One way; `state` is what its open has made. Each ends a run that its start has begun by one
 * flasher_done, which may be called from anywhere. */
struct flasher_way {
    /* Returns 0 or -1 with one line in `why`. */
    int (*start)(void *state, struct port *port, const char *file, char *why, size_t why_cap);
    void (*board)(void *state, struct port *port);
    void (*board_lost)(void *state);
    void (*stop)(void *state);
    /* Several times a second while a run is under way. */
    void (*look)(void *state, uint64_t now_ms);
    /* The run was ended by flasher_done, or is given up without it. */
    void (*clear)(void *state);
    void (*close)(void *state); /* after clear */
};

extern const struct flasher_way flasher_in_band, flasher_by_command;
void *flasher_in_band_open(struct flasher *flasher, const struct flasher_options *options,
                           char *why, size_t why_cap);
void *flasher_by_command_open(struct flasher *flasher, const struct flasher_options *options,
                              char *why, size_t why_cap);

/* From here on the run may change what the board holds. */
void flasher_touches(struct flasher *flasher);
void flasher_progress(struct flasher *flasher, unsigned percent);
/* The run has ended; events.done follows from the loop. Only the first of a run counts. `why` NULL:
 * well. */
void flasher_done(struct flasher *flasher, const char *why, bool for_good);

#endif
