/*
 * port.h - one serial line of the configuration: opened as soon as it is there, again after every
 * hang-up, with the host's side of the protocol on it.
 *
 * Whose board it is decides the bridge (port_events.claim). A board that is refused is not served:
 * no hello goes out, so its own dead-man timer keeps its motors safe, and it is asked again later.
 */
#ifndef PORT_H
#define PORT_H

#include "config/config.h"
#include "hotplug.h"
#include "loop/loop.h"
#include "loop/turn.h"
#include "mp_bulk_host.h"
#include "watch/watch.h"

struct port;

/* Where a board's events go once it is claimed. */
struct port_client {
    void *user;
    void (*reading)(void *user, const struct mp_host_reading *reading);
    void (*received)(void *user, uint32_t number);
    void (*result)(void *user, uint16_t request, enum mp_status status);
    void (*control_state)(void *user, uint8_t control, enum mp_cause cause, union mp_value value);
    void (*log)(void *user, enum mp_level level, const char *text, size_t n);
    /* What the board's console prints, bytes as they come. May be NULL. */
    void (*console)(void *user, const uint8_t *bytes, size_t n);
    void (*lost)(void *user, const char *why);
};

struct port_events {
    void *user;
    /* A board has said who it is. Fills `client` and returns true, or refuses it. Those of struct
     * port's functions that need a board may be called from within. */
    bool (*claim)(void *user, struct port *port, const struct mp_peer *peer,
                  const struct mp_description *description, bool fresh, struct port_client *client);
};

/* What has happened to a line since port_new. */
struct port_counts {
    uint32_t opens;
    uint32_t hang_ups;
    uint32_t flaps;   /* hang-ups after which it was left closed for a while */
    uint32_t babbles; /* times it was not listened to for a while */
    uint32_t pauses;  /* times it was read no further because it had had its share */
    uint32_t resets;  /* of the board, by DTR and RTS */
};

/* The pointers must hold until port_free; `hotplug` may be NULL. Opens nothing before the first
 * port_tick. NULL: out of memory. */
struct port *port_new(struct turns *turns, struct hotplug *hotplug,
                      const struct config_port *config, uint32_t keepalive_ms,
                      const struct port_events *events);
/* Closes the line after what waits for it has been offered once more, and frees the port. The
 * client hears nothing of it. */
void port_free(struct port *port);

const char *port_name(const struct port *port);
/* The device behind links while the line is open or lent, else what the configuration says. */
const char *port_path(const struct port *port);
uint32_t port_baud(const struct port *port); /* as configured */

/* Does what is due; returns when it wants to be called again (microseconds of the loop). */
uint64_t port_tick(struct port *port, uint64_t now_us);

/* A line may have come: looked for at the next tick, or, when this one is open, for a second one of
 * the same description. */
void port_look(struct port *port);
struct port_counts port_counts(const struct port *port);

/* A refused board is asked again at the next tick. */
void port_ask_again(struct port *port);
/* The client cannot take what the board sends: the session is ended, nothing of it was said to be
 * safe, and the board is asked again in `ms`. The client hears nothing more of this session. */
void port_hold(struct port *port, uint32_t ms);

/* Fills in everything; what it points at holds until the port is next called. */
void port_watch(const struct port *port, struct watch_port *out);

/* For the client of a claimed board. Of what is asked, `request` comes back in client.result. The
 * functions that return an int return what mp_host's of that name return; MP_ERR_NO_SESSION when
 * the board is not (or no longer) the client's. */
void port_safe(struct port *port, uint32_t number);
void port_credit(struct port *port, uint16_t bytes);
int port_command(struct port *port, uint8_t control, union mp_value value, uint32_t ttl_ms,
                 uint16_t *request);
int port_console(struct port *port, const uint8_t *bytes, size_t n);
int port_console_size(struct port *port, uint16_t rows, uint16_t columns);
int port_identify(struct port *port, uint16_t ms, uint16_t *request);
/* Once the board has said that it does it, port_quiet gives a boot loader its time. */
int port_reset(struct port *port, enum mp_reset_mode mode, uint16_t *request);

/* Carries an upload to the board that is the client's now: from its end of the session on it has no
 * host (mp_bulk_host_move), and waits until it is given to a port again. One at a time: another one
 * takes its place. NULL: none from now on. `bulk` must last until then; struct flasher is the one
 * user. */
void port_upload(struct port *port, struct mp_bulk_host *bulk);

/* Nothing is written for `ms` from now, or until the board says that it has restarted; while the
 * line is not open, for `ms` from its opening, or until the board has said something valid: some
 * boot loaders stay where they are as long as bytes come. A later call counts. */
void port_quiet(struct port *port, uint32_t ms);

/* Another program is to use the line for a while. */
struct port_borrower {
    void *user;
    /* `why` NULL: the line is closed, by all of this process, and is not opened before
     * port_take_back; its device is port_path. Else it cannot be lent (the line is not there), and
     * is not. Called once, never from within port_lend. */
    void (*lent)(void *user, const char *why);
    /* The port is freed: neither it nor port_take_back may be called any more. Who has the line may
     * go on. */
    void (*freed)(void *user);
};

/* Ends the session (client.lost says that the port is lent) and closes the line. Returns 0, or -1:
 * it is lent already. */
int port_lend(struct port *port, const struct port_borrower *borrower);
/* The line is opened again, with port_quiet(port, quiet_ms). Before `lent` was called
 * it is not called any more. Ignored when the port is not lent. */
void port_take_back(struct port *port, uint32_t quiet_ms);
/* Whether the device that was lent, opened or is configured is there now. */
bool port_is_there(const struct port *port);

/* The clock of the host at which something happened on the board, as well as it is known. */
uint64_t port_host_us(const struct port *port, uint64_t device_us);

#endif
