/*
 * watch.h - what can be seen of a running bridge: a picture of every port, MCU and of the process,
 * taken in one turn of the loop, and the texts made of it: Prometheus metrics, the JSON that
 * `mcu-bridge status` shows, and the verdict of /healthz.
 *
 * No I/O and no clock here; who takes the picture fills it in.
 */
#ifndef WATCH_H
#define WATCH_H

#include "commands/commands.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_ERROR_MAX 160 /* bytes of a last error, the NUL included */

/* How far an MCU's way to the server is. X(NAME, text) */
#define WATCH_CHANNEL_STATES(X)             \
    X(OFF, "off")                           \
    X(CONNECTING, "connecting")             \
    X(GREETING, "waiting for its metadata") \
    X(JOINING, "joining")                   \
    X(JOINED, "joined")                     \
    X(STOPPING, "stopping")
/* The same for a serial line. */
#define WATCH_LINK_STATES(X)     \
    X(CLOSED, "not open")        \
    X(ASKING, "open, no answer") \
    X(SERVING, "up")             \
    X(HELD, "open, not served")  \
    X(LENT, "lent to a flasher")

#define WATCH_X(NAME, text) WATCH_CHANNEL_##NAME,
enum watch_channel { WATCH_CHANNEL_STATES(WATCH_X) WATCH_CHANNEL_COUNT };
#undef WATCH_X
#define WATCH_X(NAME, text) WATCH_LINK_##NAME,
enum watch_link { WATCH_LINK_STATES(WATCH_X) WATCH_LINK_COUNT };
#undef WATCH_X
const char *watch_channel_text(enum watch_channel state);
const char *watch_link_text(enum watch_link state);

/* Every figure of a port: X(member, name, type, scale, help). Counters are of the port's life; a
 * link's own counters start anew with each opening of the line and are summed up. `scale` is what
 * one unit of the member is of the unit in the name. A gauge of WATCH_NONE is left out. */
#define WATCH_PORT_FIGURES(X)                                                                      \
    X(frames_in, "link_frames_received_total", COUNTER, 1, "Valid frames from the board.")         \
    X(frames_out, "link_frames_sent_total", COUNTER, 1, "Frames to the board.")                    \
    X(bytes_in, "link_received_bytes_total", COUNTER, 1, "Bytes read from the line.")              \
    X(bytes_out, "link_sent_bytes_total", COUNTER, 1, "Bytes written to the line.")                \
    X(bad_frames, "link_bad_frames_total", COUNTER, 1,                                             \
      "Frames that failed their CRC or were no frames at all.")                                    \
    X(resent, "link_retransmits_total", COUNTER, 1, "Frames sent to the board once more.")         \
    X(duplicates, "link_duplicates_total", COUNTER, 1, "Messages that came again, and went.")      \
    X(foreign, "link_foreign_frames_total", COUNTER, 1, "Valid frames of another session.")        \
    X(sessions, "link_sessions_total", COUNTER, 1, "Sessions begun with a board.")                 \
    X(nonsense, "link_nonsense_total", COUNTER, 1, "Messages that made no sense.")                 \
    X(lost, "link_readings_lost_total", COUNTER, 1,                                                \
      "Best-effort messages that got lost on the line.")                                           \
    X(dropped, "link_readings_dropped_total", COUNTER, 1,                                          \
      "Readings for which the board had no room.")                                                 \
    X(opens, "port_opens_total", COUNTER, 1, "Times that the line was opened.")                    \
    X(hang_ups, "port_hang_ups_total", COUNTER, 1, "Times that it went away.")                     \
    X(flaps, "port_flaps_total", COUNTER, 1,                                                       \
      "Hang-ups after which it was left closed for a while.")                                      \
    X(babbles, "port_babbles_total", COUNTER, 1, "Times that it was not listened to for a while.") \
    X(pauses, "port_pauses_total", COUNTER, 1,                                                     \
      "Times that it was read no further because it had had its share.")                           \
    X(resets, "port_resets_total", COUNTER, 1, "Resets of the board by DTR and RTS.")              \
    X(rtt_us, "link_round_trip_seconds", GAUGE, 1e-6, "Smoothed round trip of the line.")          \
    X(clock_bound_us, "link_clock_error_bound_seconds", GAUGE, 1e-6,                               \
      "The board's clock is known to within this.")

