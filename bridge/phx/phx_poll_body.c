/*
 * phx_poll_body.c - bodies of long polling, read and written. Requests are phx_poll.c's.
 */
#include "phx_poll_body.h"

#include "phx_auth_token.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static bool read_status(struct phx_text value, int *status)
{
    *status = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || i >= 3)
            return false;
        *status = *status * 10 + (value.at[i] - '0');
    }
    return value.len > 0;
}

/* It goes into a query and a header: nothing but what a token is made of. */
static bool read_token(struct phx_text value, char *token)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+/=";
    size_t len = value.len - 2;

    if (!phx_json_is_string(value) || len > PHX_POLL_TOKEN_MAX)
        return false;
    memcpy(token, value.at + 1, len);
    token[len] = '\0';
    return strspn(token, allowed) == len;
}

static bool read_member(struct phx_text key, struct phx_text value, struct phx_poll_answer *answer)
{
    if (phx_json_is(key, "status"))
        return read_status(value, &answer->status);
    if (phx_json_is(key, "token"))
        return phx_text_equal(value, phx_text_of("null")) || read_token(value, answer->token);
    if (phx_json_is(key, "messages"))
        answer->messages = value;
    return true;
}

bool phx_poll_answer_read(struct phx_text body, struct phx_poll_answer *answer)
{
    struct phx_json_walk walk;
    struct phx_text key, value;
    enum phx_json_step step;

    *answer = (struct phx_poll_answer){.status = 0};
    if (!phx_json_walk(&walk, body) || !walk.object)
        return false;
    while ((step = phx_json_next(&walk, &key, &value)) == PHX_JSON_ITEM)
        if (!read_member(key, value, answer))
            return false;
    return step == PHX_JSON_END && answer->status != 0;
}

bool phx_poll_messages_begin(struct phx_poll_messages *messages,
                             const struct phx_poll_answer *answer)
{
    return phx_json_walk(&messages->walk, answer->messages) && !messages->walk.object;
}

enum phx_json_step phx_poll_messages_next(struct phx_poll_messages *messages, char **text,
                                          size_t *len)
{
    struct phx_text key, value;
    enum phx_json_step step = phx_json_next(&messages->walk, &key, &value);

    if (step != PHX_JSON_ITEM)
        return step;
    if (!phx_json_is_string(value))
        return PHX_JSON_BAD;
    *text = (char *)value.at + 1;
    *len = phx_json_unescape(value, *text);
    return PHX_JSON_ITEM;
}

/* ---- batches ---- */

void phx_poll_batch_add(struct phx_poll_batch *batch, struct phx_send *message, enum phx_vsn vsn)
{
    phx_queue_put(&batch->messages, message);
    batch->count++;
    batch->full =
        vsn == PHX_V1 || batch->count == PHX_POLL_LINES || batch->messages.bytes >= PHX_POLL_BYTES;
}

static size_t line_len(const struct phx_send *message)
{
    return message->binary ? (message->len + 2) / 3 * 4 : message->len;
}

/* A line break between the values of a message would be the end of its line. */
static void copy_line(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] == '\n' || from[i] == '\r' ? ' ' : from[i];
}

static void put_line(char *to, struct phx_send *message)
{
    if (message->binary)
        phx_base64(phx_send_text(message), message->len, 1, to);
    else
        copy_line(to, phx_send_text(message), message->len);
}

struct phx_send *phx_poll_batch_body(struct phx_poll_batch *batch, bool *ndjson)
{
    size_t len = batch->count - 1;
    struct phx_send *body, *message;
    char *at;

    *ndjson = batch->count > 1;
    for (message = batch->messages.first; message; message = message->next) {
        len += line_len(message);
        *ndjson = *ndjson || message->binary;
    }
    body = phx_send_new(len + 1); /* base64 ends with a NUL */
    at = body ? phx_send_text(body) : NULL;
    while ((message = phx_queue_take(&batch->messages)) != NULL) {
        if (body) {
            put_line(at, message);
            at += line_len(message);
            *at++ = '\n';
        }
        free(message);
    }
    if (body)
        body->len = len;
    *batch = (struct phx_poll_batch){.count = 0};
    return body;
}
