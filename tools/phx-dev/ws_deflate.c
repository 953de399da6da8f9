/*
 * permessage-deflate by zlib: raw deflate, 15 window bits, the empty block at the end of a message
 * cut off and put back.
 */
#include "ws_deflate.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

struct ws_deflate {
    z_stream in;
    z_stream out;
    bool in_fresh;  /* the client starts each message anew */
    bool out_fresh; /* so do we */
};

static const char TAIL[4] = {0, 0, (char)0xFF, (char)0xFF};

static bool same(struct slice s, const char *name)
{
    return s.len == strlen(name) && strncasecmp(s.data, name, s.len) == 0;
}

/* One parameter of an offer. False: an offer with it cannot be taken. */
static bool take_parameter(struct ws_deflate *d, struct slice parameter, struct buf *answer)
{
    struct slice name = slice_trim(slice_next(&parameter, '='));
    struct slice value = slice_trim(parameter);
    if (same(name, "server_no_context_takeover")) {
        d->out_fresh = true;
        buf_str(answer, ";server_no_context_takeover");
        return true;
    }
    if (same(name, "client_no_context_takeover")) {
        d->in_fresh = true;
        buf_str(answer, ";client_no_context_takeover");
        return true;
    }
    if (same(name, "client_max_window_bits")) {
        buf_str(answer, ";client_max_window_bits=15");
        return true;
    }
    if (same(name, "server_max_window_bits") && same(value, "15")) {
        buf_str(answer, ";server_max_window_bits=15");
        return true;
    }
    return false;
}

static bool take_offer(struct ws_deflate *d, struct slice offer, struct buf *answer)
{
    if (!same(slice_trim(slice_next(&offer, ';')), "permessage-deflate")) {
        return false;
    }
    buf_str(answer, "permessage-deflate");
    while (offer.len > 0) {
        if (!take_parameter(d, slice_trim(slice_next(&offer, ';')), answer)) {
            return false;
        }
    }
    return true;
}

static bool start_streams(struct ws_deflate *d)
{
    if (inflateInit2(&d->in, -15) != Z_OK) {
        return false;
    }
    if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        inflateEnd(&d->in);
        return false;
    }
    return true;
}

struct ws_deflate *ws_deflate_negotiate(struct slice offers, struct buf *answer)
{
    while (offers.len > 0) {
        struct slice offer = slice_trim(slice_next(&offers, ','));
        struct ws_deflate *d = must_calloc(1, sizeof *d);
        struct buf text = {0};
        bool taken = take_offer(d, offer, &text) && start_streams(d);
        if (taken) {
            buf_add(answer, text.data, text.len);
        }
        buf_deinit(&text);
        if (taken) {
            return d;
        }
        free(d);
    }
    return NULL;
}

void ws_deflate_free(struct ws_deflate *d)
{
    if (d != NULL) {
        inflateEnd(&d->in);
        deflateEnd(&d->out);
        free(d);
    }
}

bool ws_deflate_compress(struct ws_deflate *d, const char *data, size_t n, struct buf *out)
{
    char chunk[4096];
    if (d->out_fresh) {
        deflateReset(&d->out);
    }
    d->out.next_in = (Bytef *)data;
    d->out.avail_in = (uInt)n;
    do {
        d->out.next_out = (Bytef *)chunk;
        d->out.avail_out = sizeof chunk;
        if (deflate(&d->out, Z_SYNC_FLUSH) == Z_STREAM_ERROR) {
            return false;
        }
        buf_add(out, chunk, sizeof chunk - d->out.avail_out);
    } while (d->out.avail_out == 0);
    if (out->len >= sizeof TAIL && memcmp(out->data + out->len - 4, TAIL, sizeof TAIL) == 0) {
        out->len -= sizeof TAIL;
    }
    return true;
}

bool ws_deflate_decompress(struct ws_deflate *d, const struct buf *in, struct buf *out, size_t max)
{
    char chunk[4096];
    struct buf whole = {0};
    buf_add(&whole, in->data, in->len);
    buf_add(&whole, TAIL, sizeof TAIL);
    if (d->in_fresh) {
        inflateReset(&d->in);
    }
    d->in.next_in = (Bytef *)whole.data;
    d->in.avail_in = (uInt)whole.len;
    bool ok = true;
    do {
        d->in.next_out = (Bytef *)chunk;
        d->in.avail_out = sizeof chunk;
        int rc = inflate(&d->in, Z_SYNC_FLUSH);
        ok = (rc == Z_OK || rc == Z_BUF_ERROR || rc == Z_STREAM_END) && out->len < max;
        buf_add(out, chunk, sizeof chunk - d->in.avail_out);
        if (rc == Z_STREAM_END) {
            inflateReset(&d->in);
        }
    } while (ok && d->in.avail_out == 0);
    buf_deinit(&whole);
    return ok;
}
