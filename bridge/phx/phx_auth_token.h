/*
 * phx_auth_token.h - how the token of Phoenix 1.8 travels with an upgrade.
 */
#ifndef PHX_AUTH_TOKEN_H
#define PHX_AUTH_TOKEN_H

#include "phx.h"

#define PHX_AUTH_TOKEN_MAX     PHX_HEADER_MAX
#define PHX_AUTH_PROTOCOLS_MAX (PHX_AUTH_TOKEN_MAX * 4 / 3 + 48)

/* The subprotocols to offer: "phoenix, base64url.bearer.phx.TOKEN", the token in standard base64
 * without padding, whatever that name says. `token` has at most PHX_AUTH_TOKEN_MAX bytes, `out`
 * room for PHX_AUTH_PROTOCOLS_MAX. */
void phx_auth_protocols(const char *token, char *out);
/* Appends base64, with padding or not, to `out`, which has room for 4 characters for each 3 bytes
 * begun, and NUL. Returns how many. */
size_t phx_base64(const void *bytes, size_t len, int padding, char *out);

#endif
