/*
 * nh_files.h - the firmware files of all boards that share a folder: each fetched once however many
 * boards want it, checked one at a time on a thread beside the loop, and kept as long as a board
 * needs it.
 *
 *   UUID.part, UUID.etag   what has come of a file
 *   UUID.fw                a whole one; what it is worth is checked before every use
 *   UUID-N.image           the resource of index N, taken out of a checked file to be flashed
 *   and nh_store.h's
 *
 * A board keeps the files of what runs on it, of what ran before and of what is under way, over a
 * restart of the program too; others are thrown away. So are most of boards that have left. Names
 * come from a UUID and from nothing else. Files are 0600, the folder 0700.
 *
 * All calls and callbacks on the loop's thread; no callback comes from within a call.
 */
#ifndef NH_FILES_H
#define NH_FILES_H

#include "fw/fw_file.h"
#include "nh_update.h"

typedef struct uv_loop_s uv_loop_t;

#define NH_FILE_PATH_MAX 4096

struct nh_files_options {
    uv_loop_t *loop;
    const char *folder;  /* made when it is missing */
    const char *ca_file; /* PEM; NULL: the system's */
    const char *proxy;   /* as in nh_download.h */
    struct fw_keys keys; /* with none, signatures are not asked for */
    uint64_t file_max;   /* bytes of a .fw file; 0: 64 MiB */
    uint64_t image_max;  /* bytes of any resource in it; 0: 16 MiB, the most that is flashed */
    uint64_t keep_free;  /* bytes of the file system that stay free for others */
    bool allow_http;     /* firmware over http:// too; without it https:// alone */
    uint32_t retry_ms;   /* between tries of a download, doubling up to a minute; 0: 1000 */
    unsigned tries;      /* of a download without a byte of news; 0: 8 */
    unsigned stall_s;    /* without a byte a second: cut, and tried again; 0: 60 */
};

struct nh_files;

/* Options are copied. NULL with one line in `why` that says what to do. */
struct nh_files *nh_files_open(const struct nh_files_options *options, char *why, size_t cap);
/* Every claim must have been dropped. The memory is freed from the loop, which must run on until
 * the threads have ended: a second at most, or as long as a file takes to be checked. NULL is
 * allowed. */
void nh_files_close(struct nh_files *files);
/* Which boards there are, after nh_files_no_boards, by the names of their claims: of what only
 * others hold, the NH_LATER_MAX files that came last are kept, since they may come back; and all of
 * a board whose update was under way. Where it is never said, whoever has a record is there. */
void nh_files_no_boards(struct nh_files *files);
void nh_files_board(struct nh_files *files, const char *name);
/* An absolute path. */
const char *nh_files_folder(const struct nh_files *files);
/* As nh_store_find, but looks on the disk only for what it was not asked lately. */
bool nh_files_find(struct nh_files *files, const uint8_t *image, size_t length, const char *prefer,
                   struct nh_firmware *firmware);

struct nh_claim_events {
    void *user;
    void (*percent)(void *user, unsigned percent); /* only where the size is known */
    /* `why` NULL: the file is there, not yet checked. */
    void (*fetched)(void *user, const char *why, bool for_good);
    /* `why` NULL: the file is whole, signed where keys are set, and `image` is the absolute path of
     * what is to be flashed. `meta` is what the file says of itself, its uuid included; all valid
     * during the call. `for_good`: trying again cannot help. */
    void (*checked)(void *user, const char *why, bool for_good, const struct nh_firmware *meta,
                    const char *image);
};

/* What one board wants of the files. `name` is the board's, the same one after a restart. NULL: out
 * of memory. */
struct nh_claim;
struct nh_claim *nh_claim_new(struct nh_files *files, const char *name,
                              const struct nh_claim_events *events);
/* Stops what only this board wanted, and keeps what it holds. No event after it. NULL is fine. */
void nh_claim_drop(struct nh_claim *claim);

/* Ends with `fetched`; one under way is replaced. A file that stands already is not asked for
 * again. What another board fetches already is waited for. */
void nh_claim_fetch(struct nh_claim *claim, const struct nh_offer *offer);
void nh_claim_stop(struct nh_claim *claim); /* no `fetched` follows; what came stays */

/* Judges UUID.fw, takes the resource out of it and remembers its build id (nh_store_find); ends
 * with `checked`. `resource` NULL: the only one, or the only one called *.bin, *.hex, *.img or
 * *.elf. A file that is refused is removed, so that it is fetched again. One under way is replaced.
 */
void nh_claim_check(struct nh_claim *claim, const char *uuid, const char *resource);

/* Which firmware this board needs from now on, "" where none; others that nobody holds are removed.
 */
void nh_claim_hold(struct nh_claim *claim, const char *runs, const char *before,
                   const char *coming);

#endif
