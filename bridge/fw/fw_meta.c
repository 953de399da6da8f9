/*
 * meta.conf, from libconfuse text to struct fw_meta. Whether the text is signed, and whether the
 * data beside it is what it says, is fw_file.c's.
 */
#include "fw_meta.h"

#include "base/utf8.h"

#include <confuse.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version-5 namespace of fwup, as the 16 bytes and not as text. */
static const uint8_t NAMESPACE[16] = {0x20, 0x53, 0xdf, 0xfb, 0xd5, 0x1e, 0x43, 0x10,
                                      0xb9, 0x3b, 0x95, 0x6d, 0xa8, 0x9f, 0x9f, 0x34};

/* The UUID that fwup gives a firmware: the first 16 bytes of BLAKE2b-256 over fwup's namespace and
 * the text of meta.conf, version nibble 5, variant bits as they fall. */
static void put_uuid(const char *conf, size_t length, char uuid[static FW_UUID_TEXT])
{
    uint8_t hash[FW_HASH_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    crypto_generichash_update(&state, NAMESPACE, sizeof(NAMESPACE));
    crypto_generichash_update(&state, (const uint8_t *)conf, length);
    crypto_generichash_final(&state, hash, sizeof(hash));
    hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x50);
    char *out = uuid;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        snprintf(out, 3, "%02x", hash[i]);
        out += 2;
    }
}

/* -- Text. */

static bool is_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = utf8_sequence((const unsigned char *)text + i, length - i);
        if (n == 0 || c < 0x20 || c == 0x7f)
            return false;
        i += n;
    }
    return true;
}

static int copy_text(const char *what, const char *text, char *out, size_t cap, char *why)
{
    out[0] = '\0';
    if (text == NULL)
        return 0;
    size_t length = strlen(text);
    if (length >= cap || !is_text(text, length)) {
        snprintf(why, FW_WHY_MAX, "meta.conf: %s is %s", what,
                 length >= cap ? "too long" : "not UTF-8 text of one line");
        return -1;
    }
    memcpy(out, text, length + 1);
    return 0;
}

static int copy_hash(const char *name, const char *text, uint8_t *hash, char *why)
{
    size_t length = 0;
    const char *end = NULL;
    if (text != NULL && strlen(text) == 2 * FW_HASH_BYTES &&
        sodium_hex2bin(hash, FW_HASH_BYTES, text, strlen(text), NULL, &length, &end) == 0 &&
        length == FW_HASH_BYTES && *end == '\0')
        return 0;
    snprintf(why, FW_WHY_MAX, "meta.conf: resource \"%.64s\" has no blake2b-256 of 64 hex digits",
             name);
    return -1;
}

/* -- Reading. */

static const struct {
    const char *key;
    size_t offset;
} TEXTS[] = {
    {"meta-product", offsetof(struct fw_meta, product)},
    {"meta-version", offsetof(struct fw_meta, version)},
    {"meta-platform", offsetof(struct fw_meta, platform)},
    {"meta-architecture", offsetof(struct fw_meta, architecture)},
    {"meta-author", offsetof(struct fw_meta, author)},
    {"meta-description", offsetof(struct fw_meta, description)},
    {"meta-vcs-identifier", offsetof(struct fw_meta, vcs_identifier)},
    {"meta-misc", offsetof(struct fw_meta, misc)},
};
enum { TEXT_COUNT = sizeof(TEXTS) / sizeof(TEXTS[0]) };

static int copy_texts(cfg_t *conf, struct fw_meta *meta, char *why)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        char *out = (char *)meta + TEXTS[i].offset;
        if (copy_text(TEXTS[i].key, cfg_getstr(conf, TEXTS[i].key), out, FW_TEXT_MAX, why) != 0)
            return -1;
    }
    return 0;
}

/* One length is the size; more are the runs of a file with holes, which no microcontroller has. */
static int copy_length(cfg_t *section, struct fw_resource *out, char *why)
{
    unsigned runs = cfg_size(section, "length");
    long length = runs == 0 ? 0 : cfg_getnint(section, "length", 0);
    if (runs > 1 || length < 0) {
        snprintf(why, FW_WHY_MAX,
                 "meta.conf: resource \"%.64s\" is a file with holes: pack it without skip-holes",
                 out->name);
        return -1;
    }
    out->length = (uint64_t)length;
    return 0;
}

