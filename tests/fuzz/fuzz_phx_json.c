/* fuzz_phx_json.c - any bytes as JSON: checking and walking agree, and strings read back. */
#include "phx_json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(struct phx_text string)
{
    char *plain = malloc(string.len), *again = malloc(6 * string.len);
    struct phx_json_out out = {again, 6 * string.len, 0};
    size_t n = phx_json_unescape(string, plain);

    if (!phx_utf8_valid((struct phx_text){plain, n}))
        abort();
    phx_json_put_string(&out, (struct phx_text){plain, n});
    if (!phx_json_valid((struct phx_text){again, out.len}) ||
        phx_json_unescape((struct phx_text){again, out.len}, again) != n ||
        memcmp(again, plain, n) != 0)
        abort();
    free(plain);
    free(again);
}

static bool walk_all(struct phx_text text)
{
    struct phx_text key, value;
    struct phx_json_walk walk;
    enum phx_json_step step;

    if (!phx_json_walk(&walk, text))
        return phx_json_valid(text);
    while ((step = phx_json_next(&walk, &key, &value)) == PHX_JSON_ITEM) {
        if (!phx_json_valid(value))
            abort();
        if (key.len)
            read_back(key);
        if (phx_json_is_string(value))
            read_back(value);
    }
    return step == PHX_JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phx_text text = {(const char *)data, size};

    /* Inside a container the walk counts levels anew. */
    if (phx_json_valid(text) && !walk_all(text))
        abort();
    walk_all(text);
    return 0;
}
