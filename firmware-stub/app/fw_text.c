/*
 * Text for log lines and the console, in the few forms that they need. Which text, and where it
 * goes, is for the callers.
 */
#include "fw_text.h"

#define NUMBER_LIMIT 1000000

void fw_text_begin(struct fw_text *text, char *at, size_t cap)
{
    *text = (struct fw_text){.at = at, .cap = cap};
    at[0] = '\0';
}

static void add_char(struct fw_text *text, char c)
{
    if (text->len + 1 >= text->cap)
        return;
    text->at[text->len++] = c;
    text->at[text->len] = '\0';
}

void fw_text_add(struct fw_text *text, const char *piece)
{
    char c;

    while ((c = FW_ROM_CHAR(piece++)) != '\0')
        add_char(text, c);
}

void fw_text_add_plain(struct fw_text *text, const char *piece)
{
    while (*piece != '\0')
        add_char(text, *piece++);
}

void fw_text_add_number(struct fw_text *text, int32_t value, uint8_t decimals)
{
    char digits[10]; /* backwards: 2^32 has ten */
    uint8_t count = 0;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;

    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 || count <= decimals);
    if (value < 0)
        add_char(text, '-');
    while (count > 0) {
        add_char(text, digits[--count]);
        if (count == decimals && count > 0)
            add_char(text, '.');
    }
}

/* Digits at *at appended to *value; returns how many there were, or -1 when the value gets too big.
 */
static int read_digits(const char **at, int32_t *value)
{
    int count = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++, count++) {
        *value = *value * 10 + (**at - '0');
        if (*value > NUMBER_LIMIT)
            return -1;
    }
    return count;
}

bool fw_text_read_number(const char *text, uint8_t decimals, int32_t *value)
{
    bool negative = *text == '-';
    int32_t number = 0;
    int after = 0;

    if (negative)
        text++;
    if (read_digits(&text, &number) <= 0)
        return false;
    if (*text == '.') {
        text++;
        after = read_digits(&text, &number);
        if (after <= 0 || after > decimals)
            return false;
    }
    if (*text != '\0')
        return false;
    for (; after < decimals; after++) {
        number *= 10;
        if (number > NUMBER_LIMIT)
            return false;
    }
    *value = negative ? -number : number;
    return true;
}
