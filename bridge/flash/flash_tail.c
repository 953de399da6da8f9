/*
 * A ring of lines, cleaned when they are asked for.
 */
#include "flash_tail.h"

#include "base/utf8.h"

#include <string.h>

#define BETWEEN " / "

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80);
}

static bool says_something(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_word(line[i]))
            return true;
    return false;
}

static void end_line(struct flash_tail *tail)
{
    if (!tail->growing)
        return;
    if (says_something(tail->lines[tail->at], tail->lens[tail->at]))
        tail->at = (tail->at + 1) % FLASH_TAIL_LINES;
    tail->lens[tail->at] = 0;
    tail->growing = false;
}

void flash_tail_bytes(struct flash_tail *tail, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n' || c == '\r') {
            end_line(tail);
            continue;
        }
        if (c < ' ' && c != '\t')
            continue;
        if (c == '\t' || c == 0x7f)
            c = ' ';
        if (c == ' ' && !tail->growing)
            continue;
        tail->growing = true;
        if (tail->lens[tail->at] < FLASH_TAIL_LINE_MAX)
            tail->lines[tail->at][tail->lens[tail->at]++] = (char)c;
    }
}

/* U+0080 to U+009F are control characters too, some terminals obey them. */
static size_t drop_controls(char *text, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
            i++;
        else
            text[kept++] = text[i];
    }
    text[kept] = '\0';
    return kept;
}

size_t flash_tail_text(const struct flash_tail *tail, char out[static FLASH_TAIL_TEXT_MAX])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 1; i <= FLASH_TAIL_LINES; i++) {
        size_t line = (tail->at + i) % FLASH_TAIL_LINES, len = tail->lens[line];
        while (len > 0 && tail->lines[line][len - 1] == ' ')
            len--;
        if (!says_something(tail->lines[line], len))
            continue;
        if (n > 0) {
            memcpy(out + n, BETWEEN, sizeof(BETWEEN));
            n += sizeof(BETWEEN) - 1;
        }
        size_t added = utf8_clean(tail->lines[line], len, out + n, FLASH_TAIL_TEXT_MAX - n);
        n += drop_controls(out + n, added);
    }
    return n;
}
