/*
 * port.h for an ATmega328P or ATmega2560 at 16 MHz on UART0: what an Arduino Uno and Mega are
 * without Arduino. Both UART directions go through a ring, timer 1 is the clock.
 */
#include "board.h"
#include "boot_rx.h"
#include "eeprom_id.h"
#include "fw_app.h"
#include "fw_info.h"
#include "port.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

#define TICKS_US 2u /* of timer 1 in a microsecond */

/* Both rings are a power of two long, which port.cmake sets: 11 bytes are a millisecond at 115200
 * baud. The interrupts move `head` of rx and `tail` of tx, the application the other two; all count
 * on for ever. */
static struct {
    volatile uint8_t head, tail;
    volatile uint8_t bytes[BOARD_RX_BYTES];
} rx;

static struct {
    volatile uint8_t head, tail;
    volatile uint8_t bytes[BOARD_TX_BYTES];
} tx;

static volatile uint32_t overflows; /* of timer 1 */
static bool write_cut_short;

static uint8_t reset_flags __attribute__((section(".noinit"))); /* set before variables are */

/* Behind the vectors, which are first in the image: FW_IMAGE_INFO_AT. */
const struct fw_image_info image_info __attribute__((section(".vectors"), used)) = FW_IMAGE_INFO;

extern const uint8_t build_id[]; /* build_id.ld: in flash */

/* -- Start. */

/* Before anything else: a watchdog that has fired goes on with its shortest time. With MCUSR clear
 * a boot loader was here before: it has put the flags into GPIOR0, and its watchdog may be running.
 */
static void save_reset_flags(void) __attribute__((naked, used, section(".init3")));
static void save_reset_flags(void)
{
    reset_flags = MCUSR;
    if (reset_flags == 0) {
        reset_flags = GPIOR0;
    } else {
        MCUSR = 0;
        wdt_disable();
    }
}

static void start_uart(void)
{
    UCSR0A = 1 << U2X0;
    UBRR0 = (uint16_t)((F_CPU / 4 / FW_BAUD - 1) / 2);
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

static void start_clock(void)
{
    TCCR1A = 0;
    TCCR1B = 1 << CS11; /* an eighth of 16 MHz */
    TIMSK1 = 1 << TOIE1;
}

int main(void)
{
#if FW_HANG
    for (;;)
        ;
#endif
    start_uart();
    start_clock();
    sei();
    (void)fw_main();
    port_reset();
    return 0;
}

uint8_t port_reset_cause(void)
{
    bool asked_for = board_restarting == BOARD_RESTARTING || GPIOR1;

    board_restarting = 0;
    if (reset_flags & 1 << PORF)
        return MP_RESET_POWER;
    if (reset_flags & 1 << BORF)
        return MP_RESET_BROWNOUT;
    if (reset_flags & 1 << EXTRF)
        return MP_RESET_PIN;
    if (reset_flags & 1 << WDRF)
        return asked_for ? MP_RESET_SOFTWARE : MP_RESET_WATCHDOG;
    return MP_RESET_UNKNOWN;
}

/* Only the watchdog resets the peripherals too. */
void port_reset(void)
{
    board_restarting = BOARD_RESTARTING;
    wdt_enable(WDTO_15MS);
    for (;;)
        ;
}

bool port_running(void)
{
    return true;
}

/* -- The UART. */

#if defined USART_RX_vect
#define UART_RX_VECTOR   USART_RX_vect
#define UART_ROOM_VECTOR USART_UDRE_vect
#else
#define UART_RX_VECTOR   USART0_RX_vect
#define UART_ROOM_VECTOR USART0_UDRE_vect
#endif

/* This UART cannot hold up the line: with the ring full the newest byte is lost. */
ISR(UART_RX_VECTOR)
{
    uint8_t byte = UDR0;

    if ((uint8_t)(rx.head - rx.tail) < BOARD_RX_BYTES - 1)
        rx.bytes[rx.head++ % BOARD_RX_BYTES] = byte;
}

ISR(UART_ROOM_VECTOR)
{
    if (tx.head != tx.tail)
        UDR0 = tx.bytes[tx.tail++ % BOARD_TX_BYTES];
    else
        UCSR0B &= (uint8_t) ~(1 << UDRIE0);
}

size_t port_uart_read(uint8_t *out, size_t cap)
{
    size_t n = 0;

    for (; n < cap && rx.head != rx.tail; rx.tail++)
        out[n++] = rx.bytes[rx.tail % BOARD_RX_BYTES];
    return n;
}

static uint8_t tx_used(void)
{
    return (uint8_t)(tx.head - tx.tail);
}

size_t port_uart_write(const uint8_t *bytes, size_t n)
{
    size_t taken = 0;

    for (; taken < n && tx_used() < BOARD_TX_BYTES; tx.head++)
        tx.bytes[tx.head % BOARD_TX_BYTES] = bytes[taken++];
    if (taken > 0) {
        ATOMIC_BLOCK(ATOMIC_FORCEON)
        {
            UCSR0B |= 1 << UDRIE0;
        }
    }
    write_cut_short = taken < n;
    return taken;
}

#if FW_IMAGES
/* An EEPROM write that is under way would stop the flash. */
void board_program_page(uint32_t at, const uint8_t *bytes)
{
    const struct boot_rx ring = {rx.bytes, &rx.head, &rx.tail, BOARD_RX_BYTES - 1};

    eeprom_busy_wait();
    boot_program_page(at, bytes, &ring);
}
#endif

/* -- Time. */

ISR(TIMER1_OVF_vect)
{
    overflows++;
}

/* Only ends a sleep. */
EMPTY_INTERRUPT(TIMER1_COMPA_vect)

/* An overflow that the interrupt has not yet counted shows as its flag; whether it came before the
 * counter was read is told by the counter. */
uint32_t port_micros(void)
{
    uint32_t high;
    uint16_t low;

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        low = TCNT1;
        high = overflows;
        if ((TIFR1 & 1 << TOV1) && low < 0x8000u)
            high++;
    }
    return high * (0x10000u / TICKS_US) + low / TICKS_US;
}

