/*
 * phx_url.c - takes addresses apart and puts queries together. Names are resolved in phx_resolve.c.
 */
#include "phx_url.h"

#include "phx_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int bad(char *error, size_t cap, const char *text)
{
    snprintf(error, cap, "url: %s", text);
    return PHX_ERR_BAD_OPTION;
}

static bool is_visible(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static const char *parse_scheme(const char *text, struct phx_url *url)
{
    if (strncasecmp(text, "wss://", 6) == 0) {
        url->tls = true;
        return text + 6;
    }
    return strncasecmp(text, "ws://", 5) == 0 ? text + 5 : NULL;
}

static bool is_name(struct phx_text host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    for (size_t i = 0; i < host.len; i++)
        if (!memchr(allowed, host.at[i], sizeof allowed - 1))
            return false;
    return host.len > 0 && host.len <= PHX_HOST_MAX;
}

static bool is_ipv6(struct phx_text host)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len >= sizeof copy)
        return false;
    memcpy(copy, host.at, host.len);
    copy[host.len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* Returns what follows the host, or NULL. */
static const char *parse_host(const char *at, struct phx_url *url)
{
    size_t len;

    if (*at == '[') {
        len = strcspn(++at, "]/?#");
        url->ipv6 = true;
        url->host = (struct phx_text){at, len};
        return at[len] == ']' && is_ipv6(url->host) ? at + len + 1 : NULL;
    }
    len = strcspn(at, ":/?#");
    url->host = (struct phx_text){at, len};
    return is_name(url->host) ? at + len : NULL;
}

static const char *parse_port(const char *at, struct phx_url *url)
{
    unsigned port = 0;

    url->port = url->tls ? 443 : 80;
    if (*at != ':')
        return at;
    for (at++; *at >= '0' && *at <= '9' && port <= 65535; at++)
        port = port * 10 + (unsigned)(*at - '0');
    url->port = (uint16_t)port;
    return port >= 1 && port <= 65535 ? at : NULL;
}

int phx_url_parse(const char *text, struct phx_url *url, char *error, size_t cap)
{
    const char *at;

    *url = (struct phx_url){.tls = false};
    if (!is_visible(text))
        return bad(error, cap, "expected printable ASCII without spaces");
    if (!(at = parse_scheme(text, url)))
        return bad(error, cap, "expected ws:// or wss:// in front");
    if (memchr(at, '@', strcspn(at, "/?#")))
        return bad(error, cap, "user names and passwords do not belong into it");
    if (!(at = parse_host(at, url)))
        return bad(error, cap, "expected a host name, an IPv4 address or an [IPv6 address]");
    if (!(at = parse_port(at, url)))
        return bad(error, cap, "expected a port from 1 to 65535");
    if (*at != '/')
        return bad(error, cap, "expected a path after the host, such as /socket/websocket");
    if (strchr(at, '#'))
        return bad(error, cap, "expected no fragment (#)");
    url->target = phx_text_of(at);
    if (url->target.len > PHX_TARGET_MAX)
        return bad(error, cap, "path and query are too long");
    return PHX_OK;
}

static bool put(char *target, size_t cap, size_t *len, char c)
{
    if (*len + 1 >= cap)
        return false;
    target[(*len)++] = c;
    return true;
}

static bool put_encoded(char *target, size_t cap, size_t *len, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    static const char hex[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool fits = memchr(plain, c, sizeof plain - 1)
                        ? put(target, cap, len, (char)c)
                        : put(target, cap, len, '%') && put(target, cap, len, hex[c >> 4]) &&
                              put(target, cap, len, hex[c & 15]);
        if (!fits)
            return false;
    }
    return true;
}

static char joint(const char *target, size_t len)
{
    const char *query = strchr(target, '?');

    if (!query)
        return '?';
    return target[len - 1] == '?' || target[len - 1] == '&' ? '\0' : '&';
}

int phx_url_add_param(char *target, size_t cap, const char *name, const char *value)
{
    size_t before = strlen(target), len = before;
    char first = joint(target, before);

    if ((first == '\0' || put(target, cap, &len, first)) && put_encoded(target, cap, &len, name) &&
        put(target, cap, &len, '=') && put_encoded(target, cap, &len, value)) {
        target[len] = '\0';
        return PHX_OK;
    }
    target[before] = '\0';
    return PHX_ERR_BAD_OPTION;
}

bool phx_url_poll_target(const char *target, char *out, size_t cap)
{
    static const char from[] = "/websocket", to[] = "/longpoll";
    size_t path = strcspn(target, "?"), end = path, keep;

    while (end > 0 && target[end - 1] == '/')
        end--;
    if (end >= sizeof from - 1 &&
        memcmp(target + end - (sizeof from - 1), from, sizeof from - 1) == 0)
        keep = end - (sizeof from - 1);
    else if (end >= sizeof to - 1 && memcmp(target + end - (sizeof to - 1), to, sizeof to - 1) == 0)
        keep = end - (sizeof to - 1);
    else
        return false;
    return (size_t)snprintf(out, cap, "%.*s%s%s", (int)keep, target, to, target + path) < cap;
}
