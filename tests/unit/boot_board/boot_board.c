/*
 * boot_port.h on memory. Power that goes leaves by longjmp, with the byte or the page of the moment
 * torn and everything else as it was.
 */
#include "boot_board.h"

#include "port.h"

#include <setjmp.h>
#include <string.h>

struct boot_board board;
static jmp_buf off;

static bool power_goes(void)
{
    return ++board.writes == board.cut_at;
}

uint8_t boot_kept(uint8_t at)
{
    return board.kept[at];
}

void boot_keep(uint8_t at, uint8_t value)
{
    if (power_goes()) {
        board.kept[at] = board.torn;
        longjmp(off, 1);
    }
    board.kept[at] = value;
}

bool boot_page_differs(enum boot_slot one, enum boot_slot other, uint16_t page)
{
    return memcmp(board.slot[one][page], board.slot[other][page], BOOT_PAGE_BYTES) != 0;
}

void boot_page_copy(enum boot_slot to, enum boot_slot from, uint16_t page)
{
    if (power_goes()) {
        memset(board.slot[to][page], board.torn, BOOT_PAGE_BYTES);
        longjmp(off, 1);
    }
    if ((int)to != board.worn_slot || page != board.worn_page)
        memcpy(board.slot[to][page], board.slot[from][page], BOOT_PAGE_BYTES);
}

bool boot_slot_has_image(enum boot_slot slot)
{
    return board.slot[slot][0][0] == BOARD_IMAGE;
}

void board_fill(enum boot_slot slot, uint8_t mark, uint16_t pages)
{
    for (uint16_t page = 0; page < pages; page++)
        memset(board.slot[slot][page], mark + page, BOOT_PAGE_BYTES);
    board.slot[slot][0][0] = BOARD_IMAGE;
}

bool board_holds(enum boot_slot slot, uint8_t mark, uint16_t pages)
{
    struct boot_board before = board;
    bool same;

    board_fill(slot, mark, pages);
    same = memcmp(before.slot, board.slot, sizeof board.slot) == 0;
    board = before;
    return same;
}

void board_init(uint8_t mark)
{
    memset(&board, 0xff, sizeof board);
    board.writes = board.cut_at = 0;
    board.worn_slot = -1;
    board_fill(BOOT_RUN, mark, BOOT_SLOT_PAGES);
}

int board_start(bool hung)
{
    if (setjmp(off) != 0)
        return BOARD_CUT;
    return (int)boot_prepare(hung);
}

bool board_powered(void (*act)(void *user), void *user)
{
    if (setjmp(off) != 0)
        return false;
    act(user);
    return true;
}
