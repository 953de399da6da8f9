/*
 * Firmware files: read and checked when they are given to the server, served with Range as recorded
 * (a range past the end is 500, the whole file by Range is 200), and the faults a downloader must
 * live through. What a .fw file is, bridge/fw knows.
 */
#include "nerves_http.h"

#include "fw/fw_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIRMWARE = 32 * 1024 * 1024, SHA256_BYTES = 32 };

/* -- loading */

static bool read_file(const char *path, struct buf *out, char *error, size_t error_size)
{
    char chunk[65536];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && out->len <= MAX_FIRMWARE) {
        buf_add(out, chunk, n);
    }
    bool ok = ferror(file) == 0 && out->len <= MAX_FIRMWARE;
    fclose(file);
    if (!ok) {
        snprintf(error, error_size, "%s: cannot be read, or has more than %d bytes", path,
                 MAX_FIRMWARE);
    }
    return ok;
}

static void write_sha256(const char *bytes, size_t n, char out[65])
{
    unsigned char digest[SHA256_BYTES] = {0};
    EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02X", digest[i]);
    }
}

static void write_parts(const struct buf *bytes, struct buf *out)
{
    char text[65];
    buf_str(out, "[");
    for (size_t at = 0; at < bytes->len; at += NERVES_PART_BYTES) {
        size_t left = bytes->len - at;
        write_sha256(bytes->data + at, left < NERVES_PART_BYTES ? left : NERVES_PART_BYTES, text);
        buf_printf(out, "%s\"%s\"", at > 0 ? "," : "", text);
    }
    buf_str(out, "]");
}

static void write_member(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    if (value[0] == '\0') {
        buf_str(out, "null");
    } else {
        json_write_string(out, slice_of(value));
    }
}

static void write_meta(const struct fw_meta *meta, struct buf *out)
{
    buf_str(out, "{");
    write_member(out, "architecture", meta->architecture);
    write_member(out, "author", meta->author);
    write_member(out, "description", meta->description);
    write_member(out, "misc", meta->misc);
    write_member(out, "platform", meta->platform);
    write_member(out, "product", meta->product);
    write_member(out, "uuid", meta->uuid);
    write_member(out, "vcs_identifier", meta->vcs_identifier);
    write_member(out, "version", meta->version);
    buf_str(out, "}");
}

static char *copy_text(const char *text)
{
    return copy_bytes(text, strlen(text));
}

static struct nerves_firmware *make_firmware(const char *path, const struct fw_meta *meta,
                                             struct buf *bytes)
{
    struct nerves_firmware *fw = must_calloc(1, sizeof *fw);
    fw->path = copy_text(path);
    fw->uuid = copy_text(meta->uuid);
    fw->platform = copy_text(meta->platform);
    fw->architecture = copy_text(meta->architecture);
    fw->bytes = *bytes;
    *bytes = (struct buf){0};
    write_meta(meta, &fw->meta);
    write_sha256(buf_all(&fw->bytes).data, fw->bytes.len, fw->checksum);
    write_parts(&fw->bytes, &fw->parts);
    snprintf(fw->etag, sizeof fw->etag, "\"%.7s\"", fw->checksum);
    return fw;
}

/* The server refuses what the organisation has not signed. */
static bool check(const struct nerves *n, const struct buf *bytes, struct fw_meta *meta, char *why)
{
    struct fw_keys keys = {0};
    if (n->firmware_key != NULL) {
        fw_keys_add(&keys, n->firmware_key, strlen(n->firmware_key));
    }
    return fw_check_memory((const uint8_t *)buf_all(bytes).data, bytes->len, &keys, 0, NULL, meta,
                           why) == FW_GOOD;
}

