/*
 * fuzz_phx_judge.c - any headers, close reason and address: what comes of them is one printable
 * line without a query, and an address or none.
 */
#include "phx_judge.h"

#include "phx_json.h"
#include "phx_url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct phx_text line(const char **at, const char *end)
{
    const char *from = *at, *stop = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;

    stop = stop ? stop : end;
    *at = stop < end ? stop + 1 : end;
    return (struct phx_text){from, (size_t)(stop - from)};
}

static void judge(const struct phx_sight *sight)
{
    struct phx_end end;

    phx_judge(sight, &end);
    for (const char *c = end.text; *c; c++)
        if (*c < ' ' || *c > '~')
            abort();
    if (end.text[0] == '\0' || strlen(end.text) >= sizeof end.text)
        abort();
}

static void parse_address(struct phx_text text)
{
    struct phx_url url;
    char *copy = malloc(text.len + 1), error[160], target[PHX_TARGET_MAX + 1] = "/";

    if (!copy)
        abort();
    if (text.len)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (phx_url_parse(copy, &url, error, sizeof error) == PHX_OK &&
        (url.host.len > PHX_HOST_MAX || url.target.len > PHX_TARGET_MAX))
        abort();
    phx_url_add_param(target, sizeof target, copy, copy);
    if (strlen(target) > PHX_TARGET_MAX)
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data + (size > 0), *end = (const char *)data + size;
    struct phx_sight sight = {.stage = PHX_STAGE_REQUEST, .now_s = 1700000000};

    if (size == 0)
        return 0;
    sight.http_status = data[0] * 4;
    sight.retry_after = line(&at, end);
    sight.date = line(&at, end);
    sight.location = line(&at, end);
    judge(&sight);
    sight.stage = PHX_STAGE_OPEN;
    sight.close_code = data[0] * 20;
    sight.close_reason = line(&at, end);
    judge(&sight);
    parse_address(line(&at, end));
    return 0;
}
