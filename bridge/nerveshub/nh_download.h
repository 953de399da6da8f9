/*
 * nh_download.h - fetches a firmware file over HTTP(S) on a thread of its own, and goes on where an
 * earlier attempt ended: after a cut connection, and after a restart of the program.
 *
 * FOLDER/UUID.part grows, FOLDER/UUID.fw stands when it is whole. Checked while it comes: the size,
 * the SHA-256 of each MiB and of the whole, where the server gave them; a part that is wrong is
 * fetched again. What the file says of itself is fw_file.h's to judge.
 *
 * A request carries nothing of the device: no key, no certificate, no cookie; the address alone is
 * the permission, and is never logged. Redirects are followed three times, from https to https
 * only. Names of files come from the UUID and from nothing else.
 *
 * All calls and callbacks on the loop's thread.
 */
#ifndef NH_DOWNLOAD_H
#define NH_DOWNLOAD_H

#include "nh_message.h"

typedef struct uv_loop_s uv_loop_t;

struct nh_download_options {
    const char *folder;  /* must exist; belongs to this program alone */
    const char *ca_file; /* PEM; NULL: the system's */
    /* http://[USER:PASSWORD@]HOST[:PORT], for every address; "": none; NULL: by the environment. */
    const char *proxy;
    uint64_t file_max;      /* bytes of one file */
    uint64_t keep_free;     /* bytes of the file system that stay free for others */
    bool allow_http;        /* plain http:// too; without it https:// alone */
    unsigned tries;         /* of one file, whatever is wrong with the line or the server */
    unsigned retry_ms;      /* doubling with each try up to a minute */
    unsigned stall_seconds; /* without a byte per second on average: cut and tried again */
};

struct nh_download_events {
    void *user;
    void (*percent)(void *user, unsigned percent); /* only where the size is known */
    /* `why` NULL: the file stands. Not after nh_download_stop. */
    void (*done)(void *user, const char *why, bool for_good);
};

struct nh_download;

/* Options and events are copied. NULL: out of memory. */
struct nh_download *nh_download_new(uv_loop_t *loop, const struct nh_download_options *options,
                                    const struct nh_download_events *events);
/* Begins; one under way is stopped first. `offer` is copied. Nothing here waits for a thread. */
void nh_download_start(struct nh_download *download, const struct nh_offer *offer);
/* Stops; what came stays for the next time. Harmless when nothing is under way. */
void nh_download_stop(struct nh_download *download);
/* Whether a thread still works on a file, stopped or not. */
bool nh_download_is_busy(const struct nh_download *download);
/* Stops and frees: from the loop, which must run on until the thread has ended, about a second.
 * NULL is allowed. */
void nh_download_free(struct nh_download *download);

/* FOLDER/UUID.fw or .part into `out`. False: `uuid` is none, or it does not fit. */
bool nh_firmware_path(const char *folder, const char *uuid, const char *ending, char *out,
                      size_t cap);

#endif