const struct nerves_firmware *nerves_firmware_load(struct nerves *n, const char *path, char *error,
                                                   size_t error_size)
{
    char why[FW_WHY_MAX] = "";
    struct buf bytes = {0};
    const struct nerves_firmware *known = NULL;
    struct fw_meta *meta = must_calloc(1, sizeof *meta);
    if (!read_file(path, &bytes, error, error_size)) {
        goto out;
    }
    if (!check(n, &bytes, meta, why)) {
        snprintf(error, error_size, "%s: %s", path, why);
        goto out;
    }
    known = nerves_firmware_find(n, slice_of(meta->uuid));
    if (known == NULL && n->firmware_count == NERVES_MAX_FIRMWARES) {
        snprintf(error, error_size, "%d firmwares are loaded already", NERVES_MAX_FIRMWARES);
    } else if (known == NULL) {
        known = n->firmwares[n->firmware_count++] = make_firmware(path, meta, &bytes);
    }
out:
    buf_deinit(&bytes);
    free(meta);
    return known;
}

/* -- Range */

enum range { RANGE_WHOLE, RANGE_PART, RANGE_PAST_THE_END };

static bool whole_number(struct slice text, long *out)
{
    struct json number = {.type = JSON_INT, .text = text};
    return text.len > 0 && json_is_number_text(text) && json_int(&number, 0, INT32_MAX, out);
}

/* "bytes=A-", "bytes=A-B", "bytes=-N"; anything else is no range. */
static enum range parse_range(struct slice header, size_t size, size_t *first, size_t *last)
{
    struct slice rest = header;
    long a = 0;
    long b = 0;
    if (header.data == NULL || !slice_eq(slice_next(&rest, '='), "bytes") || rest.len == 0) {
        return RANGE_WHOLE;
    }
    bool open_end = rest.data[rest.len - 1] == '-';
    struct slice from = slice_next(&rest, '-');
    if (from.len == 0 && whole_number(rest, &b) && b > 0 && (size_t)b < size) {
        *first = size - (size_t)b;
        *last = size - 1;
        return RANGE_PART;
    }
    if (!whole_number(from, &a)) {
        return RANGE_WHOLE;
    }
    if (open_end && rest.len == 0) {
        *first = (size_t)a;
        *last = size - 1;
        return a == 0 ? RANGE_WHOLE : (size_t)a >= size ? RANGE_PAST_THE_END : RANGE_PART;
    }
    if (!whole_number(rest, &b) || b < a || (size_t)b >= size) {
        return RANGE_WHOLE;
    }
    *first = (size_t)a;
    *last = (size_t)b;
    return RANGE_PART;
}

/* -- serving */

static void write_answer(struct buf *out, const struct http_request *request,
                         const struct nerves_firmware *fw, enum range range, size_t first,
                         size_t last)
{
    struct buf extra = {0};
    struct slice body = {fw->bytes.data + first, last - first + 1};
    buf_printf(&extra, "etag: %s\r\naccept-ranges: bytes\r\n", fw->etag);
    if (range == RANGE_PART) {
        buf_printf(&extra, "content-range: bytes %zu-%zu/%zu\r\n", first, last, fw->bytes.len);
    }
    http_write(out, &(struct http_response){.status = range == RANGE_PART ? 206 : 200,
                                            .type = "application/fwup",
                                            .cache = "public",
                                            .extra = extra.data,
                                            .body = body,
                                            .head = slice_eq(request->method, "HEAD")});
    buf_deinit(&extra);
}

static void answer_bare(struct buf *out, int status, const char *extra)
{
    http_write(out, &(struct http_response){.status = status, .cache = "public", .extra = extra});
}

/* Spoils the body that stands from `body` on in out, which begins with byte `first` of the file. */
static enum nerves_end spoil(struct nerves_faults *f, struct buf *out, size_t body, size_t first)
{
    size_t length = out->len - body;
    if (f->corrupt >= 0 && (size_t)f->corrupt >= first && (size_t)f->corrupt - first < length) {
        out->data[body + (size_t)f->corrupt - first] ^= 0x01;
    }
    if (f->cut_at < 0 || (size_t)f->cut_at >= length) {
        return NERVES_KEEP;
    }
    out->len = body + (size_t)f->cut_at;
    return f->stall ? NERVES_STALL : NERVES_CUT;
}

