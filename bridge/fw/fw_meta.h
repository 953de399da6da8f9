/*
 * fw_meta.h - what the meta.conf of a .fw file says: the firmware's names and its resources.
 *
 * meta.conf is libconfuse text written by fwup (1.16.0 here); its own file, fw_meta.c, is the only
 * one that knows libconfuse. Everything is copied into fixed memory: a file with longer names or
 * more resources than fit is refused by name.
 */
#ifndef FW_META_H
#define FW_META_H

#include <stddef.h>
#include <stdint.h>

#define FW_META_CONF_MAX (256 * 1024) /* bytes of a meta.conf; fwup's own are about 1 KiB */
#define FW_TEXT_MAX      256          /* of a name or description, with its NUL */
#define FW_NAME_MAX      128          /* of a resource, with its NUL */
#define FW_RESOURCES_MAX 32
#define FW_UUID_TEXT     37 /* lower case with hyphens, and a NUL */
#define FW_HASH_BYTES    32 /* BLAKE2b-256 */
#define FW_WHY_MAX       256

struct fw_resource {
    char name[FW_NAME_MAX]; /* as in file-resource "..."; may hold slashes, never used as a path */
    uint64_t length;        /* bytes */
    uint8_t blake2b[FW_HASH_BYTES];
};

/* A text that the file does not give is "". All text is valid UTF-8 without control characters. */
struct fw_meta {
    char uuid[FW_UUID_TEXT];
    char product[FW_TEXT_MAX];
    char version[FW_TEXT_MAX];
    char platform[FW_TEXT_MAX];
    char architecture[FW_TEXT_MAX];
    char author[FW_TEXT_MAX];
    char description[FW_TEXT_MAX];
    char vcs_identifier[FW_TEXT_MAX];
    char misc[FW_TEXT_MAX];
    size_t resource_count;
    struct fw_resource resources[FW_RESOURCES_MAX];
};

/* Reads a meta.conf; text that follows a NUL is refused. Returns 0, or -1 with `why` (FW_WHY_MAX
 * bytes) saying what is wrong for people. Environment variables are never put in. Not for two
 * threads at once: libconfuse's scanner is global. */
int fw_meta_parse(const char *conf, size_t length, struct fw_meta *meta, char *why);

/* The resource of that name, or NULL. */
const struct fw_resource *fw_meta_resource(const struct fw_meta *meta, const char *name);

#endif
