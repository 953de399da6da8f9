/* fuzz_phx_poll_body.c - answers to long polls: what is taken points into the answer, and is text.
 */
#include "phx_poll_body.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct phx_poll_messages messages;
    struct phx_poll_answer answer;
    char *body = malloc(size ? size : 1), *text;
    size_t len;

    if (!body)
        return 0;
    if (size)
        memcpy(body, data, size);
    if (phx_poll_answer_read((struct phx_text){body, size}, &answer)) {
        if (answer.status < 1 || answer.status > 999 || strlen(answer.token) > PHX_POLL_TOKEN_MAX)
            abort();
        if (phx_poll_messages_begin(&messages, &answer))
            while (phx_poll_messages_next(&messages, &text, &len) == PHX_JSON_ITEM)
                if (text < body || len > size || text + len > body + size ||
                    !phx_utf8_valid((struct phx_text){text, len}))
                    abort();
    }
    free(body);
    return 0;
}
