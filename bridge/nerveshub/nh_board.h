/*
 * nh_board.h - one board as a NervesHub device: its identity at the server, its updates, its
 * console, its log and health. All that touches the board goes through struct nh_board_io, so that
 * a board may be a serial line, or a test.
 *
 *   the board's hello -> which firmware is that? -> the server: join, offers -> the file: fetched,
 *   checked, its image taken out -> flashed -> the board's next hello: the truth
 *
 * The image id of a hello is looked up among the files that were checked here; one never seen gets
 * a uuid of its own, so that a board flashed by cable joins. What an update is doing is on disk
 * before it is done: after `kill -9` at any point a board that was being written is written again,
 * even if it cannot say hello. The server hears of success only by the board's own hello.
 *
 * A board that has gone stays at the server for NH_BOARD_LINGER_MS, or until its update has ended;
 * then its socket is closed, since a board that is not there is not online.
 *
 * One loop, one thread. Callbacks come from within calls of this header as well as from the loop; a
 * callback may call anything here but nh_board_free. Times are of io.now_ms.
 */
#ifndef NH_BOARD_H
#define NH_BOARD_H

#include "nh_files.h"

struct phx_context;
struct nh_board;

#define NH_BOARD_LINGER_MS 30000
#define NH_BOARD_BUFFER    (256u * 1024) /* bytes of the console, each way, that wait at most */

/* What boards have in common; must outlive them. */
struct nh_board_shared {
    struct phx_context *context;
    struct nh_files *files;
};

/* Copied. */
struct nh_board_options {
    const char *url;        /* wss://HOST/device-socket/websocket, or /socket/ with a certificate */
    const char *identifier; /* at the server; the certificate's common name where there is one */
    const char *key, *secret;         /* of the shared secret; NULL with a certificate */
    const char *cert_file, *key_file; /* PEM; both or none */
    const char *ca_file;              /* NULL: the system's */
    const char *proxy;                /* as in phx.h */
    const char *resource;             /* to be flashed; NULL: see nh_claim_check */
    uint32_t backoff_min_ms, backoff_max_ms, rejoin_min_ms; /* 0: libphx's own */
};

/* Any may be NULL but flash, now_ms, unix_us and wake. */
struct nh_board_io {
    void *user;
    /* Keys typed at the server, to the board's console. Returns how many were taken; the rest is
     * offered again at every tick, up to NH_BOARD_BUFFER; what comes beyond is dropped, and said.
     */
    size_t (*type)(void *user, const char *bytes, size_t n);
    void (*reboot)(void *user);
    void (*identify)(void *user);
    /* What the console's viewer sees, 1 to 1000 of each; said when it changes, not for each board.
     */
    void (*window)(void *user, unsigned rows, unsigned columns);
    /* Brings the image at this absolute path into the board. True: begun, nh_board_flashed follows,
     * not from within. False, with a reason: the board was not touched, its line is not there;
     * asked again every five seconds. The file stays as it is until nh_board_flashed. */
    bool (*flash)(void *user, const char *image, char *why, size_t cap);
    /* Ends the flashing under way, if any; nh_board_flashed follows. */
    void (*stop_flash)(void *user);
    char *(*health)(void *user); /* JSON object, freed here; NULL: none now */
    /* The board's boot loader keeps the old firmware until the new one has proved itself: nothing
     * is brought back by flashing it. */
    bool keeps_old;
    void (*say)(void *user, bool bad, const char *text); /* for the log; holds no secret */
    uint64_t (*now_ms)(void *user);                      /* only grows */
    int64_t (*unix_us)(void *user);
    /* As in nh_device.h: the secret, read afresh for every attempt to connect; in place of
     * options.secret. */
    bool (*secret)(void *user, char out[NH_SECRET_MAX]);
    void (*wake)(void *user); /* wants nh_board_tick soon */
};

/* What a board says of itself. Texts may be NULL or "": unknown, and then it is not joined with. */
struct nh_board_hello {
    const uint8_t *device; /* its identity; 0 bytes: it has none */
    size_t device_length;
    const uint8_t *image; /* its build id, 4 to NH_IMAGE_ID_MAX bytes */
    size_t image_length;
    const char *product, *version, *architecture, *platform;
    bool auto_reverted; /* its boot loader took a new firmware back */
};

/* Goes on with the update that the record tells of. NULL: out of memory, or an option makes no
 * sense, which io.say has said. */
struct nh_board *nh_board_new(const struct nh_board_shared *shared,
                              const struct nh_board_options *options, const struct nh_board_io *io);
/* At once, without callbacks; what is being flashed is the caller's to end. NULL is fine. */
void nh_board_free(struct nh_board *board);

/* The board has said hello (again). */
void nh_board_here(struct nh_board *board, const struct nh_board_hello *hello);
/* Its session ended: reset, pulled, lent to a flasher. */
void nh_board_gone(struct nh_board *board);

/* Output of the board's console. What finds no room (the server is slow) is dropped, counted, and
 * said. Dropped without a word where nobody looks: no console is joined. */
void nh_board_console(struct nh_board *board, const uint8_t *bytes, size_t n);
/* A line of its log; `level` is one of error, warning, info, debug. Beyond the server's limit it is
 * dropped and counted. */
void nh_board_log(struct nh_board *board, const char *level, const char *text);

void nh_board_flash_percent(struct nh_board *board, unsigned percent);
/* `why` NULL: the image is in the board's store or flash; its hello tells whether it runs.
 * `for_good`: the board was not touched, and trying again cannot help (too large, no such program);
 * else it may hold half an image, and is written again. */
void nh_board_flashed(struct nh_board *board, const char *why, bool for_good);
/* It ended before the board was touched: its line or the flasher was not there. Asked again, after
 * a wait that doubles to a minute; no try is used up. */
void nh_board_not_flashed(struct nh_board *board, const char *why);

/* Does what is due; returns when it wants to be called again at the latest. */
uint64_t nh_board_tick(struct nh_board *board, uint64_t now_ms);

/* Nothing new is begun, and what is being flashed is ended. Then, with ticks going on, it is
 * stopped once nobody writes to the board any more. */
void nh_board_stop(struct nh_board *board);
bool nh_board_is_stopped(const struct nh_board *board);

/* For status and metrics. */
struct nh_board_picture {
    bool joined;
    enum nh_stage stage;
    unsigned percent;                  /* of the download, or of the flashing */
    const struct nh_firmware *running; /* uuid "": not known; valid until the next call */
    char coming[NH_UUID_TEXT];         /* "": no update */
    char trouble[NH_WHY_MAX]; /* why it is not joined or flashed, or the latest update failed; "":
                                 none */
    uint64_t updated, failed; /* updates since the start */
    uint64_t console_lost;    /* bytes, both ways */
    uint64_t log_lost;        /* lines beyond the server's limit */
};
void nh_board_watch(const struct nh_board *board, struct nh_board_picture *out);

/* "idle", "fetching", "checking", "flashing", "awaiting", "restoring". */
const char *nh_stage_text(enum nh_stage stage);

#endif
