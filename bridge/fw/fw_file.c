/*
 * A .fw file, read once from front to back: signature, meta.conf, resources. What meta.conf means
 * is fw_meta.c's; where the file came from and where an image goes are the caller's.
 */
#include "fw_file.h"

#include "fw_archive.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_BYTES crypto_sign_BYTES
#define BLOCK_BYTES     (16 * 1024)
#define DATA_FOLDER     "data/"

struct reading {
    const struct fw_archive *lib;
    struct archive *archive;
    struct archive_entry *entry; /* valid until the next header */
    const struct fw_keys *keys;
    const struct fw_sink *sink;
    uint64_t resource_max;
    struct fw_meta *meta;
    bool seen[FW_RESOURCES_MAX];
    bool is_signed;
    uint8_t signature[SIGNATURE_BYTES];
    char *why;
};

int fw_keys_add(struct fw_keys *keys, const char *text, size_t length)
{
    size_t n = 0;
    const char *end = NULL;
    if (keys->count == FW_KEYS_MAX)
        return -1;
    if (sodium_base642bin(keys->key[keys->count], FW_KEY_BYTES, text, length, "\r\n", &n, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        n != FW_KEY_BYTES || end != text + length)
        return -1;
    keys->count++;
    return 0;
}

static enum fw_verdict refuse(struct reading *r, enum fw_verdict verdict, const char *what)
{
    snprintf(r->why, FW_WHY_MAX, "%s", what);
    return verdict;
}

static enum fw_verdict refuse_resource(struct reading *r, const char *name, const char *what)
{
    snprintf(r->why, FW_WHY_MAX, "resource \"%.64s\" %s", name, what);
    return FW_DAMAGED;
}

/* -- The first members. */

/* Goes to the next member; false at the end, and where the file can no longer be read. */
static bool next(struct reading *r)
{
    return r->lib->read_next_header(r->archive, &r->entry) == ARCHIVE_OK;
}

/* libarchive has no name for what is not valid in the locale. */
static const char *name_of(const struct reading *r)
{
    const char *name = r->lib->entry_pathname(r->entry);
    return name != NULL ? name : "?";
}

static bool is_named(const struct reading *r, const char *name)
{
    return strcmp(name_of(r), name) == 0;
}

/* Reads a member of at most `cap` bytes; returns its length, or -1. */
static la_ssize_t read_member(struct reading *r, void *out, size_t cap)
{
    size_t length = 0;
    for (;;) {
        uint8_t beyond;
        void *to = length < cap ? (uint8_t *)out + length : &beyond;
        la_ssize_t n = r->lib->read_data(r->archive, to, length < cap ? cap - length : 1);
        if (n == 0)
            return (la_ssize_t)length;
        if (n < 0 || length == cap)
            return -1;
        length += (size_t)n;
    }
}

static enum fw_verdict read_signature(struct reading *r)
{
    if (!next(r))
        return refuse(r, FW_DAMAGED, "this is no .fw file: it is not a ZIP");
    if (!is_named(r, "meta.conf.ed25519"))
        return FW_GOOD;
    if (read_member(r, r->signature, SIGNATURE_BYTES) != SIGNATURE_BYTES)
        return refuse(r, FW_DAMAGED, "meta.conf.ed25519 is not a signature of 64 bytes");
    r->is_signed = true;
    return next(r) ? FW_GOOD : refuse(r, FW_DAMAGED, "the file ends after its signature");
}

static enum fw_verdict check_signature(struct reading *r, const uint8_t *conf, size_t length)
{
    if (r->keys == NULL || r->keys->count == 0)
        return FW_GOOD;
    if (!r->is_signed)
        return refuse(r, FW_UNSIGNED, "nobody signed this file, and public keys are set");
    for (size_t i = 0; i < r->keys->count; i++)
        if (crypto_sign_verify_detached(r->signature, conf, length, r->keys->key[i]) == 0)
            return FW_GOOD;
    return refuse(r, FW_FOREIGN, "the signature of meta.conf fits none of the public keys");
}

static enum fw_verdict read_conf(struct reading *r)
{
    if (!is_named(r, "meta.conf"))
        return refuse(r, FW_DAMAGED, "meta.conf has to be at the beginning of the file");
    char *conf = malloc(FW_META_CONF_MAX);
    if (conf == NULL)
        return refuse(r, FW_UNREADABLE, "out of memory");
    la_ssize_t length = read_member(r, conf, FW_META_CONF_MAX);
    enum fw_verdict verdict =
        length < 0 ? refuse(r, FW_DAMAGED, "meta.conf cannot be read, or is longer than 256 KiB")
                   : check_signature(r, (const uint8_t *)conf, (size_t)length);
    if (verdict == FW_GOOD && fw_meta_parse(conf, (size_t)length, r->meta, r->why) != 0)
        verdict = FW_DAMAGED;
    free(conf);
    return verdict;
}

/* -- Resources. */

static enum fw_verdict read_data(struct reading *r, const struct fw_resource *resource)
{
    const struct fw_sink *sink =
        r->sink != NULL && strcmp(r->sink->name, resource->name) == 0 ? r->sink : NULL;
    crypto_generichash_state state;
    uint8_t block[BLOCK_BYTES], hash[FW_HASH_BYTES];
    uint64_t length = 0;
    la_ssize_t n;
    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    while ((n = r->lib->read_data(r->archive, block, sizeof(block))) > 0) {
        length += (uint64_t)n;
        if (length > resource->length)
            return refuse_resource(r, resource->name, "is longer than meta.conf says");
        crypto_generichash_update(&state, block, (size_t)n);
        if (sink != NULL && sink->take(sink->user, block, (size_t)n) != 0)
            return refuse(r, FW_UNREADABLE, "the image could not be stored");
    }
    if (n < 0 || length < resource->length)
        return refuse_resource(r, resource->name, "is damaged or cut short");
    crypto_generichash_final(&state, hash, sizeof(hash));
    if (memcmp(hash, resource->blake2b, sizeof(hash)) != 0)
        return refuse_resource(r, resource->name,
                               "is not the data that meta.conf names by its hash");
    return FW_GOOD;
}

static enum fw_verdict read_resource(struct reading *r)
{
    const char *name = name_of(r);
    const size_t folder = strlen(DATA_FOLDER);
    const struct fw_resource *resource =
        strncmp(name, DATA_FOLDER, folder) == 0 ? fw_meta_resource(r->meta, name + folder) : NULL;
    if (resource == NULL)
        return refuse_resource(r, name, "is not named in meta.conf");
    size_t index = (size_t)(resource - r->meta->resources);
    if (r->seen[index])
        return refuse_resource(r, resource->name, "is there twice");
    if (r->resource_max > 0 && resource->length > r->resource_max) {
        snprintf(r->why, FW_WHY_MAX, "resource \"%.64s\" has %llu bytes, and %llu are allowed",
                 resource->name, (unsigned long long)resource->length,
                 (unsigned long long)r->resource_max);
        return FW_TOO_LARGE;
    }
    r->seen[index] = true;
    return read_data(r, resource);
}

/* `data/` alone is what zip(1) makes of a folder; fwup skips it too. */
static enum fw_verdict read_resources(struct reading *r)
{
    enum fw_verdict verdict = FW_GOOD;
    while (verdict == FW_GOOD && next(r))
        if (!is_named(r, DATA_FOLDER))
            verdict = read_resource(r);
    for (size_t i = 0; verdict == FW_GOOD && i < r->meta->resource_count; i++)
        if (!r->seen[i])
            verdict = refuse_resource(r, r->meta->resources[i].name, "is missing in the file");
    return verdict;
}

static enum fw_verdict read_all(struct reading *r)
{
    enum fw_verdict verdict = read_signature(r);
    if (verdict == FW_GOOD)
        verdict = read_conf(r);
    return verdict == FW_GOOD ? read_resources(r) : verdict;
}

/* -- Opening. */

/* The streaming reader goes by the local headers, as fwup does: what the central directory at the
 * end says is never looked at, so no file reads differently here and there. */
static enum fw_verdict check(struct reading *r, const char *path, const uint8_t *file,
                             size_t length)
{
    const char *why;
    r->lib = fw_archive(&why);
    if (r->lib == NULL)
        return refuse(r, FW_UNREADABLE, why);
    r->archive = r->lib->read_new();
    if (r->archive == NULL || sodium_init() < 0)
        return refuse(r, FW_UNREADABLE, "out of memory");
    r->lib->read_support_format_zip_streamable(r->archive);
    int opened = path != NULL ? r->lib->read_open_filename(r->archive, path, BLOCK_BYTES)
                              : r->lib->read_open_memory(r->archive, file, length);
    if (opened != ARCHIVE_OK) {
        const char *text = r->lib->error_string(r->archive);
        return refuse(r, FW_UNREADABLE, text != NULL ? text : "it cannot be opened");
    }
    return read_all(r);
}

static enum fw_verdict check_and_close(struct reading *r, const char *path, const uint8_t *file,
                                       size_t length)
{
    r->why[0] = '\0';
    enum fw_verdict verdict = check(r, path, file, length);
    if (r->lib != NULL)
        r->lib->read_free(r->archive);
    return verdict;
}

enum fw_verdict fw_check(const char *path, const struct fw_keys *keys, uint64_t resource_max,
                         const struct fw_sink *sink, struct fw_meta *meta, char *why)
{
    struct reading r = {
        .keys = keys, .resource_max = resource_max, .sink = sink, .meta = meta, .why = why};
    return check_and_close(&r, path, NULL, 0);
}

enum fw_verdict fw_check_memory(const uint8_t *file, size_t length, const struct fw_keys *keys,
                                uint64_t resource_max, const struct fw_sink *sink,
                                struct fw_meta *meta, char *why)
{
    struct reading r = {
        .keys = keys, .resource_max = resource_max, .sink = sink, .meta = meta, .why = why};
    return check_and_close(&r, NULL, file, length);
}
