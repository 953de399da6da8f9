/*
 * A .fw file from an image: the text of meta.conf, its signature, the ZIP around them in the order
 * that fwup reads (signature, meta.conf, data). Options and messages are main.c's.
 */
#include "pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_BYTES 32

static int fail(char *why, size_t cap, const char *what, const char *reason)
{
    snprintf(why, cap, "%s: %s", what, reason);
    return -1;
}

/* -- meta.conf. */

/* In quotation marks libconfuse reads a backslash, the mark itself and a dollar as more than text.
 */
static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '$')
            fputs("\\x24", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void put_text(FILE *out, const char *key, const char *text)
{
    if (text == NULL)
        return;
    fprintf(out, "%s=", key);
    put_quoted(out, text);
    fputc('\n', out);
}

static void put_resource(FILE *out, const struct pack *pack)
{
    uint8_t hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    crypto_generichash(hash, sizeof(hash), pack->image, pack->image_bytes, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    fputs("file-resource ", out);
    put_quoted(out, pack->resource);
    fprintf(out, " {\nlength=%zu\nblake2b-256=%s\n}\n", pack->image_bytes, hex);
    fputs("task \"upgrade\" {\non-resource ", out);
    put_quoted(out, pack->resource);
    fputs(" {\nfunlist={2,raw_write,0}\n}\n}\n", out);
}

/* Returns the text, which the caller frees, or NULL when out of memory. */
static char *meta_conf(const struct pack *pack, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (out == NULL)
        return NULL;
    put_text(out, "meta-product", pack->product);
    put_text(out, "meta-description", pack->description);
    put_text(out, "meta-version", pack->version);
    put_text(out, "meta-author", pack->author);
    put_text(out, "meta-platform", pack->platform);
    put_text(out, "meta-architecture", pack->architecture);
    put_text(out, "meta-vcs-identifier", pack->vcs_identifier);
    put_text(out, "meta-misc", pack->misc);
    put_text(out, "require-fwup-version", "1.0.0");
    put_resource(out, pack);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* -- The ZIP. */

static int put_member(struct archive *zip, const char *name, time_t date, const void *bytes,
                      size_t n)
{
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL)
        return -1;
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_size(entry, (la_int64_t)n);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, date, 0);
    int failed = archive_write_header(zip, entry) != ARCHIVE_OK ||
                 (n > 0 && archive_write_data(zip, bytes, n) != (la_ssize_t)n);
    archive_entry_free(entry);
    return failed ? -1 : 0;
}

static int put_members(struct archive *zip, const struct pack *pack, const char *conf,
                       size_t length)
{
    char name[300];
    snprintf(name, sizeof(name), "data/%s", pack->resource);
    if (pack->secret != NULL) {
        uint8_t signature[crypto_sign_BYTES];
        crypto_sign_detached(signature, NULL, (const uint8_t *)conf, length, pack->secret);
        archive_write_zip_set_compression_store(zip);
        if (put_member(zip, "meta.conf.ed25519", pack->created, signature, sizeof(signature)) != 0)
            return -1;
    }
    archive_write_zip_set_compression_deflate(zip);
    if (put_member(zip, "meta.conf", pack->created, conf, length) != 0)
        return -1;
    return put_member(zip, name, pack->created, pack->image, pack->image_bytes);
}

static int write_zip(const struct pack *pack, int fd, const char *path, char *why, size_t cap)
{
    size_t length = 0;
    char *conf = meta_conf(pack, &length);
    struct archive *zip = archive_write_new();
    int failed = conf == NULL || zip == NULL || archive_write_set_format_zip(zip) != ARCHIVE_OK ||
                 archive_write_open_fd(zip, fd) != ARCHIVE_OK ||
                 put_members(zip, pack, conf, length) != 0 ||
                 archive_write_close(zip) != ARCHIVE_OK || fsync(fd) != 0;
    if (failed) {
        const char *reason = zip != NULL ? archive_error_string(zip) : NULL;
        fail(why, cap, path, reason != NULL ? reason : "cannot be written");
    }
    archive_write_free(zip);
    free(conf);
    return failed ? -1 : 0;
}

int pack_write(const struct pack *pack, const char *path, char *why, size_t cap)
{
    char part[4096];
    if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
        return fail(why, cap, path, "the name is too long");
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(why, cap, part, strerror(errno));
    int result = write_zip(pack, fd, path, why, cap);
    close(fd);
    if (result == 0 && rename(part, path) != 0)
        result = fail(why, cap, path, strerror(errno));
    if (result != 0)
        unlink(part);
    return result;
}

/* -- Keys. */

#define BASE64(bytes) sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL)

static int decode_secret(const char *text, size_t length, uint8_t *secret)
{
    size_t n = 0;
    const char *end = NULL;
    uint8_t seed[crypto_sign_SEEDBYTES], again[PACK_SECRET_BYTES],
        public[crypto_sign_PUBLICKEYBYTES];
    if (sodium_base642bin(secret, PACK_SECRET_BYTES, text, length, "\r\n", &n, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        n != PACK_SECRET_BYTES || end != text + length)
        return -1;
    memcpy(seed, secret, sizeof(seed));
    crypto_sign_seed_keypair(public, again, seed);
    int same = sodium_memcmp(again, secret, sizeof(again));
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(again, sizeof(again));
    return same;
}

int pack_read_secret(const char *path, uint8_t secret[static PACK_SECRET_BYTES], char *why,
                     size_t cap)
{
    char text[2 * BASE64(PACK_SECRET_BYTES)];
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(why, cap, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    int result = 0;
    if (info.st_mode & 077)
        result = fail(why, cap, path, "others can read this private key: chmod 600 it");
    else if (n < 0 || decode_secret(text, (size_t)n, secret) != 0)
        result =
            fail(why, cap, path, "expected the base64 of a key pair as in the .priv of fwup -g");
    sodium_memzero(text, sizeof(text));
    return result;
}

static int put_key(const char *path, mode_t mode, const uint8_t *key, size_t bytes, char *why,
                   size_t cap)
{
    char text[BASE64(PACK_SECRET_BYTES)];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail(why, cap, path, strerror(errno));
    sodium_bin2base64(text, sizeof(text), key, bytes, sodium_base64_VARIANT_ORIGINAL);
    size_t length = strlen(text);
    int failed = write(fd, text, length) != (ssize_t)length || fsync(fd) != 0;
    sodium_memzero(text, sizeof(text));
    if (close(fd) != 0 || failed)
        return fail(why, cap, path, "cannot be written");
    return 0;
}

int pack_make_keys(const char *name, char *why, size_t cap)
{
    uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[PACK_SECRET_BYTES];
    char path[4096];
    if (snprintf(path, sizeof(path), "%s.priv", name) >= (int)sizeof(path))
        return fail(why, cap, name, "the name is too long");
    crypto_sign_keypair(public, secret);
    int result = put_key(path, 0600, secret, sizeof(secret), why, cap);
    sodium_memzero(secret, sizeof(secret));
    if (result != 0)
        return -1;
    snprintf(path, sizeof(path), "%s.pub", name);
    return put_key(path, 0644, public, sizeof(public), why, cap);
}
