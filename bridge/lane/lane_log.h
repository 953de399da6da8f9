/*
 * lane_log.h - what a lane says in the log: the words, and how often the same thing is said.
 */
#ifndef LANE_LOG_H
#define LANE_LOG_H

#include "base/log.h"
#include "commands/commands.h"
#include "phx/phx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines of one kind within a second. */
struct lane_log_rate {
    uint64_t second; /* of the clock */
    uint32_t lines, dropped;
};

#define LANE_LOG_DEVICE 48
#define LANE_LOG_ERROR  160

struct lane_log {
    const char *who;
    char device[LANE_LOG_DEVICE]; /* the board that was there last */
    char error[LANE_LOG_ERROR];   /* the last warning or error that was said, cut; "": none */
    uint64_t error_ms;            /* when, on the monotonic clock */
    int last_cause, last_status;  /* of the disconnect said last */
    uint32_t disconnects;         /* like it since the last connection */
    bool spool_full;              /* was said */
    uint32_t upload_failures;     /* in a row */
    uint32_t ignored;             /* messages of no use here */
    uint32_t refusals;            /* of a join, in a row */
    struct lane_log_rate board, commands;
};

void lane_log_init(struct lane_log *log, const char *who);

/* A line about the lane; warnings and errors are kept as its last error. */
void lane_log_say(struct lane_log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A device's identity as the configuration writes it: text, or 0x and hexadecimal digits. */
const char *lane_log_device(char out[LANE_LOG_DEVICE], const uint8_t *device, size_t len);

void lane_log_board_ready(struct lane_log *log, const char *path, const struct mp_peer *peer,
                          const struct mp_description *description);
/* A sensor of a kind that the server does not know. */
void lane_log_sensor(struct lane_log *log, const char *sensor, const char *kind,
                     const char *profile);
/* The spool holds as much as it may for one MCU; said once until there is room again. */
void lane_log_spool_full(struct lane_log *log, uint64_t bytes);
void lane_log_spool_room(struct lane_log *log, uint64_t bytes, uint64_t most);
/* A reading is given up. */
void lane_log_parked(struct lane_log *log, const char *sensor, const char *kind, double value,
                     bool kept);
/* Memory is full in spite of the credit. */
void lane_log_full(struct lane_log *log);
/* A line of the board's own log; more than LANE_LOG_BOARD_LINES a second are counted only. */
void lane_log_board(struct lane_log *log, enum mp_level level, const char *text, size_t n,
                    uint64_t now_ms);
#define LANE_LOG_BOARD_LINES 20
void lane_log_control_state(struct lane_log *log, const struct mp_host_control *control,
                            enum mp_cause cause, union mp_value value, uint64_t now_ms);
/* Asked for, or sent to the board; for who looks closely. */
void lane_log_command_way(struct lane_log *log, const struct commands_report *report, bool sent);
/* The end of one. More than LANE_LOG_COMMAND_LINES a second of these and of what the board says of
 * its controls are counted only. */
#define LANE_LOG_COMMAND_LINES 50
void lane_log_command(struct lane_log *log, const struct commands_report *report, uint64_t now_ms);

void lane_log_connected(struct lane_log *log);
/* The same reason again is said at the 8th, 16th, 32nd... time. */
void lane_log_disconnected(struct lane_log *log, const struct phx_disconnect *why);
void lane_log_joined(struct lane_log *log, const char *topic);
void lane_log_refused(struct lane_log *log, const char *topic, struct phx_text response,
                      uint32_t retry_ms);
/* An event or message that is not for this program. */
void lane_log_ignored(struct lane_log *log, struct phx_text event);

/* `failures`: in a row, of this batch. */
void lane_log_upload_failed(struct lane_log *log, const struct phx_push_result *result,
                            uint32_t failures);
void lane_log_push_failed(struct lane_log *log, const char *why, uint32_t failures);
void lane_log_uploaded(struct lane_log *log);

#endif
