#ifndef PHXDEV_AUTH_TOKEN_H
#define PHXDEV_AUTH_TOKEN_H

#include "buf.h"
#include "http.h"

/* 1.8's auth_token: a token that travels as a WebSocket subprotocol,
 * "base64url.bearer.phx.<token>", standard base64 without padding whatever its name says. */

enum auth_token { AUTH_NONE, AUTH_FOUND, AUTH_BAD };

/* Appends the decoded token. AUTH_NONE: none or several were offered. AUTH_BAD: not base64; a real
 * server answers 500. */
enum auth_token auth_token_of(const struct http_request *request, struct buf *out);
/* Is this subprotocol a token and no protocol? */
bool auth_token_is(struct slice protocol);

#endif