static int copy_resource(cfg_t *section, struct fw_meta *meta, char *why)
{
    if (meta->resource_count == FW_RESOURCES_MAX) {
        snprintf(why, FW_WHY_MAX, "meta.conf: more than %d resources", FW_RESOURCES_MAX);
        return -1;
    }
    struct fw_resource *out = &meta->resources[meta->resource_count];
    if (copy_text("a resource's name", cfg_title(section), out->name, FW_NAME_MAX, why) != 0 ||
        copy_length(section, out, why) != 0 ||
        copy_hash(out->name, cfg_getstr(section, "blake2b-256"), out->blake2b, why) != 0)
        return -1;
    if (fw_meta_resource(meta, out->name) != NULL) {
        snprintf(why, FW_WHY_MAX, "meta.conf: resource \"%.64s\" stands there twice", out->name);
        return -1;
    }
    meta->resource_count++;
    return 0;
}

static int copy_resources(cfg_t *conf, struct fw_meta *meta, char *why)
{
    meta->resource_count = 0;
    for (unsigned i = 0; i < cfg_size(conf, "file-resource"); i++)
        if (copy_resource(cfg_getnsec(conf, "file-resource", i), meta, why) != 0)
            return -1;
    return 0;
}

/* libconfuse would put in the environment for ${NAME}, and the version of a firmware must not be
 * the way by which a secret of this process reaches a server: in quotation marks \x24 is the same
 * dollar, outside of them it is an error. Returns text that the caller frees, or NULL. */
static char *without_environment(const char *conf, size_t length)
{
    char *text = malloc(length * 4 + 1);
    char *out = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (conf[i] == '$') {
            memcpy(out, "\\x24", 4);
            out += 4;
        } else {
            *out++ = conf[i];
        }
    }
    *out = '\0';
    return text;
}

/* libconfuse writes its complaints to stderr unless told otherwise; the caller has a better one. */
static void quiet(cfg_t *conf, const char *format, va_list rest)
{
    (void)conf;
    (void)format;
    (void)rest;
}

static int parse(cfg_t *conf, const char *text, struct fw_meta *meta, char *why)
{
    if (cfg_parse_buf(conf, text) != CFG_SUCCESS) {
        snprintf(why, FW_WHY_MAX, "meta.conf: line %d is not what fwup writes", conf->line);
        return -1;
    }
    return copy_texts(conf, meta, why) != 0 ? -1 : copy_resources(conf, meta, why);
}

static int parse_text(const char *text, struct fw_meta *meta, char *why)
{
    cfg_opt_t resource[] = {
        CFG_INT_LIST("length", 0, CFGF_NONE),
        CFG_STR("blake2b-256", 0, CFGF_NONE),
        CFG_STR("__unknown", 0, CFGF_NONE),
        CFG_END(),
    };
    cfg_opt_t top[] = {
        CFG_STR("meta-product", 0, CFGF_NONE),
        CFG_STR("meta-version", 0, CFGF_NONE),
        CFG_STR("meta-platform", 0, CFGF_NONE),
        CFG_STR("meta-architecture", 0, CFGF_NONE),
        CFG_STR("meta-author", 0, CFGF_NONE),
        CFG_STR("meta-description", 0, CFGF_NONE),
        CFG_STR("meta-vcs-identifier", 0, CFGF_NONE),
        CFG_STR("meta-misc", 0, CFGF_NONE),
        CFG_SEC("file-resource", resource, CFGF_MULTI | CFGF_TITLE),
        CFG_STR("__unknown", 0, CFGF_NONE),
        CFG_END(),
    };
    cfg_t *conf = cfg_init(top, CFGF_IGNORE_UNKNOWN);
    if (conf == NULL) {
        snprintf(why, FW_WHY_MAX, "out of memory");
        return -1;
    }
    cfg_set_error_function(conf, quiet);
    int result = parse(conf, text, meta, why);
    cfg_free(conf);
    return result;
}

int fw_meta_parse(const char *conf, size_t length, struct fw_meta *meta, char *why)
{
    memset(meta, 0, sizeof(*meta));
    if (length > FW_META_CONF_MAX || memchr(conf, '\0', length) != NULL) {
        snprintf(why, FW_WHY_MAX, "meta.conf is %s",
                 length > FW_META_CONF_MAX ? "longer than 256 KiB" : "not text");
        return -1;
    }
    put_uuid(conf, length, meta->uuid);
    char *text = without_environment(conf, length);
    if (text == NULL) {
        snprintf(why, FW_WHY_MAX, "out of memory");
        return -1;
    }
    int result = parse_text(text, meta, why);
    free(text);
    return result;
}

const struct fw_resource *fw_meta_resource(const struct fw_meta *meta, const char *name)
{
    for (size_t i = 0; i < meta->resource_count; i++)
        if (strcmp(meta->resources[i].name, name) == 0)
            return &meta->resources[i];
    return NULL;
}
