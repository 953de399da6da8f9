/*
 * phx_proxy.c - proxies chosen as curl and Go do. Talking to one is libwebsockets' part.
 */
#include "phx_proxy.h"

#include "phx_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_PORT 3128

static int bad(struct phx_proxy *proxy, char *error, size_t cap, const char *text)
{
    explicit_bzero(proxy, sizeof *proxy);
    snprintf(error, cap, "proxy: %s", text);
    return PHX_ERR_BAD_OPTION;
}

/* ---- one proxy ---- */

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

    return found ? (int)(found - digits) : -1;
}

static bool decode_auth(struct phx_text text, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex(text.at[i + 1]) : -1;
            int low = high >= 0 ? hex(text.at[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (n + 1 >= cap || (unsigned char)c < ' ' || c == '@')
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool parse_port(const char *at, const char *end, uint16_t *port)
{
    unsigned value = 0;

    if (at == end)
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || value > 65535)
            return false;
        value = value * 10 + (unsigned)(*at - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool is_host(const char *at, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";

    return len > 0 && len <= PHX_HOST_MAX && strspn(at, allowed) >= len;
}

static bool parse_place(const char *at, const char *end, struct phx_proxy *proxy)
{
    const char *host = at, *host_end = memchr(at, ':', (size_t)(end - at));

    if (at < end && *at == '[') {
        host = at + 1;
        host_end = memchr(at, ']', (size_t)(end - at));
        if (!host_end)
            return false;
        at = host_end + 1;
    } else {
        host_end = host_end ? host_end : end;
        at = host_end;
    }
    if (!is_host(host, (size_t)(host_end - host)))
        return false;
    memcpy(proxy->host, host, (size_t)(host_end - host));
    proxy->host[host_end - host] = '\0';
    proxy->port = DEFAULT_PORT;
    return at == end || (*at == ':' && parse_port(at + 1, end, &proxy->port));
}

int phx_proxy_parse(const char *text, struct phx_proxy *proxy, char *error, size_t cap)
{
    const char *at = text, *end, *sign;

    *proxy = (struct phx_proxy){.port = 0};
    if (strncasecmp(at, "http://", 7) == 0)
        at += 7;
    else if (strstr(at, "://"))
        return bad(proxy, error, cap, "expected http://HOST:PORT; other kinds are not supported");
    end = at + strcspn(at, "/?#");
    if (*end && strcmp(end, "/") != 0)
        return bad(proxy, error, cap, "expected nothing behind host and port");
    for (sign = end; sign > at && sign[-1] != '@'; sign--)
        ;
    if (sign > at && !decode_auth((struct phx_text){at, (size_t)(sign - 1 - at)}, proxy->auth,
                                  sizeof proxy->auth))
        return bad(proxy, error, cap,
                   "expected USER:PASSWORD of at most 96 bytes before the @, without an @ in it");
    if (!parse_place(sign, end, proxy))
        return bad(proxy, error, cap, "expected a host name or an address, and a port or none");
    return PHX_OK;
}

void phx_proxy_write(const struct phx_proxy *proxy, const char *address, char *text, size_t cap)
{
    bool ipv6 = strchr(address, ':') != NULL;

    snprintf(text, cap, "%s%s%s%s%s:%u", proxy->auth, proxy->auth[0] ? "@" : "", ipv6 ? "[" : "",
             address, ipv6 ? "]" : "", proxy->port);
}

/* ---- who is reached directly ---- */

struct address {
    unsigned char bytes[16];
    unsigned bits; /* 32 or 128 */
};

static bool parse_address(struct phx_text text, struct address *address)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
        text = (struct phx_text){text.at + 1, text.len - 2};
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    address->bits = 32;
    if (inet_pton(AF_INET, copy, address->bytes) == 1)
        return true;
    address->bits = 128;
    return inet_pton(AF_INET6, copy, address->bytes) == 1;
}

static bool same_bits(const struct address *a, const struct address *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    unsigned char mask = (unsigned char)(0xFF00u >> rest);

    if (a->bits != b->bits || bits > a->bits || memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0;
}

static bool is_in_network(struct phx_text entry, const struct address *host)
{
    const char *slash = memchr(entry.at, '/', entry.len);
    struct address network;
    uint16_t bits = 0;

    if (!slash)
        return parse_address(entry, &network) && same_bits(&network, host, host->bits);
    return parse_address((struct phx_text){entry.at, (size_t)(slash - entry.at)}, &network) &&
           (strcmp(slash, "/0") == 0 || parse_port(slash + 1, entry.at + entry.len, &bits)) &&
           same_bits(&network, host, bits);
}

static bool is_below(struct phx_text entry, struct phx_text host)
{
    if (entry.len > 0 && entry.at[0] == '*')
        entry = (struct phx_text){entry.at + 1, entry.len - 1};
    if (entry.len > 0 && entry.at[0] == '.')
        entry = (struct phx_text){entry.at + 1, entry.len - 1};
    if (entry.len == 0 || host.len < entry.len ||
        strncasecmp(host.at + host.len - entry.len, entry.at, entry.len) != 0)
        return false;
    return host.len == entry.len || host.at[host.len - entry.len - 1] == '.';
}

/* Takes :PORT off an entry. False: it names another port. */
static bool take_port(struct phx_text *entry, uint16_t port)
{
    const char *colon = memrchr(entry->at, ':', entry->len);
    const char *bracket = memrchr(entry->at, ']', entry->len);
    uint16_t named;

    if (!colon || (bracket && bracket > colon))
        return true;
    if (!bracket && memchr(entry->at, ':', (size_t)(colon - entry->at)))
        return true; /* a bare IPv6 address */
    if (!parse_port(colon + 1, entry->at + entry->len, &named))
        return true;
    entry->len = (size_t)(colon - entry->at);
    return named == port;
}

static bool matches(struct phx_text entry, struct phx_text host, uint16_t port)
{
    struct address address;

    if (entry.len == 1 && entry.at[0] == '*')
        return true;
    if (!take_port(&entry, port))
        return false;
    return parse_address(host, &address) ? is_in_network(entry, &address) : is_below(entry, host);
}

bool phx_proxy_is_excepted(const char *no_proxy, struct phx_text host, uint16_t port)
{
    const char *at = no_proxy ? no_proxy : "";

    while (*at) {
        size_t len;
        at += strspn(at, ", \t");
        len = strcspn(at, ", \t");
        if (len > 0 && matches((struct phx_text){at, len}, host, port))
            return true;
        at += len;
    }
    return false;
}

static bool is_this_machine(struct phx_text host)
{
    struct address address;

    if (!parse_address(host, &address))
        return is_below(phx_text_of("localhost"), host);
    return address.bits == 32 ? address.bytes[0] == 127
                              : memcmp(address.bytes, &in6addr_loopback, 16) == 0;
}

/* ---- the choice ---- */

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);

    value = value || !upper ? value : getenv(upper);
    return value && *value ? value : NULL;
}

struct phx_proxy_variables phx_proxy_environment(void)
{
    return (struct phx_proxy_variables){
        .http = variable("http_proxy", NULL),
        .https = variable("https_proxy", "HTTPS_PROXY"),
        .all = variable("all_proxy", "ALL_PROXY"),
        .no = variable("no_proxy", "NO_PROXY"),
    };
}

int phx_proxy_for(const char *configured, const struct phx_proxy_variables *variables,
                  const struct phx_url *url, struct phx_proxy *proxy, char *error, size_t cap)
{
    const char *text = configured;

    *proxy = (struct phx_proxy){.port = 0};
    if (!configured) {
        text = url->tls ? variables->https : variables->http;
        text = text ? text : variables->all;
        if (!text || is_this_machine(url->host) ||
            phx_proxy_is_excepted(variables->no, url->host, url->port))
            return PHX_OK;
    }
    return *text ? phx_proxy_parse(text, proxy, error, cap) : PHX_OK;
}
