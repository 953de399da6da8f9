/*
 * Whatever a device sends, phx-dev's NervesHub has an answer of its own for it. The first byte of
 * an input chooses the release and whether the rest is the head of a connect or payloads, one a
 * line: joins, statuses and progresses in turn. A row's status is always one of the ten, and what
 * is told of a device always JSON.
 */
#include "nerves.h"

#include <stdlib.h>
#include <string.h>

enum choice { CHOOSE_240 = 1, CHOOSE_PAYLOADS = 2 };
enum { KINDS = 3, MINUTE_MS = 60000 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int64_t at_1787120842(void)
{
    return INT64_C(1787120842000);
}

static void connect_with(struct nerves *n, const char *text, size_t size)
{
    struct http_request request;
    struct nerves_auth auth = {.status = 101};
    size_t used = 0;
    char *head = copy_bytes(text, size);
    if (http_parse(&request, head, size, &used) == HTTP_DONE) {
        nerves_authenticate(n, &request, &auth);
        if ((auth.status == 101 &&
             (auth.identifier.len == 0 || auth.identifier.len > NERVES_IDENTIFIER_MAX)) ||
            auth.body == NULL) {
            abort();
        }
    }
    buf_deinit(&auth.identifier);
    free(head);
}

static void check_told(struct nerves *n, struct nerves_device *d)
{
    struct buf out = {0};
    struct buf topics = {0};
    struct json_doc doc;
    nerves_device_write(n, d, true, &topics, &out);
    if (json_parse(&doc, out.data, out.len) != 0) {
        abort();
    }
    json_deinit(&doc);
    buf_deinit(&out);
}

static void say(struct nerves *n, struct nerves_device *d, size_t kind, struct slice line)
{
    struct json_doc doc;
    if (json_parse(&doc, line.data, line.len) == 0) {
        if (kind == 0) {
            nerves_on_join(n, d, doc.root);
        } else if (kind == 1) {
            nerves_on_status(n, d, doc.root);
        } else {
            nerves_on_progress(n, d, doc.root);
        }
    }
    json_deinit(&doc);
    check_told(n, d);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const struct log quiet = {.quiet = true};
    if (size < 1) {
        return 0;
    }
    struct nerves *n = must_calloc(1, sizeof *n);
    n->like = (data[0] & CHOOSE_240) != 0 ? NERVES_240 : NERVES_MAIN;
    n->clock_ms = at_1787120842;
    n->log = &quiet;
    struct slice rest = {(const char *)data + 1, size - 1};
    if ((data[0] & CHOOSE_PAYLOADS) == 0) {
        nerves_keys_add(n, "nhp_abc123=s3cret-value");
        connect_with(n, rest.data, rest.len);
    } else {
        struct nerves_device *d = nerves_device_get(n, slice_of("fuzz"));
        for (size_t kind = 0; rest.len > 0; kind = (kind + 1) % KINDS) {
            say(n, d, kind, slice_next(&rest, '\n'));
            n->ahead_ms += MINUTE_MS;
        }
    }
    nerves_deinit(n);
    free(n);
    return 0;
}
