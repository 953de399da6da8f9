/*
 * fw_file.h - .fw files, judged as `fwup --verify` 1.16.0 judges them.
 *
 * A .fw file is a ZIP read from front to back: meta.conf.ed25519 (a signature of 64 bytes, where
 * the file is signed), meta.conf, then every resource as data/NAME, each once, of the length and
 * the BLAKE2b-256 that meta.conf gives. The signature covers meta.conf, and so all of it. Stricter
 * than fwup in three things: a resource with holes or an xdelta3 patch is refused (a
 * microcontroller has no old image to patch), names are text of bounded length, and sizes have
 * limits.
 *
 * Nothing of the file's names is used as a path. Memory is bounded whatever the file says. Blocks
 * for as long as the file takes to read: call it off the event loop. Not for two threads at once
 * (see fw_meta_parse).
 */
#ifndef FW_FILE_H
#define FW_FILE_H

#include "fw_meta.h"

#include <stdbool.h>

#define FW_KEY_BYTES 32
#define FW_KEYS_MAX  16

/* Ed25519 public keys, any of which may have signed. With none, signatures are not asked for. */
struct fw_keys {
    size_t count;
    uint8_t key[FW_KEYS_MAX][FW_KEY_BYTES];
};

/* Adds the key in the text that `fwup -g` writes: base64 of 32 bytes. Returns 0, or -1: no such
 * text, or FW_KEYS_MAX are there already. */
int fw_keys_add(struct fw_keys *keys, const char *text, size_t length);

enum fw_verdict {
    FW_GOOD,
    FW_UNREADABLE, /* the file cannot be opened or read; try again later */
    FW_DAMAGED,    /* no .fw file, cut short, or its data is not what meta.conf says */
    FW_UNSIGNED,   /* keys are set and nobody signed it */
    FW_FOREIGN,    /* signed, by none of the keys */
    FW_TOO_LARGE,  /* a resource is longer than `resource_max` */
};

/* One resource, handed out while it is read. It is only known to be whole when fw_check returns
 * FW_GOOD: throw away what came otherwise. */
struct fw_sink {
    const char *name; /* of the resource */
    void *user;
    /* Returns 0, or -1 to stop reading (FW_UNREADABLE). */
    int (*take)(void *user, const uint8_t *bytes, size_t n);
};

/* Reads the whole file at `path`. `resource_max`: bytes that a resource may have; 0: no limit.
 * `sink` may be NULL. Fills *meta on FW_GOOD; otherwise `why` (FW_WHY_MAX bytes) says what is
 * wrong. */
enum fw_verdict fw_check(const char *path, const struct fw_keys *keys, uint64_t resource_max,
                         const struct fw_sink *sink, struct fw_meta *meta, char *why);

/* The same for a file in memory; for tests. */
enum fw_verdict fw_check_memory(const uint8_t *file, size_t length, const struct fw_keys *keys,
                                uint64_t resource_max, const struct fw_sink *sink,
                                struct fw_meta *meta, char *why);

#endif
