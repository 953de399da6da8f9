/*
 * phx_proxy.h - which HTTP proxy is between us and a server: a configured one, that of the
 * environment, or none.
 */
#ifndef PHX_PROXY_H
#define PHX_PROXY_H

#include "phx_url.h"

#define PHX_PROXY_AUTH_MAX 96 /* bytes of user:password */
#define PHX_PROXY_TEXT_MAX (PHX_PROXY_AUTH_MAX + PHX_HOST_MAX + 12)

struct phx_proxy {
    char host[PHX_HOST_MAX + 1]; /* empty: no proxy; without brackets */
    uint16_t port;
    char auth[PHX_PROXY_AUTH_MAX + 1]; /* user:password, decoded; empty: none */
};

/* Parses [http://][USER[:PASSWORD]@]HOST[:PORT][/]; the port is 3128 unless given. Returns PHX_OK,
 * or PHX_ERR_BAD_OPTION with a line for people, which holds nothing of the text, in `error`. */
int phx_proxy_parse(const char *text, struct phx_proxy *proxy, char *error, size_t cap);

/* The variables that tell of proxies; NULL: not set. */
struct phx_proxy_variables {
    const char *http, *https, *all, *no;
};
/* Reads http_proxy, https_proxy, all_proxy and no_proxy, or the same in capitals (HTTP_PROXY not,
 * which a CGI's client can set). */
struct phx_proxy_variables phx_proxy_environment(void);

/* The proxy for a server. `configured` NULL: that of the variables; empty: none; otherwise the one
 * to use. With the variables, this machine itself (localhost, 127.0.0.0/8, ::1) and what no_proxy
 * names is reached directly. Returns as phx_proxy_parse. */
int phx_proxy_for(const char *configured, const struct phx_proxy_variables *variables,
                  const struct phx_url *url, struct phx_proxy *proxy, char *error, size_t cap);

/* Does no_proxy name the host? It is a list, by commas or spaces, of *, names (with or without a
 * dot in front: they and everything below them), addresses and networks such as 10.0.0.0/8, each
 * with :PORT or not. */
bool phx_proxy_is_excepted(const char *no_proxy, struct phx_text host, uint16_t port);

/* As libwebsockets wants it: [USER:PASSWORD@]ADDRESS:PORT. */
void phx_proxy_write(const struct phx_proxy *proxy, const char *address, char *text, size_t cap);

#endif