/* What was asked for, and the names of the headers that came with it. */
static void remember(struct nerves *n, const struct http_request *request, const char *uuid)
{
    struct slice range = http_header(request, "range");
    struct buf *out = &n->downloads;
    if (n->download_count == NERVES_DOWNLOADS_KEPT) {
        return;
    }
    buf_printf(out, "%s{\"uuid\":\"%s\",\"range\":", n->download_count++ > 0 ? "," : "", uuid);
    if (range.data == NULL) {
        buf_str(out, "null");
    } else {
        json_write_string(out, range);
    }
    buf_str(out, ",\"query\":");
    json_write_string(out, request->query);
    buf_str(out, ",\"headers\":[");
    for (size_t i = 0; i < request->header_count; i++) {
        buf_str(out, i > 0 ? "," : "");
        json_write_string(out, request->headers[i].name);
    }
    buf_str(out, "]}");
}

static bool answer_instead(const struct nerves_faults *f, struct buf *out)
{
    struct buf extra = {0};
    if (f->redirect != NULL) {
        buf_printf(&extra, "location: %s\r\n", f->redirect);
        answer_bare(out, 302, extra.data);
        buf_deinit(&extra);
        return true;
    }
    if (f->status != 0) {
        answer_bare(out, (int)f->status, NULL);
        return true;
    }
    return false;
}

static enum nerves_end serve(struct nerves *n, const struct http_request *request,
                             const struct nerves_firmware *fw, struct buf *out)
{
    struct nerves_faults *f = &n->faults;
    bool fault = f->times > 0;
    struct slice etag = http_header(request, "if-none-match");
    size_t first = 0;
    size_t last = fw->bytes.len - 1;
    f->times -= fault ? 1 : 0;
    if (fault && answer_instead(f, out)) {
        return NERVES_KEEP;
    }
    if (etag.data != NULL && slice_eq(etag, fw->etag)) {
        answer_bare(out, 304, NULL);
        return NERVES_KEEP;
    }
    struct slice header = http_header(request, "range");
    enum range range =
        fault && f->no_range ? RANGE_WHOLE : parse_range(header, fw->bytes.len, &first, &last);
    if (range == RANGE_PAST_THE_END) {
        http_write(out, &(struct http_response){.status = 500, .close = true});
        return NERVES_CUT;
    }
    if (range == RANGE_WHOLE) {
        first = 0;
        last = fw->bytes.len - 1;
    }
    write_answer(out, request, fw, range, first, last);
    bool head = slice_eq(request->method, "HEAD");
    size_t body = out->len - (last - first + 1);
    enum nerves_end end = fault && !head ? spoil(f, out, body, first) : NERVES_KEEP;
    return fault && !head && f->slow > 0 && end != NERVES_STALL ? NERVES_SLOW : end;
}

bool nerves_serve(struct nerves *n, const struct http_request *request, struct buf *out,
                  enum nerves_end *end)
{
    struct slice parts[4];
    size_t count = http_path_parts(request->path, parts, 4);
    bool reading = slice_eq(request->method, "GET") || slice_eq(request->method, "HEAD");
    *end = NERVES_KEEP;
    if (!reading || count != 3 || !slice_eq(parts[0], "firmware") || parts[2].len < 4 ||
        memcmp(parts[2].data + parts[2].len - 3, ".fw", 3) != 0) {
        return false;
    }
    struct slice uuid = {parts[2].data, parts[2].len - 3};
    const struct nerves_firmware *fw = nerves_firmware_find(n, uuid);
    if (fw == NULL) {
        return false;
    }
    remember(n, request, fw->uuid);
    *end = serve(n, request, fw, out);
    return true;
}
