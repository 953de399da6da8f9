/*
 * phx_credentials.h - headers and parameters of one attempt, as they go into its request.
 */
#ifndef PHX_CREDENTIALS_H
#define PHX_CREDENTIALS_H

#include "phx_auth_token.h"
#include "phx_url.h"

#define PHX_HEADERS_MAX 4096 /* bytes of all headers together */

struct phx_credentials {
    char headers[PHX_HEADERS_MAX + 1];
    size_t headers_len;
    char target[PHX_TARGET_MAX + 1];
    char auth_token[PHX_AUTH_TOKEN_MAX + 1]; /* empty: none */
};

/* `target` is the path and query of the socket's address. */
void phx_credentials_init(struct phx_credentials *credentials, struct phx_text target);

#endif
