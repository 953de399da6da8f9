/*
 * What a byte of framing costs an ATmega328P, in clock cycles with call and return: for
 * tools/lib/avr_cycles.py, which compiles this and runs it under avr-run. Lines "NAME CYCLES" on
 * the UART, then "end".
 *
 * Timer 1 counts every cycle. `worst` is one byte, `mean` a byte of frames of 64; encoding has the
 * frame's CRC and codes in its mean, as they are made before the first byte leaves.
 */
#include "mp_frame.h"

#include <avr/io.h>

#define BODY  64
#define KINDS 5

struct cost {
    uint16_t worst;
    uint32_t sum, bytes;
};

static struct mp_framer framer;
static struct mp_deframer deframer;
static uint8_t frame[MP_FRAME_AROUND + BODY], mem[MP_FRAME_AROUND + BODY], wire[BODY + 16];
static uint16_t overhead;

/* -- Counting. */

#define CYCLES(took, work)                               \
    do {                                                 \
        __asm__ volatile("" ::: "memory");               \
        uint16_t before_ = TCNT1;                        \
        __asm__ volatile("" ::: "memory");               \
        work;                                            \
        __asm__ volatile("" ::: "memory");               \
        (took) = (uint16_t)(TCNT1 - before_ - overhead); \
    } while (0)

static void count(struct cost *cost, uint16_t took)
{
    cost->sum += took;
    cost->bytes++;
    if (took > cost->worst)
        cost->worst = took;
}

/* -- Frames. */

static uint8_t content(uint8_t kind, uint8_t at)
{
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    switch (kind) {
    case 0:
        return 0;
    case 1:
        return 0xff;
    case 2:
        return MP_FRAME_VEIL(MP_FRAME_BODY + at); /* all codes */
    case 3:
        return (uint8_t)(random >> 24 & 1 ? MP_FRAME_VEIL(MP_FRAME_BODY + at) : random >> 16);
    default:
        return (uint8_t)(random >> 16);
    }
}

static uint8_t encode(uint8_t kind, struct cost *cost)
{
    uint16_t took;
    uint8_t n = 0;
    frame[MP_FRAME_ID] = 0xa0;
    frame[MP_FRAME_TAG] = 1;
    frame[MP_FRAME_NUMBER] = 2;
    for (uint8_t i = 0; i < BODY; i++)
        frame[MP_FRAME_BODY + i] = content(kind, i);
    CYCLES(took, mp_framer_begin(&framer, frame, BODY, false));
    cost->sum += took;
    while (!mp_framer_idle(&framer)) {
        uint8_t byte;
        CYCLES(took, byte = mp_framer_byte(&framer));
        count(cost, took);
        wire[n++] = byte;
    }
    return n;
}

static enum mp_deframed decode(uint8_t n, struct cost *cost)
{
    enum mp_deframed got = MP_DEFRAMED_MORE;
    for (uint8_t i = 0; i < n; i++) {
        uint16_t took;
        uint8_t byte = wire[i];
        CYCLES(took, got = mp_deframer_byte(&deframer, byte));
        count(cost, took);
    }
    return got;
}

/* -- Telling. */

static void put(char c)
{
    while (!(UCSR0A & 1 << UDRE0))
        ;
    UDR0 = (uint8_t)c;
}

static void say(const char *name, uint32_t value)
{
    char digits[10];
    uint8_t n = 0;
    while (*name != '\0')
        put(*name++);
    put(' ');
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        put(digits[--n]);
    put('\n');
}

int main(void)
{
    struct cost encoding = {0}, decoding = {0}, odd = {0};
    uint8_t wrong = 0;
    UCSR0B = 1 << TXEN0;
    TCCR1B = 1 << CS10;
    CYCLES(overhead, );
    mp_deframer_init(&deframer, mem, BODY);
    for (uint8_t kind = 0; kind < KINDS; kind++) {
        uint8_t n = encode(kind, &encoding);
        wrong |= decode(n, &decoding) != MP_DEFRAMED_FRAME;
        /* Cut short; damaged; and longer than the memory. */
        uint8_t last = wire[n - 2];
        wire[n - 2] = 0;
        wrong |= decode((uint8_t)(n - 1), &odd) != MP_DEFRAMED_BAD;
        wire[n - 2] = last == 1 ? 2 : 1;
        wrong |= decode(n - 1, &odd) != MP_DEFRAMED_MORE;
        wrong |= decode(n, &odd) != MP_DEFRAMED_BAD;
    }
    say("encode.worst", encoding.worst);
    say("encode.mean", (encoding.sum + encoding.bytes / 2) / encoding.bytes);
    say("decode.worst", odd.worst > decoding.worst ? odd.worst : decoding.worst);
    say("decode.mean", (decoding.sum + decoding.bytes / 2) / decoding.bytes);
    say("wrong", wrong);
    say("end", 0);
    for (;;)
        ;
}
