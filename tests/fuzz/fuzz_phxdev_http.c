/* fuzz_phxdev_http.c - requests to phx-dev as far as they are text: heads, queries, paths, and the
 * tokens of long polling. */
#include "http.h"
#include "longpoll_token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_token(struct slice token)
{
    unsigned char id[LONGPOLL_ID_BYTES];
    struct buf again = {0};
    enum longpoll_token found = longpoll_token_read(token, 1000000, 1000, id);

    if (found == TOKEN_FORGED) {
        return;
    }
    longpoll_token_write(id, 0, &again);
    if (again.len != token.len) {
        abort();
    }
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct http_request request;
    struct slice parts[8];
    struct buf token = {0};
    struct buf json = {0};
    size_t used = 0;
    char *bytes = copy_bytes((const char *)data, size);

    read_token((struct slice){bytes, size});
    if (http_parse(&request, bytes, size, &used) == HTTP_DONE) {
        if (used > size) {
            abort();
        }
        http_query(request.query, "token", &token);
        read_token(buf_all(&token));
        read_token(http_header(&request, "x-phoenix-longpoll-token"));
        http_query_json(request.query, &json);
        http_path_parts(request.path, parts, sizeof parts / sizeof *parts);
        http_header_has(&request, "connection", "close");
    }
    buf_deinit(&token);
    buf_deinit(&json);
    free(bytes);
    return 0;
}
