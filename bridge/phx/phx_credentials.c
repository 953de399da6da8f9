/*
 * phx_credentials.c - collects what identifies us; nothing that could end a line or the string gets
 * in. The words for the library's errors are here too.
 */
#include "phx_credentials.h"

#include <stdio.h>
#include <string.h>

void phx_credentials_init(struct phx_credentials *credentials, struct phx_text target)
{
    credentials->headers_len = 0;
    credentials->headers[0] = '\0';
    credentials->auth_token[0] = '\0';
    memcpy(credentials->target, target.at, target.len);
    credentials->target[target.len] = '\0';
}

static bool is_token(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return *name && name[strspn(name, allowed)] == '\0';
}

int phx_add_header(struct phx_credentials *credentials, const char *name, const char *value)
{
    size_t room = sizeof credentials->headers - credentials->headers_len;
    size_t len = strlen(value);
    int n;

    if (!is_token(name) || len > PHX_HEADER_MAX || value[strcspn(value, "\r\n")] != '\0')
        return PHX_ERR_BAD_OPTION;
    if (strlen(name) + len + 5 > room)
        return PHX_ERR_BAD_OPTION;
    n = snprintf(credentials->headers + credentials->headers_len, room, "%s: %s\r\n", name, value);
    credentials->headers_len += (size_t)n;
    return PHX_OK;
}

int phx_add_param(struct phx_credentials *credentials, const char *name, const char *value)
{
    if (!*name || name[strcspn(name, "\r\n")] != '\0' || value[strcspn(value, "\r\n")] != '\0')
        return PHX_ERR_BAD_OPTION;
    return phx_url_add_param(credentials->target, sizeof credentials->target, name, value);
}

int phx_set_auth_token(struct phx_credentials *credentials, const char *token)
{
    size_t len = strlen(token);

    if (len == 0 || len > PHX_AUTH_TOKEN_MAX)
        return PHX_ERR_BAD_OPTION;
    for (size_t i = 0; i < len; i++)
        if (token[i] < ' ' || token[i] > '~')
            return PHX_ERR_BAD_OPTION;
    memcpy(credentials->auth_token, token, len + 1);
    return PHX_OK;
}

const char *phx_error_text(enum phx_error error)
{
    switch (error) {
    case PHX_OK:
        return "no error";
    case PHX_ERR_DISCONNECTED:
        return "not connected";
    case PHX_ERR_NOT_JOINED:
        return "channel not joined";
    case PHX_ERR_ALREADY_JOINED:
        return "topic already joined";
    case PHX_ERR_FULL:
        return "too much is waiting already";
    case PHX_ERR_BAD_JSON:
        return "not valid JSON";
    case PHX_ERR_BAD_OPTION:
        return "missing or malformed option";
    case PHX_ERR_MEMORY:
        return "out of memory";
    case PHX_ERR_BINARY:
        return "cannot be sent as a binary message: V1, or a name over 255 bytes";
    }
    return "unknown error";
}
