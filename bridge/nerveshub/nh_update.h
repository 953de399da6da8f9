/*
 * nh_update.h - one device's firmware update, from the server's offer to the new image read back.
 *
 *   IDLE -> FETCHING -> CHECKING -> FLASHING -> AWAITING -> IDLE
 *                                        \         \
 *                                         `---------`-> RESTORING -> IDLE   (the previous firmware)
 *
 * No I/O and no clock. What is decided here: what is said to the server and when, what is tried
 * again, and what is true. The new firmware counts as running only when the board itself has said
 * so; a board that comes back with the old one, or not at all, is a failure with a reason. Nothing
 * is said about an update that the server does not know of: on main that makes a phantom which
 * blocks real ones for half an hour.
 *
 * The record is durable before the step that it announces is taken, so that after a crash at any
 * point the board is not left half written: FLASHING and RESTORING begin again, AWAITING waits
 * again. Fetching begins with what is on disk when the server offers the firmware again.
 */
#ifndef NH_UPDATE_H
#define NH_UPDATE_H

#include "nh_message.h"

#define NH_WHY_MAX    256
#define NH_DEVICE_MAX 16 /* bytes of a board's own identity */

enum nh_stage { NH_IDLE, NH_FETCHING, NH_CHECKING, NH_FLASHING, NH_AWAITING, NH_RESTORING };

/* What survives a restart of the program. {0} is "no update". */
struct nh_record {
    enum nh_stage stage;
    char uuid[NH_UUID_TEXT];            /* of the firmware to come */
    char before[NH_UUID_TEXT];          /* of the one that ran */
    unsigned tries;                     /* of flashing it */
    char device[2 * NH_DEVICE_MAX + 1]; /* which board it is about, in hex; only carried along */
    char running[NH_UUID_TEXT]; /* what the latest update brought: the uuid of its image, where
                                   several files hold the same image */
};

struct nh_update_io {
    void *user;
    /* Makes the record durable. False: it cannot be; the update ends before the board is touched.
     */
    bool (*keep)(void *user, const struct nh_record *record);
    /* To the server, on the joined `device` channel. */
    void (*status)(void *user, enum nh_server server, enum nh_status status, const char *reason);
    void (*progress)(void *user, unsigned percent, enum nh_status stage);
    void (*rebooting)(void *user);
    /* Join again: the board runs another firmware than was said, or the server's view is stale. */
    void (*rejoin)(void *user);
    /* Get the offered file, going on with what is there; ends with nh_update_fetched. Called again
     * with a newer address for the same firmware. */
    void (*fetch)(void *user, const struct nh_offer *offer);
    void (*stop_fetching)(void *user);
    /* Judge the fetched file of that uuid; ends with nh_update_checked. */
    void (*check)(void *user, const char *uuid);
    /* Bring the firmware of that uuid into the board, after it was checked once more; ends with
     * nh_update_flashed, not from within. */
    void (*flash)(void *user, const char *uuid);
    /* A board whose boot loader keeps the running firmware until the new one, checked as a whole,
     * has proved itself: nothing is to be restored by hand. */
    bool keeps_old;
    /* A line for the log. */
    void (*say)(void *user, bool bad, const char *text);
};

struct nh_update {
    struct nh_record record;
    struct nh_firmware running; /* of the board, as it said itself; uuid "": not yet */
    bool auto_reverted;         /* the board went back to its previous firmware by itself */
    /* The rest is the machine's own. */
    struct nh_update_io io;
    enum nh_server server; /* as the latest offer told */
    bool joined;
    bool in_flight; /* the server knows of this update */
    bool kept_row;  /* the join now under way names it */
    bool passed_by; /* an offer was not answered: the next join, without an update, takes it back */
    bool flashing;  /* io.flash is at work */
    bool attempt;   /* the latest try is on disk and has not ended */
    bool touched;   /* the board may hold half an image */
    bool heard;     /* the board has said what it runs since it was flashed, or since the start */
    enum nh_status said_stage;
    unsigned percent, said_percent;
    uint64_t now_ms;
    uint64_t said_ms;     /* of the latest progress */
    uint64_t changed_ms;  /* of the latest word that a server stores */
    uint64_t doubtful_ms; /* of the earliest that it may not have heard; 0: it heard them all */
    uint64_t heard_ms;    /* of the latest that it has */
    uint64_t step_ms;     /* when to flash (again), or how long to wait for the board */
    uint64_t awaited_ms;  /* since when */
    uint64_t waiting_ms;  /* since when the board cannot be flashed; 0: it can */
    bool absent;          /* since it is not there */
    unsigned waits;       /* how often it could not be begun */
    char failed_uuid[NH_UUID_TEXT];
    char failed_why[NH_WHY_MAX];
    unsigned failed_count;
    uint64_t failed_until_ms;
    uint64_t rejoined_ms;
    uint64_t updated, failed; /* updates that ended so, since the start */
};

/* `record` is what was kept last, NULL or {0} at the first start. */
void nh_update_init(struct nh_update *update, const struct nh_update_io *io,
                    const struct nh_record *record, uint64_t now_ms);

/* The uuid to prefer where the board's image is in several files. */
const char *nh_update_prefers(const struct nh_update *update);

/* The board has (newly) said what it runs. While it may hold half an image that is not believed:
 * update.running stays what it was. */
void nh_update_board(struct nh_update *update, const struct nh_firmware *running, uint64_t now_ms);

/* The uuid for the join payload's currently_downloading_uuid, or NULL; ask when the payload is
 * made. */
const char *nh_update_joining(struct nh_update *update, uint64_t now_ms);
void nh_update_joined(struct nh_update *update, uint64_t now_ms);
void nh_update_left(struct nh_update *update);

void nh_update_offer(struct nh_update *update, const struct nh_offer *offer, uint64_t now_ms);

/* Percent of the file, or of the flashing. */
void nh_update_percent(struct nh_update *update, unsigned percent, uint64_t now_ms);

/* `why` NULL: it worked. `for_good`: trying again cannot help. */
void nh_update_fetched(struct nh_update *update, const char *why, bool for_good, uint64_t now_ms);
/* `meta` is what the file says of itself: it must be for this board. */
void nh_update_checked(struct nh_update *update, const char *why, bool for_good,
                       const struct nh_firmware *meta, uint64_t now_ms);

/* How io.flash ended. */
enum nh_flashed {
    NH_FLASHED,         /* the image is in the board; its hello tells whether it runs */
    NH_FLASH_ABSENT,    /* the board is not there; again in a moment, and when it says hello */
    NH_FLASH_NOT_BEGUN, /* the board was not touched: something else is missing; again, ever later
                         */
    NH_FLASH_FAILED,    /* the board may hold half an image */
    NH_FLASH_REFUSED,   /* the board was not touched, and trying again cannot help */
};
void nh_update_flashed(struct nh_update *update, enum nh_flashed how, const char *why,
                       uint64_t now_ms);

/* Drives timers; call it at least once a second while the board is known, in every stage. */
void nh_update_poll(struct nh_update *update, uint64_t now_ms);

/* Whether a firmware is for a board; `why` (NH_WHY_MAX) names what differs. */
bool nh_firmware_fits(const struct nh_firmware *board, const struct nh_firmware *offered,
                      char *why);

#endif
