/* JSON as Phoenix's encoder writes it. Like the scanner it walks by parent links, not by recursion.
 */
#include "json.h"

static bool is_container(const struct json *value)
{
    return value->type == JSON_OBJECT || value->type == JSON_ARRAY;
}

static void write_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_str(out, "\\\"");
        return;
    case '\\':
        buf_str(out, "\\\\");
        return;
    case '\b':
        buf_str(out, "\\b");
        return;
    case '\f':
        buf_str(out, "\\f");
        return;
    case '\n':
        buf_str(out, "\\n");
        return;
    case '\r':
        buf_str(out, "\\r");
        return;
    case '\t':
        buf_str(out, "\\t");
        return;
    default:
        buf_printf(out, "\\u%04X", c);
    }
}

void json_write_string(struct buf *out, struct slice text)
{
    buf_str(out, "\"");
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buf_add(out, text.data + plain, i - plain);
        write_escaped(out, c);
        plain = i + 1;
    }
    buf_add(out, text.data + plain, text.len - plain);
    buf_str(out, "\"");
}

static void write_open(struct buf *out, const struct json *value)
{
    switch (value->type) {
    case JSON_NULL:
    case JSON_BYTES:
        buf_str(out, "null");
        break;
    case JSON_FALSE:
        buf_str(out, "false");
        break;
    case JSON_TRUE:
        buf_str(out, "true");
        break;
    case JSON_INT:
    case JSON_FLOAT:
        buf_slice(out, value->text);
        break;
    case JSON_STRING:
        json_write_string(out, value->text);
        break;
    case JSON_ARRAY:
        buf_str(out, "[");
        break;
    case JSON_OBJECT:
        buf_str(out, "{");
        break;
    }
}

static void write_key(struct buf *out, const struct json *value)
{
    if (value->parent->type == JSON_OBJECT) {
        json_write_string(out, value->key);
        buf_str(out, ":");
    }
}

/* Ends every container that value is the last of, up to root. Returns the next value, or NULL. */
static const struct json *write_close(struct buf *out, const struct json *value,
                                      const struct json *root)
{
    while (value != root && value->next == NULL) {
        value = value->parent;
        buf_str(out, value->type == JSON_OBJECT ? "}" : "]");
    }
    if (value == root) {
        return NULL;
    }
    buf_str(out, ",");
    return value->next;
}

void json_write(struct buf *out, const struct json *root)
{
    const struct json *value = root;
    while (value != NULL) {
        if (value != root) {
            write_key(out, value);
        }
        write_open(out, value);
        if (is_container(value)) {
            if (value->child != NULL) {
                value = value->child;
                continue;
            }
            buf_str(out, value->type == JSON_OBJECT ? "}" : "]");
        }
        value = write_close(out, value, root);
    }
}
