/*
 * commands.h - controls of one MCU on their way down: checked against what the MCU describes, the
 * newest of each control wins, and each has a deadline after which it is never sent.
 *
 * No I/O and no clock. A stale command is worse than a lost one: nothing waits over a lost channel,
 * a lost MCU or a new session of it. What waits is one value for each control; what was handed to
 * the MCU waits for its result in a table of COMMANDS_SENT_MAX, and when that is full values wait
 * until their deadline.
 *
 * When the channel is gone for loss_ms, each control that does not hold goes to its fail-safe
 * value, again and again until the MCU has said done or the channel is back.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "mp_host.h"

#include <stdbool.h>
#include <stdint.h>

#define COMMANDS_SENT_MAX 32

struct commands_config {
    uint32_t ttl_ms;  /* a value older than this is not sent, nor applied by the MCU */
    uint32_t loss_ms; /* the channel may be gone so long before fail-safe */
};

/* X(NAME, name, text): how one value for a control ended. */
#define COMMANDS_OUTCOMES(X)                                                                    \
    X(DONE, "done", "done")                                                                     \
    X(REFUSED, "refused", "refused by the MCU")                                                 \
    X(UNKNOWN, "unknown", "the MCU has no such control")                                        \
    X(TYPE, "type", "wrong type")                                                               \
    X(RANGE, "range", "out of range")                                                           \
    X(STALE, "stale", "discarded: it may be old, no fresh heartbeat reply yet")                 \
    X(NO_MCU, "no_mcu", "discarded: the MCU is not there")                                      \
    X(REPLACED, "replaced", "replaced by a newer value")                                        \
    X(EXPIRED, "expired", "discarded: its deadline passed before it could be sent")             \
    X(CHANNEL_LOST, "channel_lost", "discarded: the channel went away before it could be sent") \
    X(MCU_LOST, "mcu_lost", "the MCU went away before its answer")                              \
    X(UNANSWERED, "unanswered", "no answer from the MCU")

#define COMMANDS_X(NAME, name, text) COMMANDS_##NAME,
enum commands_outcome { COMMANDS_OUTCOMES(COMMANDS_X) COMMANDS_OUTCOME_COUNT };
#undef COMMANDS_X
const char *commands_outcome_text(enum commands_outcome outcome);
/* One word in lower case, for programs: "done", "no_mcu". */
const char *commands_outcome_name(enum commands_outcome outcome);

struct commands_report {
    uint32_t number; /* of the value, from 1 in the order of asking; fail-safe values count along */
    const char *name; /* of the control, as asked for; not checked when UNKNOWN */
    double value;     /* physical; NaN when there is none */
    enum commands_outcome outcome;
    enum mp_status status; /* with REFUSED */
    bool failsafe;         /* the bridge's own, because the channel is gone */
    uint32_t took_ms;      /* with DONE and REFUSED: from the update to the answer */
    const struct mp_host_control *control; /* NULL when UNKNOWN or NO_MCU */
};

struct commands_io {
    void *user;
    /* mp_host_command of the MCU's port, with its contract. */
    int (*send)(void *user, uint8_t control, union mp_value value, uint32_t ttl_ms,
                uint16_t *request);
    /* The end of every value asked for, exactly once. */
    void (*ended)(void *user, const struct commands_report *report);
    /* On the way there, of a value that passed the checks: it waits now, or it has left for the MCU
     * (`sent`). The outcome says nothing yet. May be NULL. */
    void (*on_way)(void *user, const struct commands_report *report, bool sent);
};

struct commands_waiting {
    union mp_value value;
    uint64_t asked_ms;
    uint32_t number;
    bool is_set;
    bool hold;               /* stays as it is when the channel is gone */
    bool failsafe_due;       /* not yet done by the MCU */
    bool failsafe_reported;  /* its failure was, once */
    uint64_t failsafe_at_ms; /* the next try */
    uint32_t failsafe_pause_ms;
};

struct commands_sent {
    union mp_value value;
    uint64_t asked_ms, give_up_ms;
    uint32_t number;
    uint16_t request;
    uint8_t control;
    bool used, failsafe;
};

struct commands {
    struct commands_config config;
    struct commands_io io;
    const struct mp_description *description; /* of the MCU that is there; NULL: none */
    bool channel_up, channel_was_up, loss_dealt_with;
    uint64_t lost_ms; /* when the channel went away */
    uint32_t last_number;
    uint64_t counts[COMMANDS_OUTCOME_COUNT]; /* of values asked for */
    uint64_t failsafe_done, failsafe_failed; /* of the bridge's own */
    struct commands_waiting waiting[MP_HOST_CONTROLS_MAX];
    struct commands_sent sent[COMMANDS_SENT_MAX];
};

void commands_init(struct commands *commands, const struct commands_config *config,
                   const struct commands_io *io);

/* The MCU is there; `description` must hold until commands_on_mcu_gone. `holds` says which control
 * keeps its value when the channel is gone. */
void commands_on_mcu(struct commands *commands, const struct mp_description *description,
                     bool (*holds)(void *user, const char *control), void *user, uint64_t now_ms);
void commands_on_mcu_gone(struct commands *commands, uint64_t now_ms);

/* The channel is joined, or gone: to be told of each change. */
void commands_on_channel(struct commands *commands, bool up, uint64_t now_ms);

/* The process did not run for a while: what waits may be as old as that, whatever the clock says.
 */
void commands_on_gap(struct commands *commands);

enum commands_value { COMMANDS_NUMBER, COMMANDS_BOOL, COMMANDS_OTHER };

/* One element of a control update; `fresh`: nothing says that it may have waited somewhere. It is
 * sent by the next commands_flush, so that of one update too the newest wins. */
void commands_set(struct commands *commands, const char *name, enum commands_value kind,
                  double value, bool fresh, uint64_t now_ms);

/* Sends what waits and can be sent; drops what is too old; deals with a lost channel. Returns when
 * it wants to be called again, UINT64_MAX: not before something happens. */
uint64_t commands_flush(struct commands *commands, uint64_t now_ms);

void commands_on_result(struct commands *commands, uint16_t request, enum mp_status status,
                        uint64_t now_ms);

#endif
