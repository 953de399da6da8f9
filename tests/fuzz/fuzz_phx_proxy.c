/* fuzz_phx_proxy.c - proxies and no_proxy as they stand in an environment: "PROXY\nHOST\nNO_PROXY".
 */
#include "phx_proxy.h"

#include "phx_json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Ends the first line; returns what follows it. */
static char *cut_line(char *text)
{
    char *end = text + strcspn(text, "\n");

    if (*end)
        *end++ = '\0';
    return end;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *text = malloc(size + 1), *host, *no, written[PHX_PROXY_TEXT_MAX], error[160];
    struct phx_proxy proxy;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    host = cut_line(text);
    no = cut_line(host);
    if (phx_proxy_parse(text, &proxy, error, sizeof error) == PHX_OK) {
        if (!proxy.host[0] || !proxy.port)
            abort();
        phx_proxy_write(&proxy, "::1", written, sizeof written);
        if (strpbrk(written, "\r\n"))
            abort();
    } else if (proxy.host[0]) {
        abort();
    }
    phx_proxy_is_excepted(no, phx_text_of(host), 443);
    free(text);
    return 0;
}
