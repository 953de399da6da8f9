/*
 * The application's two arrows of the machine in boot.c, and what the application is told of it.
 */
#include "boot_image.h"

#include "boot_port.h"
#include "boot_state.h"
#include "port.h"

static bool runs_already(uint16_t pages)
{
    for (uint16_t page = 0; page < pages; page++)
        if (boot_page_differs(BOOT_NEXT, BOOT_RUN, page))
            return false;
    return true;
}

bool boot_commit(uint16_t pages)
{
    struct boot_state fresh = {.phase = BOOT_SAVING, .new_pages = pages};

    if (port_image_state() == PORT_IMAGE_ON_TRIAL)
        return false;
    if (!runs_already(pages))
        boot_state_save(&fresh);
    return true;
}

void boot_confirm(void)
{
    struct boot_state state = boot_state_load();

    if (state.phase != BOOT_TRIAL)
        return;
    state.phase = BOOT_SETTLED;
    boot_state_save(&state);
}

enum port_image_state port_image_state(void)
{
    switch ((enum boot_phase)boot_state_load().phase) {
    case BOOT_SAVING:
    case BOOT_INSTALLING:
        return PORT_IMAGE_COMMITTED;
    case BOOT_TRIAL:
        return PORT_IMAGE_ON_TRIAL;
    case BOOT_RESTORING:
    case BOOT_RESTORED:
        return PORT_IMAGE_TAKEN_BACK;
    case BOOT_SETTLED:
    case BOOT_PHASE_COUNT:
        break;
    }
    return PORT_IMAGE_SETTLED;
}
