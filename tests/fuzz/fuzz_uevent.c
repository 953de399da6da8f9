/*
 * Messages about devices: whatever their bytes, nothing is read behind them, and what concerns us
 * does so with more in front of it.
 */
#include "serial/serial_watch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1);
    char *longer = calloc(size + 5, 1);
    if (!exact || !longer)
        abort();
    if (size) {
        memcpy(exact, data, size);
        memcpy(longer + 5, data, size);
    }
    memcpy(longer, "add@", 4);
    if (serial_watch_concerns(exact, size) != serial_watch_concerns(longer, size + 5))
        abort();
    free(exact);
    free(longer);
    return 0;
}
