/*
 * Reads an address to listen on. Whether others may reach it is config_check.c's business, binding
 * it watch_server.c's.
 */
#define _POSIX_C_SOURCE 200809L
#include "config_listen.h"

#include <arpa/inet.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

static int take_unix(const char *path, struct config_listen *out)
{
    size_t n = strlen(path);
    if (path[0] != '/' || n > CONFIG_LISTEN_PATH_MAX || path[n - 1] == '/')
        return -1;
    memcpy(out->path, path, n + 1);
    out->is_unix = out->is_loopback = true;
    return 0;
}

static int take_port(const char *text, uint16_t *port)
{
    size_t n = strlen(text);
    uint32_t number = 0;
    if (n == 0 || n > 5 || strspn(text, "0123456789") != n || text[0] == '0')
        return -1;
    for (size_t i = 0; i < n; i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    if (number > UINT16_MAX)
        return -1;
    *port = (uint16_t)number;
    return 0;
}

static int take_host(const char *text, size_t n, struct config_listen *out)
{
    struct in_addr four;
    struct in6_addr six;
    bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (brackets) {
        text++;
        n -= 2;
    }
    if (n == 0 || n >= sizeof out->host)
        return -1;
    memcpy(out->host, text, n);
    out->host[n] = '\0';
    if (!brackets && strcmp(out->host, "localhost") == 0)
        memcpy(out->host, "127.0.0.1", sizeof "127.0.0.1");
    out->is_ipv6 = brackets;
    if (brackets && inet_pton(AF_INET6, out->host, &six) == 1) {
        out->is_loopback = IN6_IS_ADDR_LOOPBACK(&six);
        return 0;
    }
    if (brackets || inet_pton(AF_INET, out->host, &four) != 1)
        return -1;
    out->is_loopback = (ntohl(four.s_addr) >> 24) == 127;
    return 0;
}

int config_listen(const char *text, struct config_listen *out)
{
    memset(out, 0, sizeof *out);
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return take_unix(text + strlen(UNIX_PREFIX), out);
    const char *colon = strrchr(text, ':');
    if (colon == NULL || take_port(colon + 1, &out->port) != 0)
        return -1;
    return take_host(text, (size_t)(colon - text), out);
}
