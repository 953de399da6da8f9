/*
 * port_rig.h - one port on a real loop, a PTY, and a board of mp_device on its other end.
 */
#ifndef PORT_RIG_H
#define PORT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/port.h"
#include "test_board.h"

#define PATIENCE_MS 60000
#define CREDIT      600 /* what the client gives when it claims the board */
#define QUIET_MS    300

struct rig {
    struct loop loop;
    struct turns turns;
    struct config_port config;
    struct port *port;
    bool claims; /* whether the bridge takes the board */

    bool board_is_mute;
    char link[64];
    struct pty pty; /* not open: the board is not plugged in */
    struct test_board board;
    size_t bytes_down; /* what the board has got */

    unsigned ready, lost, lent, freed, results, identified, resets;
    uint16_t rows, columns;
    char lost_why[128], lent_why[512], console[256];
    enum mp_status status;
    struct mp_bulk_host bulk;
};

extern struct rig rig;
extern const struct port_events rig_port_events;
/* Counts what it is told in rig.lent and rig.freed. */
extern const struct port_borrower rig_borrower;

/* For each test; the board is plugged in. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

void rig_plug(void);
void rig_pull(void);
/* The board starts anew. */
void rig_start_board(void);

uint32_t rig_now_us(void);
/* The board alone, and both. */
void rig_turn_board(void);
void rig_turn(void);
void rig_turn_for(uint32_t ms);

/* Turns both until it is so, or nothing is as it should be. */
#define WAIT_FOR(condition)                                          \
    do {                                                             \
        uint32_t waits_since_us = rig_now_us();                      \
        while (!(condition)) {                                       \
            if (rig_now_us() - waits_since_us > PATIENCE_MS * 1000u) \
                fail_msg("never: " #condition);                      \
            rig_turn();                                              \
        }                                                            \
    } while (0)

bool rig_is_ours(void);
bool rig_is_open(void);
/* Whether nobody holds the line. */
bool rig_is_free(void);

#endif
