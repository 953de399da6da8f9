/*
 * Any bytes as a flasher's output: the percentage only rises and ends at most at 100, the reason is
 * clean UTF-8, and neither depends on how the output was cut.
 */
#include "base/utf8.h"
#include "flash/flash_progress.h"
#include "flash/flash_tail.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t n)
{
    if (n >= FLASH_TAIL_TEXT_MAX || strlen(text) != n)
        abort();
    for (size_t i = 0; i < n;) {
        const unsigned char *c = (const unsigned char *)text + i;
        size_t taken = utf8_sequence(c, n - i);
        if (taken == 0 || *c < ' ' || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            abort();
        i += taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flash_progress whole = {0}, parts = {0};
    struct flash_tail whole_tail = {0}, parts_tail = {0};
    char text[FLASH_TAIL_TEXT_MAX], parts_text[FLASH_TAIL_TEXT_MAX];
    unsigned last = 0;

    flash_progress_bytes(&whole, (const char *)data, size);
    flash_tail_bytes(&whole_tail, (const char *)data, size);
    for (size_t i = 0; i < size; i++) {
        bool rose = flash_progress_bytes(&parts, (const char *)data + i, 1);
        flash_tail_bytes(&parts_tail, (const char *)data + i, 1);
        if (parts.percent < last || parts.percent > 100 || rose != (parts.percent > last))
            abort();
        last = parts.percent;
    }
    size_t n = flash_tail_text(&whole_tail, text);
    check_text(text, n);
    if (whole.percent != parts.percent || flash_tail_text(&parts_tail, parts_text) != n ||
        memcmp(text, parts_text, n) != 0)
        abort();
    return 0;
}
