/*
 * port_private.h - what port.c (the protocol on an open line), port_board.c (what the client asks
 * of its board), port_life.c (the line itself, from its name to its end), port_lend.c (the line in
 * other hands) and port_quiet.c (when nothing is written) share of a port. Nobody else includes it.
 */
#ifndef PORT_PRIVATE_H
#define PORT_PRIVATE_H

#include "port.h"
#include "port_guard.h"
#include "port_line.h"
#include "port_say.h"
#include "serial/serial.h"

#define WRITE_BYTES   512 /* handed to the line at once: what follows can be more urgent */
#define LINK_TX_BYTES 1024
#define LINK_RX_BYTES 3072

enum port_state {
    PORT_CLOSED,
    PORT_OPENING,
    PORT_ASKING,
    PORT_SERVING,
    PORT_HELD,
    PORT_CLOSING,
    PORT_LENT
};

/* Whether the line is in other hands. */
enum port_loan {
    PORT_OURS,
    PORT_TO_LEND, /* as soon as it is closed; the borrower has not been told */
    PORT_LOANED
};

struct port {
    struct loop *loop;
    struct turn turn;
    const struct config_port *config;
    struct port_events events;
    struct port_client client;
    struct hotplug *hotplug;
    enum port_state state;
    enum port_loan loan;
    struct port_borrower borrower; /* TO_LEND, LOANED */
    char *lent_path;               /* LOANED: the device behind links */
    uint64_t quiet_us;             /* nothing is written before; 0: no such time */
    bool quiet_until_heard;        /* ... or before the board has said something valid */
    uint32_t quiet_ms;             /* the same, from the next opening on */
    struct mp_bulk_host *bulk;     /* SERVING: the upload to this board; NULL: none */
    struct port_line *job;         /* OPENING, CLOSING: what goes on */
    struct serial *serial;
    struct port_guard guard;
    struct port_counts counts;
    bool look_again;         /* OPENING: something has changed since the look */
    bool deaf;               /* HELD: not even read */
    bool reset;              /* the board is to be reset by the next open */
    uint64_t silent_wait_us; /* how long until that: longer after each reset; 0: as at first */
    uint64_t not_before_us;  /* not to be opened earlier */
    uint64_t read_on_us;     /* not to be read earlier; 0: it is read */
    uint32_t framing_errors; /* when it was opened */
    bool twin_said;
    uint32_t refusals; /* opens in a row that failed on a line that is there */
    uv_poll_t *poll;
    struct mp_host host;
    void *room[MP_HOST_ROOM_COUNT]; /* of the board's description */
    uint32_t keepalive_ms;
    uint64_t due_us;              /* of whatever the state waits for */
    uint64_t silent_us;           /* when to say that nothing answers; 0: said */
    uint32_t hold_ms;             /* 0, or a wish to be HELD that the link's callbacks have left */
    enum serial_result said;      /* the last reason for not being open that was logged */
    int polled;                   /* events that the poll handle waits for */
    struct watch_port before;     /* counters of links, as far as they were added */
    struct mp_link_stats counted; /* of this link, what is in there */
    uint32_t nonsense_counted, missing_counted;
    char trouble[WATCH_ERROR_MAX]; /* why the line is not open; "": it is */
    uint32_t nonsense_said;
    uint32_t dropped; /* readings, as the board said last */
    uint64_t dropped_said;
    size_t out_len, out_at;
    uint8_t out[WRITE_BYTES];
    uint8_t tx_mem[LINK_TX_BYTES], rx_mem[LINK_RX_BYTES];
};

uint64_t port_now_us(const struct port *port);

/* port.c */

/* Whether there is a client that hears what the board says. */
bool port_is_heard(const struct port *port);

/* Begins anew: whatever a board sent before and was not told to be safe will be sent again. */
void port_ask(struct port *port);
/* After anything that may have given the link something to say or a new deadline. */
void port_settle(struct port *port);
void port_tell_lost(struct port *port, const char *why);
/* What came since the line was opened. */
struct port_silence port_silence_now(const struct port *port);

/* port_board.c */

/* Nobody's board is there any more: an upload waits for the next. */
void port_end_upload(struct port *port);

/* port_lend.c */

/* In LENT, which is entered with the line closed: tells the borrower. */
void port_tell_lent(struct port *port);
void port_enter_lent(struct port *port);
void port_free_loan(struct port *port);

/* port_quiet.c */
void port_quiet_opened(struct port *port);
/* Returns whether nothing may be written `now`; in how many microseconds that ends is in *wait_us.
 */
bool port_is_quiet(struct port *port, uint64_t now, uint64_t *wait_us);

/* port_life.c */

/* Which device is meant. Its strings are the configuration's. */
struct serial_target port_target(const struct port *port);
void port_open_line(struct port *port);
/* The session is at an end; the line is not. */
void port_end_session(struct port *port, const char *why);
void port_close_line(struct port *port);
/* The line is gone. */
void port_hang_up(struct port *port);
/* To be called while nobody has answered yet. */
void port_on_silence(struct port *port, uint64_t now_us);
void port_look_for_twins(struct port *port);

#endif
