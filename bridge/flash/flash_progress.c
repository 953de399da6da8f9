/*
 * A byte at a time, so that it does not matter how the output was cut. It judges no flasher's
 * success: that is the exit status's affair.
 */
#include "flash_progress.h"

#include <string.h>

#define BAR_PERCENT  2   /* avrdude's bar is 50 wide */
#define NUMBER_MOST  100 /* larger is no percentage */
#define NUMBER_LARGE 1000

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The first letters of the line. */
static void take_word(struct flash_progress *p, char c)
{
    static const char others[][FLASH_PROGRESS_WORD + 1] = {"read", "veri", "eras"};

    if (p->word_ended || (p->word_len == 0 && (c == ' ' || c == '\t')))
        return;
    if (!is_letter(c)) {
        p->word_ended = true;
        return;
    }
    p->word[p->word_len++] = (char)(c | 0x20);
    if (p->word_len < FLASH_PROGRESS_WORD)
        return;
    p->word_ended = true;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        p->other |= memcmp(p->word, others[i], FLASH_PROGRESS_WORD) == 0;
}

/* Returns the percentage that ends with this byte, or -1. */
static int take_number(struct flash_progress *p, char c)
{
    bool number = p->number == FLASH_NUMBER_WHOLE || p->number == FLASH_NUMBER_FRACTION ||
                  p->number == FLASH_NUMBER_SPACE;

    if (c == '%' && number) {
        p->number = FLASH_NUMBER_NONE;
        return p->value <= NUMBER_MOST ? (int)p->value : -1;
    }
    if (is_digit(c)) {
        if (p->number == FLASH_NUMBER_NONE || p->number == FLASH_NUMBER_SPACE) {
            p->number = FLASH_NUMBER_WHOLE;
            p->value = 0;
        }
        if (p->number == FLASH_NUMBER_WHOLE && p->value < NUMBER_LARGE)
            p->value = p->value * 10 + (unsigned)(c - '0');
    } else if (c == '.' && p->number == FLASH_NUMBER_WHOLE) {
        p->number = FLASH_NUMBER_FRACTION;
    } else if (c == ' ' &&
               (p->number == FLASH_NUMBER_WHOLE || p->number == FLASH_NUMBER_FRACTION)) {
        p->number = FLASH_NUMBER_SPACE;
    } else if (is_letter(c) || c == '.' || c == '-' || c == '_' || (c & 0x80)) {
        p->number = FLASH_NUMBER_NOT;
    } else {
        p->number = FLASH_NUMBER_NONE;
    }
    return -1;
}

/* Only behind one word, as in "Writing | ###". Returns the percentage, or -1. */
static int take_bar(struct flash_progress *p, char c)
{
    switch (p->bar) {
    case FLASH_BAR_NO:
        if (c == '|' && p->word_len > 0)
            p->bar = FLASH_BAR_BEGUN;
        break;
    case FLASH_BAR_BEGUN:
        if (c == '#' && p->hashes < NUMBER_MOST / BAR_PERCENT)
            return (int)(++p->hashes * BAR_PERCENT);
        if (c != ' ' || p->hashes > 0)
            p->bar = FLASH_BAR_ENDED;
        break;
    case FLASH_BAR_ENDED:
        break;
    }
    return -1;
}

static void end_line(struct flash_progress *p)
{
    *p = (struct flash_progress){.percent = p->percent};
}

static void raise_to(struct flash_progress *p, int percent)
{
    if (!p->other && percent > (int)p->percent)
        p->percent = (unsigned)percent;
}

bool flash_progress_bytes(struct flash_progress *progress, const char *bytes, size_t n)
{
    unsigned before = progress->percent;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r') {
            end_line(progress);
            continue;
        }
        take_word(progress, bytes[i]);
        raise_to(progress, take_bar(progress, bytes[i]));
        raise_to(progress, take_number(progress, bytes[i]));
    }
    return progress->percent > before;
}
