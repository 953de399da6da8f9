/*
 * phx_resolve.c - getaddrinfo on libuv's helper threads.
 */
#include "phx_resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct phx_resolve {
    uv_getaddrinfo_t request;
    void (*done)(void *user, const struct phx_addresses *addresses, const char *error);
    void (*over)(void *user);
    void *user;
};

bool phx_resolve_numeric(const char *host, struct phx_addresses *addresses)
{
    unsigned char binary[sizeof(struct in6_addr)];
    size_t len = strlen(host);

    if (len >= sizeof addresses->text[0] ||
        (inet_pton(AF_INET, host, binary) != 1 && inet_pton(AF_INET6, host, binary) != 1))
        return false;
    addresses->count = 1;
    memcpy(addresses->text[0], host, len + 1);
    return true;
}

static void collect(const struct addrinfo *list, struct phx_addresses *addresses)
{
    for (; list && addresses->count < PHX_ADDRESSES_MAX; list = list->ai_next) {
        char *text = addresses->text[addresses->count];
        if (uv_ip_name(list->ai_addr, text, sizeof addresses->text[0]) == 0)
            addresses->count++;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct phx_resolve *resolve = request->data;
    struct phx_addresses addresses = {.count = 0};

    if (status == 0)
        collect(list, &addresses);
    uv_freeaddrinfo(list);
    if (resolve->over)
        resolve->over(resolve->user);
    else if (addresses.count)
        resolve->done(resolve->user, &addresses, NULL);
    else
        resolve->done(resolve->user, NULL, status ? uv_strerror(status) : "no address");
    free(resolve);
}

struct phx_resolve *phx_resolve_start(
    uv_loop_t *loop, const char *host,
    void (*done)(void *user, const struct phx_addresses *addresses, const char *error), void *user)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct phx_resolve *resolve = calloc(1, sizeof *resolve);

    if (!resolve)
        return NULL;
    resolve->done = done;
    resolve->user = user;
    resolve->request.data = resolve;
    if (uv_getaddrinfo(loop, &resolve->request, on_resolved, host, NULL, &hints)) {
        free(resolve);
        return NULL;
    }
    return resolve;
}

void phx_resolve_cancel(struct phx_resolve *resolve, void (*over)(void *user), void *user)
{
    resolve->over = over;
    resolve->user = user;
    uv_cancel((uv_req_t *)&resolve->request);
}