/* Every figure of an MCU, in the same way. */
#define WATCH_LANE_FIGURES(X)                                                                      \
    X(received, "readings_received_total", COUNTER, 1, "Readings taken from the board.")           \
    X(pushed, "readings_pushed_total", COUNTER, 1,                                                 \
      "Readings in uploads sent to the server, repeated ones included.")                           \
    X(replied, "readings_replied_total", COUNTER, 1, "Readings in uploads that the server took.")  \
    X(repeated, "messages_repeated_total", COUNTER, 1,                                             \
      "Messages of the board that came again and were known.")                                     \
    X(missing, "messages_missing_total", COUNTER, 1,                                               \
      "Messages of the board that are gone with it, or that another host took.")                   \
    X(waiting, "readings_waiting", GAUGE, 1, "Readings that wait for the server's reply.")         \
    X(oldest_us, "readings_oldest_unsent_seconds", GAUGE, 1e-6,                                    \
      "Age of the oldest reading without a reply.")                                                \
    X(spooled, "spool_readings", GAUGE, 1, "Readings on disk.")                                    \
    X(spooled_bytes, "spool_bytes", GAUGE, 1, "What they take there.")                             \
    X(uploads_ok, "uploads_replied_total", COUNTER, 1, "Uploads that the server took.")            \
    X(uploads_failed, "uploads_failed_total", COUNTER, 1,                                          \
      "Uploads that were refused, lost, or not replied to in time.")                               \
    X(reply_us, "upload_reply_seconds_total", COUNTER, 1e-6,                                       \
      "Time waited for the replies counted by uploads_replied_total.")                             \
    X(connects, "connects_total", COUNTER, 1, "Connections to the server made.")                   \
    X(disconnects, "disconnects_total", COUNTER, 1, "Connections lost, and attempts that failed.") \
    X(joins, "joins_total", COUNTER, 1, "Times that the channel was joined.")                      \
    X(boards, "boards_total", COUNTER, 1, "Times that the board came.")                            \
    X(failsafe_done, "failsafe_commands_done_total", COUNTER, 1,                                   \
      "Controls put to fail-safe by the bridge because the channel was gone.")                     \
    X(failsafe_failed, "failsafe_commands_failed_total", COUNTER, 1,                               \
      "Tries of that which failed and were told.")

/* The same of those that are devices of NervesHub; WATCH_NONE: it is none. */
#define WATCH_HUB_FIGURES(X)                                                                  \
    X(hub_percent, "nerveshub_update_percent", GAUGE, 1,                                      \
      "How far the download, or the flashing, of an update is.")                              \
    X(hub_updated, "nerveshub_updates_total", COUNTER, 1, "Updates that the board then ran.") \
    X(hub_failed, "nerveshub_updates_failed_total", COUNTER, 1, "Updates that failed.")       \
    X(hub_console_lost, "nerveshub_console_lost_bytes_total", COUNTER, 1,                     \
      "Bytes of the console, both ways, for which there was no room.")                        \
    X(hub_log_lost, "nerveshub_log_lines_dropped_total", COUNTER, 1,                          \
      "Lines of the board's log beyond what the server takes.")

/* Readings that went nowhere: X(member, reason). */
#define WATCH_DROPPED(X)            \
    X(dropped_no_room, "no_room")   \
    X(dropped_kind, "unknown_kind") \
    X(dropped_value, "not_finite")  \
    X(dropped_parked, "parked")     \
    X(dropped_damaged, "damaged")   \
    X(dropped_expired, "expired")

#define WATCH_NONE UINT64_MAX

struct watch_port {
    const char *name, *path;
    enum watch_link state;
    const char *trouble; /* why it is not open; NULL or "": nothing known */
#define X(member, name, type, scale, help) uint64_t member;
    WATCH_PORT_FIGURES(X)
#undef X
};

