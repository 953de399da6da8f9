/* Lines for the person watching. Errors of the program itself go to stderr, from where they happen.
 */
#include "log.h"

#include "json.h"

#include <stdio.h>

static void write_plain(struct buf *line, const char *kind, long controller, struct slice text)
{
    if (controller > 0) {
        buf_printf(line, "controller %ld  ", controller);
    }
    if (!slice_eq(slice_of(kind), "upload")) {
        buf_printf(line, text.len > 0 ? "%s " : "%s", kind);
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_add(line, c < 0x20 || c == 0x7F ? "?" : text.data + i, 1);
    }
}

static void write_json(struct buf *line, const char *kind, long controller, struct slice text)
{
    buf_printf(line, "{\"event\":\"%s\",", kind);
    if (controller > 0) {
        buf_printf(line, "\"controller_id\":%ld,", controller);
    }
    buf_str(line, "\"text\":");
    json_write_string(line, text);
    buf_str(line, "}");
}

void log_event(const struct log *log, const char *kind, long controller, struct slice text)
{
    struct buf line = {0};
    if (log->quiet) {
        return;
    }
    (log->json ? write_json : write_plain)(&line, kind, controller, text);
    buf_str(&line, "\n");
    fwrite(line.data, 1, line.len, stdout);
    fflush(stdout);
    buf_deinit(&line);
}
