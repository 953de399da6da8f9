/*
 * phx_auth_token.c - base64, and the one header that is made of it.
 */
#include "phx_auth_token.h"

#include <string.h>

size_t phx_base64(const void *bytes, size_t len, int padding, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = bytes;
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned long group = (unsigned long)at[i] << 16;
        group |= left > 1 ? (unsigned long)at[i + 1] << 8 : 0;
        group |= left > 2 ? (unsigned long)at[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            if (k <= left)
                out[n++] = digits[group >> (18 - 6 * k) & 63];
            else if (padding)
                out[n++] = '=';
    }
    out[n] = '\0';
    return n;
}

void phx_auth_protocols(const char *token, char *out)
{
    static const char head[] = "phoenix, base64url.bearer.phx.";

    memcpy(out, head, sizeof head);
    phx_base64(token, strlen(token), 0, out + sizeof head - 1);
}
