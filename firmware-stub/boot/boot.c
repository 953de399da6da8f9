/*
 * The boot loader's machine. A copy needs no note of how far it is: pages that are equal already
 * are passed over, so it begins anew after a loss of power and goes on where it was. The state
 * changes only once a copy is whole.
 *
 *   SETTLED --committed--> SAVING --> INSTALLING --> TRIAL --confirmed--> SETTLED
 *                                                      |
 *                     RESTORED <-- RESTORING <---------+ hung, or no tries left
 *
 * What is committed and confirmed is so by the application (boot_image.c); the other arrows are
 * taken here, in one start if it lasts. A settled board whose RUN has no image is restored too.
 */
#include "boot.h"

#include "boot_port.h"
#include "boot_state.h"

#define WRITES_MOST 3 /* of a page, before its memory counts as worn out */

static bool copy_page(enum boot_slot to, enum boot_slot from, uint16_t page)
{
    for (uint8_t i = 0; i < WRITES_MOST; i++) {
        if (!boot_page_differs(to, from, page))
            return true;
        boot_page_copy(to, from, page);
    }
    return !boot_page_differs(to, from, page);
}

static bool copy(enum boot_slot to, enum boot_slot from, uint16_t pages)
{
    for (uint16_t page = 0; page < pages; page++)
        if (!copy_page(to, from, page))
            return false;
    return true;
}

static bool can_install(const struct boot_state *state)
{
    return state->new_pages > 0 && state->new_pages <= BOOT_SLOT_PAGES &&
           boot_slot_has_image(BOOT_NEXT);
}

/* Each of these does the phase's work and returns the phase that follows. */

static enum boot_phase save(const struct boot_state *state)
{
    if (!can_install(state) || !copy(BOOT_BACK, BOOT_RUN, BOOT_SLOT_PAGES))
        return BOOT_RESTORED; /* RUN was not touched */
    return BOOT_INSTALLING;
}

static enum boot_phase install(struct boot_state *state)
{
    if (!can_install(state) || !copy(BOOT_RUN, BOOT_NEXT, state->new_pages))
        return BOOT_RESTORING;
    state->tries = BOOT_TRIES;
    return BOOT_TRIAL;
}

static enum boot_phase restore(void)
{
    if (boot_slot_has_image(BOOT_BACK))
        (void)copy(BOOT_RUN, BOOT_BACK, BOOT_SLOT_PAGES);
    return BOOT_RESTORED;
}

static void enter(struct boot_state *state, enum boot_phase phase)
{
    state->phase = (uint8_t)phase;
    boot_state_save(state);
}

/* One more start on trial. The try is used up before it: a start that loses power counts. */
static enum boot_start try_once(struct boot_state *state)
{
    state->tries--;
    boot_state_save(state);
    return BOOT_START_TRIAL;
}

enum boot_start boot_prepare(bool hung)
{
    struct boot_state state = boot_state_load();
    bool tried = state.phase == BOOT_TRIAL && state.tries < BOOT_TRIES;
    bool helped = false;

    for (;;) {
        switch ((enum boot_phase)state.phase) {
        case BOOT_SAVING:
            enter(&state, save(&state));
            break;
        case BOOT_INSTALLING:
            enter(&state, install(&state));
            break;
        case BOOT_TRIAL:
            if (state.tries > 0 && !(tried && hung) && boot_slot_has_image(BOOT_RUN))
                return try_once(&state);
            enter(&state, BOOT_RESTORING);
            break;
        case BOOT_RESTORING:
            enter(&state, restore());
            break;
        case BOOT_SETTLED:
        case BOOT_RESTORED:
        case BOOT_PHASE_COUNT:
            if (boot_slot_has_image(BOOT_RUN))
                return BOOT_START_SETTLED;
            if (helped || !boot_slot_has_image(BOOT_BACK))
                return BOOT_START_NONE;
            helped = true;
            enter(&state, BOOT_RESTORING);
            break;
        }
    }
}
