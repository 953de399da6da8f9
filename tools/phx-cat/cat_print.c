/* What came, as JSON lines. A binary payload comes out as base64. */
#include "cat.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static void put_string(struct phx_text text)
{
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_member(const char *name, struct phx_text text)
{
    printf("\"%s\":", name);
    put_string(text);
}

static void put_base64(struct phx_text bytes)
{
    char *text = malloc(bytes.len / 3 * 4 + 5);
    if (text == NULL)
        abort();
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.at, (int)bytes.len);
    printf("\"base64\":\"%s\"", text);
    free(text);
}

static void put_payload(const char *name, struct phx_text payload, bool binary)
{
    if (binary) {
        put_base64(payload);
        return;
    }
    printf("\"%s\":", name);
    fwrite(payload.at, 1, payload.len, stdout);
}

static void end_line(void)
{
    puts("}");
    fflush(stdout);
}

static struct phx_text text_of(const char *text)
{
    return (struct phx_text){text, strlen(text)};
}

void cat_print_message(const char *topic, struct phx_text event, struct phx_text payload,
                       bool binary)
{
    putchar('{');
    put_member("topic", text_of(topic));
    putchar(',');
    put_member("event", event);
    putchar(',');
    put_payload("payload", payload, binary);
    end_line();
}

void cat_print_reply(const char *topic, unsigned push, const struct phx_push_result *result)
{
    putchar('{');
    put_member("topic", text_of(topic));
    printf(",\"reply\":%u,", push);
    switch (result->end) {
    case PHX_PUSH_REPLY:
        put_member("status", result->status);
        putchar(',');
        put_payload("response", result->response, result->binary);
        break;
    case PHX_PUSH_TIMEOUT:
        put_member("status", text_of("timeout"));
        break;
    case PHX_PUSH_LOST:
        put_member("status", text_of("lost"));
        break;
    }
    end_line();
}
