/*
 * port.h for the MPS2 board (Cortex-M3, AN385): one UART with a receive ring, a free-running
 * microsecond counter, and identities in PSRAM. Vectors and memory set-up are start.c's.
 */
#include "board.h"

#include "boot_image.h"
#include "boot_store.h"
#include "fw_app.h"
#include "fw_info.h"
#include "mps2.h"
#include "port.h"

#include <string.h>

#define RING_BYTES 1024u /* a power of two */
#define BAUD       115200u

/* The interrupt moves `head`, the application `tail`; both count on for ever. */
static struct {
    volatile uint32_t head, tail;
    volatile uint8_t bytes[RING_BYTES];
} ring;

static bool write_cut_short;

/* Behind the vectors: FW_IMAGE_INFO_AT. */
const struct fw_image_info image_info __attribute__((section(".image_info"), used)) = FW_IMAGE_INFO;

/* Volatile: the first is written by nobody here. */
static volatile struct board_id ids[2] __attribute__((section(".ids"), used));
enum { OWN_ID, STORED_ID };

extern const uint8_t build_id_start[], build_id_end[];

static void lock(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
}

static void unlock(void)
{
    __asm__ volatile("cpsie i" ::: "memory");
}

/* -- Start. */

/* Also switches the UART on. */
static void wake_with_room(bool wanted)
{
    uint32_t control = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE | UART_CTRL_RX_INT;

    UART_CTRL = wanted ? control | UART_CTRL_TX_INT : control;
}

void board_start(void)
{
    FPGAIO_PRESCALE = CLOCK_MHZ - 1;
    UART_BAUDDIV = CLOCK_MHZ * 1000000u / BAUD;
    wake_with_room(false);
    NVIC_ENABLE = 1u << UART0_RX_IRQ | 1u << UART0_TX_IRQ | 1u << TIMER0_IRQ;
}

void port_reset(void)
{
    board_restart(MP_RESET_SOFTWARE);
}

bool port_running(void)
{
    return true;
}

uint8_t port_reset_cause(void)
{
    return (uint8_t)((const struct board_kept *)BOARD_KEPT_AT)->cause;
}

/* Nothing has fed it: an image on trial hangs. It is not on otherwise. */
void board_on_watchdog(void)
{
    board_restart(MP_RESET_WATCHDOG);
}

const struct mp_bulk_store *port_image_store(void)
{
    return &boot_store;
}

void port_image_confirm(void)
{
    boot_confirm();
    WATCHDOG_CTRL = 0;
}

/* -- The UART. */

static uint32_t ring_used(void)
{
    return ring.head - ring.tail;
}

/* With the ring full the interrupt stays pending and the byte in the UART, which holds up the line.
 */
void board_on_uart_rx(void)
{
    UART_INTCLEAR = UART_INT_RX;
    while (UART_STATE & UART_STATE_RX_FULL) {
        if (ring_used() == RING_BYTES) {
            NVIC_DISABLE = 1u << UART0_RX_IRQ;
            return;
        }
        ring.bytes[ring.head % RING_BYTES] = (uint8_t)UART_DATA;
        ring.head++;
    }
}

size_t port_uart_read(uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (n < cap && ring_used() > 0) {
        out[n++] = ring.bytes[ring.tail % RING_BYTES];
        ring.tail++;
    }
    /* A byte that waited in the UART raised its interrupt before it was masked. */
    if (n > 0) {
        lock();
        board_on_uart_rx();
        unlock();
        NVIC_ENABLE = 1u << UART0_RX_IRQ;
    }
    return n;
}

/* Only wakes port_idle. */
void board_on_uart_tx(void)
{
    UART_INTCLEAR = UART_INT_TX;
}

static bool uart_has_room(void)
{
    return !(UART_STATE & UART_STATE_TX_FULL);
}

size_t port_uart_write(const uint8_t *bytes, size_t n)
{
    size_t taken = 0;

    while (taken < n && uart_has_room())
        UART_DATA = bytes[taken++];
    write_cut_short = taken < n;
    return taken;
}

/* -- Time. */

uint32_t port_micros(void)
{
    return FPGAIO_COUNTER;
}

void board_on_timer(void)
{
    TIMER_CTRL = 0;
    TIMER_INTCLEAR = 1;
}

/* Interrupts are held back from the timer's start to the sleep: one that comes in between, the
 * timer's among them, still ends it. */
void port_idle(uint32_t us)
{
    const uint32_t longest = UINT32_MAX / CLOCK_MHZ;

    WATCHDOG_INTCLEAR = 1;
    if (us == 0)
        return;
    lock();
    TIMER_RELOAD = 0;
    TIMER_VALUE = (us < longest ? us : longest) * CLOCK_MHZ;
    TIMER_CTRL = TIMER_CTRL_ENABLE | TIMER_CTRL_INT;
    wake_with_room(write_cut_short);
    if (ring_used() == 0 && !(write_cut_short && uart_has_room()))
        __asm__ volatile("wfi" ::: "memory");
    unlock();
    wake_with_room(false);
    board_on_timer();
}

/* -- Identity. */

static uint8_t read_id(const volatile struct board_id *id, uint8_t out[MP_DEVICE_ID_MAX])
{
    if (id->magic != BOARD_ID_MAGIC || id->len > MP_DEVICE_ID_MAX)
        return 0;
    for (uint32_t i = 0; i < id->len; i++)
        out[i] = id->bytes[i];
    return (uint8_t)id->len;
}

uint8_t port_device_id(uint8_t out[MP_DEVICE_ID_MAX])
{
    uint8_t len = read_id(&ids[STORED_ID], out);

    return len ? len : read_id(&ids[OWN_ID], out);
}

/* The magic goes first and comes last: a reset in between leaves no half identity. */
bool port_store_id(const uint8_t *id, uint8_t len)
{
    volatile struct board_id *stored = &ids[STORED_ID];

    if (len > MP_DEVICE_ID_MAX)
        return false;
    stored->magic = 0;
    stored->len = len;
    for (uint8_t i = 0; i < len; i++)
        stored->bytes[i] = id[i];
    stored->magic = BOARD_ID_MAGIC;
    return true;
}

/* An ELF note: three words, the name "GNU", the id. */
uint8_t port_image_id(uint8_t out[MP_IMAGE_ID_MAX])
{
    const size_t header = 3 * sizeof(uint32_t) + 4;
    size_t len = (size_t)(build_id_end - build_id_start);

    if (len <= header)
        return 0;
    len -= header;
    if (len > MP_IMAGE_ID_MAX)
        len = MP_IMAGE_ID_MAX;
    memcpy(out, build_id_start + header, len);
    return (uint8_t)len;
}

const char *port_version(void)
{
    return FW_VERSION;
}

const char *port_architecture(void)
{
    return "cortex-m3";
}

const char *port_platform(void)
{
    return BOARD_PLATFORM;
}

void port_identify(bool on)
{
    FPGAIO_LEDS = on ? 1 : 0;
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
