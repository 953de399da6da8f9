/*
 * Any bytes as the head of a request: no verdict depends on how they were cut, once there is one.
 */
#include "watch/watch_http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_http_request whole, part;
    char *bytes = malloc(size + 1); /* exactly as long, so that a read beyond it is seen */
    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    enum watch_http_result result = watch_http_parse(bytes, size, &whole);
    if (result == WATCH_HTTP_GET && strlen(whole.path) >= WATCH_HTTP_PATH_MAX)
        abort();
    for (size_t n = 0; n < size && n < 200; n++) {
        enum watch_http_result early = watch_http_parse(bytes, n, &part);
        if (early != WATCH_HTTP_MORE && early != result)
            abort();
    }
    free(bytes);
    return 0;
}
