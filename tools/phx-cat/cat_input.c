/*
 * Standard input, line by line: {"topic":..,"event":..,"payload":..} or with "base64":.., or EVENT
 * and a payload. Read by libuv's threads, so that a file, a pipe and a terminal are the same.
 */
#include "cat.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES     65536
#define LINE_MAX_BYTES (1u << 20)

static struct {
    struct cat *cat;
    uv_fs_t request;
    char block[READ_BYTES];
    char *line;
    size_t length;
    bool too_long; /* the rest of this line is thrown away */
    unsigned number;
} input;

static void read_more(void);

static void push_base64(const char *topic, const char *event, const char *base64)
{
    size_t length = strlen(base64);
    unsigned char *bytes = malloc(length / 4 * 3 + 1);
    int n = bytes != NULL && length % 4 == 0
                ? EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)length)
                : -1;
    if (n < 0) {
        cat_say(input.cat, true, "line %u: \"base64\" is none", input.number);
    } else {
        for (size_t i = length; i > 0 && base64[i - 1] == '='; i--)
            n--;
        cat_push(input.cat, topic, event, (struct phx_text){(char *)bytes, (size_t)n}, true);
    }
    free(bytes);
}

static void push_object(char *text, size_t length)
{
    cJSON *root = cJSON_ParseWithLength(text, length);
    const cJSON *topic = cJSON_GetObjectItemCaseSensitive(root, "topic");
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(root, "event");
    const cJSON *payload = cJSON_GetObjectItemCaseSensitive(root, "payload");
    const cJSON *base64 = cJSON_GetObjectItemCaseSensitive(root, "base64");
    const char *to = cJSON_IsString(topic) ? topic->valuestring : NULL;
    char *printed = payload != NULL ? cJSON_PrintUnformatted(payload) : NULL;
    const char *json = printed != NULL ? printed : "{}";
    if (root == NULL)
        cat_say(input.cat, true, "line %u: no valid JSON", input.number);
    else if (!cJSON_IsString(event) || (topic != NULL && !cJSON_IsString(topic)))
        cat_say(input.cat, true,
                "line %u: expected {\"topic\":\"...\",\"event\":\"...\",\"payload\":{...}}",
                input.number);
    else if (cJSON_IsString(base64))
        push_base64(to, event->valuestring, base64->valuestring);
    else
        cat_push(input.cat, to, event->valuestring, (struct phx_text){json, strlen(json)}, false);
    free(printed);
    cJSON_Delete(root);
}

static void push_words(char *text, size_t length)
{
    size_t event = strcspn(text, " \t");
    size_t payload = event + strspn(text + event, " \t");
    struct phx_text json = {text + payload, length - payload};
    text[event] = '\0';
    cat_push(input.cat, NULL, text, json.len > 0 ? json : (struct phx_text){"{}", 2}, false);
}

static void take_line(void)
{
    input.number++;
    while (input.length > 0 && strchr(" \t\r", input.line[input.length - 1]) != NULL)
        input.length--;
    input.line[input.length] = '\0';
    size_t from = strspn(input.line, " \t");
    if (input.too_long)
        cat_say(input.cat, true, "line %u: longer than 1 MiB, not sent", input.number);
    else if (memchr(input.line, '\0', input.length) != NULL)
        cat_say(input.cat, true, "line %u: holds a NUL, not sent", input.number);
    else if (input.line[from] == '{')
        push_object(input.line + from, input.length - from);
    else if (input.line[from] != '\0')
        push_words(input.line + from, input.length - from);
    input.length = 0;
    input.too_long = false;
}

static void take(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            take_line();
        else if (input.length < LINE_MAX_BYTES)
            input.line[input.length++] = bytes[i];
        else
            input.too_long = true;
    }
}

static void on_read(uv_fs_t *request)
{
    ssize_t n = request->result;
    uv_fs_req_cleanup(request);
    if (n > 0) {
        take(input.block, (size_t)n);
        read_more();
        return;
    }
    if (input.length > 0)
        take_line();
    cat_input_done(input.cat);
}

static void read_more(void)
{
    uv_buf_t buffer = uv_buf_init(input.block, sizeof(input.block));
    if (uv_fs_read(input.cat->loop, &input.request, 0, &buffer, 1, -1, on_read) != 0)
        cat_input_done(input.cat);
}

void cat_input_start(struct cat *cat)
{
    if (input.cat != NULL)
        return;
    input.cat = cat;
    input.line = malloc(LINE_MAX_BYTES + 1);
    if (input.line == NULL)
        abort();
    read_more();
}
