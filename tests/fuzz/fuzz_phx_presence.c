/*
 * fuzz_phx_presence.c - lines of bytes as states, diffs and joins: whatever they are, what is told
 * and kept is JSON, and within its bound.
 */
#include "phx_presence.h"

#include "phx_json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(void *user, struct phx_text key, struct phx_text current, struct phx_text changed)
{
    (void)user;
    must(phx_utf8_valid(key) && phx_json_valid(changed));
    must(current.len == 0 || phx_json_valid(current));
}

static void count(void *user, struct phx_text key, struct phx_text presence)
{
    size_t *bytes = user;

    must(phx_json_valid(presence));
    *bytes += key.len + presence.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const events[] = {"presence_state", "presence_diff"};
    struct phx_presence_options options = {.max_bytes = MAX_BYTES};
    struct phx_presence_events watch = {.join = check, .leave = check};
    struct phx_presence *presence = phx_presence_new(&options, &watch);
    const char *at = (const char *)data, *end = at + size;

    must(presence != NULL);
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = 0;
        line = line ? line : end;
        if (*at == 'j')
            phx_presence_joined(presence);
        else if (line > at + 1)
            phx_presence_message(presence, phx_text_of(events[*at == 'd']),
                                 (struct phx_text){at + 1, (size_t)(line - at) - 1});
        phx_presence_list(presence, count, &bytes);
        must(bytes <= MAX_BYTES);
        at = line < end ? line + 1 : end;
    }
    phx_presence_free(presence);
    return 0;
}
