/*
 * boot_state.h - what the boot loader and the application tell each other over resets and power
 * loss: which step of an update the board is in.
 *
 * Three slots of one size, each for a whole image: RUN, which is executed; NEXT, into which an
 * upload goes; BACK, which keeps what ran before. The application uploads into NEXT and commits,
 * the boot loader saves RUN in BACK, installs NEXT in RUN and starts it on trial, and the new
 * application confirms once it has talked to a host. One that hangs or never confirms is taken
 * back.
 */
#ifndef BOOT_STATE_H
#define BOOT_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* X(id, NAME, what is to be done at the next start). The ids are kept on boards: never reused. */
#define BOOT_PHASES(X)                                                      \
    X(0, SETTLED, "start RUN")                                              \
    X(1, SAVING, "copy RUN to BACK, then install")                          \
    X(2, INSTALLING, "copy NEXT to RUN, then start it on trial")            \
    X(3, TRIAL, "start RUN, which has not confirmed, while tries are left") \
    X(4, RESTORING, "copy BACK to RUN")                                     \
    X(5, RESTORED, "start RUN, which is what ran before a failed update")

#define BOOT_X(id, NAME, text) BOOT_##NAME = id,
enum boot_phase { BOOT_PHASES(BOOT_X) BOOT_PHASE_COUNT };
#undef BOOT_X

#define BOOT_TRIES 3 /* starts that an image on trial gets to confirm itself */

struct boot_state {
    uint8_t phase;      /* enum boot_phase */
    uint8_t tries;      /* on trial: starts that are left */
    uint16_t new_pages; /* of the image in NEXT, from SAVING on */
};

/* As it was saved last. A board where none was ever saved is settled. */
struct boot_state boot_state_load(void);

/* Power lost in the middle leaves the state as it was before. */
void boot_state_save(const struct boot_state *state);

#endif
