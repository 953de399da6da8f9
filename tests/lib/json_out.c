/*
 * JSON lines out. Which there are is each probe's.
 */
#include "json_out.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void json_begin(const char *event)
{
    printf("{\"event\":\"%s\"", event);
}

void json_end(void)
{
    puts("}");
    fflush(stdout);
}

static void put(const uint8_t *bytes, size_t n, unsigned char highest)
{
    putchar('"');
    for (size_t i = 0; i < n; i++)
        if (bytes[i] < ' ' || bytes[i] == '"' || bytes[i] == '\\' || bytes[i] > highest)
            printf("\\u%04x", bytes[i]);
        else
            putchar(bytes[i]);
    putchar('"');
}

void json_put_text(const char *text, size_t n)
{
    put((const uint8_t *)text, n, 0xff);
}

void json_put_bytes(const void *bytes, size_t n)
{
    put(bytes, n, '~');
}

static void put_name(const char *name)
{
    printf(",\"%s\":", name);
}

void json_text(const char *name, const char *text)
{
    put_name(name);
    json_put_text(text, strlen(text));
}

void json_bytes(const char *name, const void *bytes, size_t n)
{
    put_name(name);
    json_put_bytes(bytes, n);
}

void json_hex(const char *name, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    put_name(name);
    putchar('"');
    for (size_t i = 0; i < n; i++)
        printf("%02x", at[i]);
    putchar('"');
}

void json_number(const char *name, long long number)
{
    printf(",\"%s\":%lld", name, number);
}

void json_bool(const char *name, bool is)
{
    printf(",\"%s\":%s", name, is ? "true" : "false");
}

void json_value(const char *name, const char *json, size_t n)
{
    put_name(name);
    fwrite(json, 1, n, stdout);
}