static bool something_to_do(void)
{
    return rx.head != rx.tail || (write_cut_short && tx_used() <= BOARD_TX_BYTES / 2);
}

/* Interrupts are held back from the last look to the sleep: one that comes in between still ends
 * it. The overflow of timer 1 bounds each sleep, the compare ends the last one on time. Its
 * flag is left as it is: one that is still set ends one sleep early, and libsimavr clears all flags
 * of the timer when one is cleared, an overflow that is due among them. */
void port_idle(uint32_t us)
{
    const uint32_t shortest = 20; /* less than it takes to fall asleep */
    uint32_t begun = port_micros(), gone = 0;

    wdt_reset();
    for (; gone + shortest < us; gone = port_micros() - begun) {
        cli();
        if (something_to_do()) {
            sei();
            return;
        }
        if (us - gone < 0x10000u / TICKS_US) {
            OCR1A = (uint16_t)(TCNT1 + (us - gone) * TICKS_US);
            TIMSK1 |= 1 << OCIE1A;
        }
        SMCR = 1 << SE; /* idle: timer and UART go on */
        sei();
        sleep_cpu();
        SMCR = 0;
        TIMSK1 &= (uint8_t) ~(1 << OCIE1A);
    }
}

/* -- Identity. */

static uint8_t *slot_at(enum eeprom_id_slot slot)
{
    return (uint8_t *)(uintptr_t)(slot * EEPROM_ID_BYTES);
}

static uint8_t read_id(enum eeprom_id_slot slot, uint8_t out[MP_DEVICE_ID_MAX])
{
    const uint8_t *at = slot_at(slot);
    uint8_t len = eeprom_read_byte(at + 1);

    if (eeprom_read_byte(at) != EEPROM_ID_MARK || len > MP_DEVICE_ID_MAX)
        return 0;
    eeprom_read_block(out, at + EEPROM_ID_HEAD, len);
    return len;
}

uint8_t port_device_id(uint8_t out[MP_DEVICE_ID_MAX])
{
    uint8_t len = read_id(EEPROM_ID_STORED, out);

    return len ? len : read_id(EEPROM_ID_OWN, out);
}

/* The mark goes first and comes last: a reset in between leaves no half identity. */
bool port_store_id(const uint8_t *id, uint8_t len)
{
    uint8_t *at = slot_at(EEPROM_ID_STORED);

    if (len > MP_DEVICE_ID_MAX)
        return false;
    eeprom_update_byte(at, 0xff);
    eeprom_update_byte(at + 1, len);
    eeprom_update_block(id, at + EEPROM_ID_HEAD, len);
    eeprom_update_byte(at, EEPROM_ID_MARK);
    return true;
}

/* An ELF note: length of the name, of the id, and the type; the name "GNU"; the id. */
uint8_t port_image_id(uint8_t out[MP_IMAGE_ID_MAX])
{
    const uint8_t *len_at = build_id + sizeof(uint32_t);
    const uint8_t *id_at = build_id + 3 * sizeof(uint32_t) + sizeof "GNU";

    if (pgm_read_dword(len_at) != MP_IMAGE_ID_MAX)
        return 0;
    memcpy_P(out, id_at, MP_IMAGE_ID_MAX);
    return MP_IMAGE_ID_MAX;
}

const char *port_version(void)
{
    return FW_VERSION;
}

const char *port_architecture(void)
{
    return "avr";
}

const char *port_platform(void)
{
    return BOARD_PLATFORM;
}

/* The LED of both Arduino boards. */
#if defined __AVR_ATmega328P__
#define LED_BIT (1 << PB5)
#else
#define LED_BIT (1 << PB7)
#endif

void port_identify(bool on)
{
    DDRB |= LED_BIT;
    if (on)
        PORTB |= LED_BIT;
    else
        PORTB &= (uint8_t)~LED_BIT;
}

/* From the identity, so that no two boards have the same noise. */
uint32_t port_seed(void)
{
    uint8_t id[MP_DEVICE_ID_MAX];
    uint8_t len = port_device_id(id);
    uint32_t hash = 2166136261u;

    for (uint8_t i = 0; i < len; i++)
        hash = (hash ^ id[i]) * 16777619u;
    return hash;
}