struct watch_lane {
    const char *name;
    const char *port, *path; /* where its board is, or NULL */
    const char *device;      /* who the board is: NULL as port. These three come from the board: */
    const char *product, *version;
    bool has_server; /* false: it is a device of NervesHub alone */
    enum watch_channel server;
    bool has_hub; /* a device of NervesHub; else what is called hub_ means nothing */
    bool hub_joined;
    const char *hub_stage;              /* of an update: "idle", "fetching"... */
    const char *hub_uuid, *hub_version; /* of the firmware that runs, "": not known */
    const char *hub_coming;             /* the uuid of an update under way, "": none */
    const char *hub_trouble;            /* why it is not joined or an update failed, "": none */
    const char *error;                  /* the last one; NULL or "": none */
    uint64_t error_age_ms;
    uint64_t outcomes[COMMANDS_OUTCOME_COUNT];
#define X(member, name, type, scale, help) uint64_t member;
    WATCH_LANE_FIGURES(X)
    WATCH_HUB_FIGURES(X)
#undef X
#define X(member, reason) uint64_t member;
    WATCH_DROPPED(X)
#undef X
};

/* Turns of the loop that began later than they should: bounds in microseconds. */
#define WATCH_LAG_BOUNDS                           \
    {                                              \
        1000, 5000, 25000, 100000, 500000, 2500000 \
    }
#define WATCH_LAG_COUNT 6
struct watch_lag {
    uint64_t within[WATCH_LAG_COUNT + 1]; /* each turn counted once; the last: beyond */
    uint64_t sum_us;
};
void watch_lag_add(struct watch_lag *lag, uint64_t late_us);

/* The file of readings, of all MCUs. */
#define WATCH_SPOOL_FIGURES(X)                                                                  \
    X(commits, "spool_commits_total", COUNTER, 1, "Transactions.")                              \
    X(errors, "spool_errors_total", COUNTER, 1, "Transactions that failed, to be tried again.") \
    X(faults, "spool_faults_total", COUNTER, 1,                                                 \
      "Of those: by a fault of this program, the file being good.")                             \
    X(faulty, "spool_faulty_mcus", GAUGE, 1, "MCUs whose readings wait for that.")              \
    X(failing, "spool_failing", GAUGE, 1, "Whether the latest transaction failed.")             \
    X(held, "spool_held_readings", GAUGE, 1,                                                    \
      "Readings on disk for controllers that no MCU here stands for.")                          \
    X(parked, "spool_parked_readings", GAUGE, 1,                                                \
      "Readings that the server refused, kept for somebody to look at.")                        \
    X(set_aside, "spool_files_set_aside_total", COUNTER, 1,                                     \
      "Files that were damaged or of a newer version, and renamed.")

struct watch_spool {
#define X(member, name, type, scale, help) uint64_t member;
    WATCH_SPOOL_FIGURES(X)
#undef X
};

struct watch_process {
    const char *version;
    uint64_t uptime_ms;
    double started;        /* Unix time */
    double cpu_s;          /* user and system */
    uint64_t memory_bytes; /* resident; 0: not known */
    uint64_t open_fds, max_fds;
    struct watch_lag lag;
    uint64_t gaps; /* of the loop */
    uint64_t reloads_ok, reloads_failed;
    uint64_t log_lines, log_repeats; /* written; counted instead of written */
    bool stopping;
    bool has_spool;
    struct watch_spool spool;
};

struct watch {
    struct watch_process process;
    const struct watch_port *ports;
    size_t port_count;
    const struct watch_lane *lanes;
    size_t lane_count;
};

/* Text that grows; when memory ends, `failed` and nothing more is added. Freed by
 * watch_text_free. */
struct watch_text {
    char *at;
    size_t n, cap;
    bool failed;
};
void watch_text_free(struct watch_text *text);
void watch_put(struct watch_text *text, const char *string);

/* Prometheus' text format 0.0.4. Labels are names of the configuration, and in
 * mcu_bridge_board_info what a board says of itself: each escaped and at most
 * WATCH_LABEL_MAX bytes. */
void watch_metrics(struct watch_text *text, const struct watch *watch);
#define WATCH_LABEL_MAX 128

/* One JSON object; its members are described in mcu-bridge(1). */
void watch_status(struct watch_text *text, const struct watch *watch);

/* Whether everything that the configuration names is up. Adds a line for each that is not. */
bool watch_health(struct watch_text *text, const struct watch *watch);

#endif
