/*
 * A server's payloads and a board's console bytes: nothing crashes, and whatever a board says, all
 * of it leaves, as valid JSON text, but for a character that is still to be finished.
 */
#include "nerveshub/nh_talk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct nh_console console = {0};
    const char *text = (const char *)data;
    unsigned rows;
    unsigned columns;
    size_t n = 0;
    free(nh_decode_console(text, size, &n));
    nh_decode_window(text, size, &rows, &columns);
    if (nh_decode_extensions(text, size) >= 1u << NH_EXTENSIONS)
        abort();
    if (nh_console_add(&console, text, size, 0) < size && console.length != NH_CONSOLE_BYTES)
        abort();
    char *payload = nh_console_payload(&console, &n);
    char *said = payload != NULL ? nh_decode_console(payload, strlen(payload), &n) : NULL;
    if (payload != NULL && said == NULL)
        abort();
    free(said);
    free(payload);
    payload = nh_console_payload(&console, &n);
    nh_console_sent(&console, n, 1);
    if (console.length > 3)
        abort();
    free(payload);
    nh_console_free(&console);
    return 0;
}
