/*
 * Whatever stands in a board's kept bytes and slots, and however often the power goes, the boot
 * loader ends, starts nothing that is no image, and gives no image more tries than it has.
 */
#include "boot_board.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A record made valid: so that the fuzzer needs to guess no CRC. */
static void save(uint8_t phase, uint8_t tries, uint8_t pages)
{
    struct boot_state state = {
        .phase = phase % BOOT_PHASE_COUNT, .tries = tries, .new_pages = pages};

    boot_state_save(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = BOOT_KEPT_BYTES + BOARD_SLOTS + 4;
    unsigned trials = 0;

    if (size < head)
        return 0;
    board_init(0);
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        board_fill((enum boot_slot)slot, data[slot], BOOT_SLOT_PAGES);
        if (data[slot] & 1)
            board.slot[slot][0][0] = 0;
    }
    memcpy(board.kept, data + BOARD_SLOTS, BOOT_KEPT_BYTES);
    if (data[head - 1] & 1)
        save(data[head - 4], data[head - 3] % 8, data[head - 2]);
    for (size_t i = head; i < size; i++) {
        board.torn = data[i];
        board.cut_at = data[i] & 1 ? board.writes + 1 + data[i] / 4 : 0;
        int started = board_start(data[i] & 2);
        bool image = boot_slot_has_image(BOOT_RUN);
        if ((started == BOOT_START_NONE) == image && started != BOARD_CUT)
            abort();
        trials = started == BOOT_START_TRIAL ? trials + 1 : started == BOARD_CUT ? trials : 0;
        if (trials > UINT8_MAX + BOOT_TRIES)
            abort();
    }
    return 0;
}
