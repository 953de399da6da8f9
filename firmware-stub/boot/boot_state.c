/*
 * The state in the bytes that the board keeps without power: two records that take turns, each with
 * a number and a CRC, so that a record that was cut short leaves the other to be read. What the
 * phases mean is boot.c's.
 */
#include "boot_state.h"

#include "boot_port.h"
#include "mp_crc.h"

/* A record: number, phase, tries, pages low and high, CRC-16 low and high. */
enum { NUMBER, PHASE, TRIES, PAGES_LOW, PAGES_HIGH, CRC_LOW, CRC_HIGH, RECORD_BYTES };

_Static_assert(2 * RECORD_BYTES <= BOOT_KEPT_BYTES, "both records fit");

static uint8_t record_at(uint8_t turn, uint8_t i)
{
    return boot_kept((uint8_t)(turn * RECORD_BYTES + i));
}

static bool record_is_whole(uint8_t turn)
{
    uint16_t crc = MP_CRC16_START;

    for (uint8_t i = 0; i < RECORD_BYTES; i++)
        crc = mp_crc16_update(crc, record_at(turn, i));
    return crc == MP_CRC16_GOOD && record_at(turn, PHASE) < BOOT_PHASE_COUNT;
}

/* The record to be believed: 0 or 1; -1: none was ever saved. */
static int8_t latest(void)
{
    bool first = record_is_whole(0), second = record_is_whole(1);

    if (first && second)
        return (int8_t)(record_at(1, NUMBER) - record_at(0, NUMBER)) > 0 ? 1 : 0;
    if (first)
        return 0;
    return second ? 1 : -1;
}

struct boot_state boot_state_load(void)
{
    struct boot_state state = {.phase = BOOT_SETTLED};
    int8_t found = latest();
    uint8_t turn = (uint8_t)found;

    if (found < 0)
        return state;
    state.phase = record_at(turn, PHASE);
    state.tries = record_at(turn, TRIES);
    state.new_pages = (uint16_t)(record_at(turn, PAGES_LOW) | record_at(turn, PAGES_HIGH) << 8);
    return state;
}

void boot_state_save(const struct boot_state *state)
{
    int8_t before = latest();
    uint8_t turn = before == 0 ? 1 : 0;
    uint8_t number = before < 0 ? 0 : (uint8_t)(record_at((uint8_t)before, NUMBER) + 1);
    const uint8_t record[CRC_LOW] = {number, state->phase, state->tries, (uint8_t)state->new_pages,
                                     (uint8_t)(state->new_pages >> 8)};
    uint16_t crc = MP_CRC16_START;

    for (uint8_t i = 0; i < CRC_LOW; i++) {
        crc = mp_crc16_update(crc, record[i]);
        boot_keep((uint8_t)(turn * RECORD_BYTES + i), record[i]);
    }
    crc = (uint16_t)~crc;
    boot_keep((uint8_t)(turn * RECORD_BYTES + CRC_LOW), (uint8_t)crc);
    boot_keep((uint8_t)(turn * RECORD_BYTES + CRC_HIGH), (uint8_t)(crc >> 8));
}
