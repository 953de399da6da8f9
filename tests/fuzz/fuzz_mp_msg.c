/*
 * Every decoder and the dump, on any bytes: the first is the id, the rest the body. What decodes
 * must encode to the very same bytes.
 */
#include "mp_dump.h"
#include "mp_msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

#define X_CHECK(id, NAME, name, FIELDS, from)                                        \
    static void check_##name(const uint8_t *body, size_t n)                          \
    {                                                                                \
        struct mp_##name m;                                                          \
        uint8_t out[512];                                                            \
        if (mp_decode_##name(body, n, &m) != 0)                                      \
            return;                                                                  \
        int len = mp_encode_##name(out, sizeof out, &m);                             \
        must(len >= 0 && (size_t)len == n && (n == 0 || memcmp(out, body, n) == 0)); \
    }
MP_MESSAGES(X_CHECK)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[300];
    if (size < 1 || size > 400)
        return 0;
    struct mp_message message = {.id = data[0] & 0x7f, .body = data + 1, .len = size - 1};
    size_t n = mp_dump(&message, line, sizeof line);
    must(n < sizeof line && line[n] == '\0' && strlen(line) == n);
    switch (message.id) {
#define X_CALL(id, NAME, name, FIELDS, from)     \
    case id:                                     \
        check_##name(message.body, message.len); \
        break;
        MP_MESSAGES(X_CALL)
    default:
        break;
    }
    return 0;
}
