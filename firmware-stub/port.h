/*
 * port.h - what the sample firmware asks of the board it runs on: these functions and nothing else.
 *
 * To run it on your board, write them in one file of firmware-stub/port/YOURS and call fw_main from
 * its start-up code. Everything is called from one context, never from an interrupt.
 */
#ifndef PORT_H
#define PORT_H

#include "mp_bulk_device.h"
#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds since some start, by a counter that never stops and wraps at 2^32. It must come from
 * a free-running timer: a count kept by a tick interrupt loses time under load. */
uint32_t port_micros(void);

/* Moves what has arrived on the UART, at most `cap` bytes, and returns how many; never waits. What
 * has arrived and was not yet asked for is kept; when the port's memory for it is full, the line is
 * held up where the hardware can do that, and else the newest bytes are lost. */
size_t port_uart_read(uint8_t *out, size_t cap);

/* Gives bytes to the UART and returns how many it took, 0 to `n`; never waits. What was taken
 * reaches the line in order. */
size_t port_uart_write(const uint8_t *bytes, size_t n);

/* Sleeps until a byte arrives, until the UART has room again after a write that was cut short, or
 * for `us` microseconds, whichever comes first. Returning early is harmless. That it is called
 * shows that the firmware lives: an image on trial that calls it no more is taken back. */
void port_idle(uint32_t us);

/* The identity: the one that port_store_id kept, else the board's own. Returns its length, 0 when
 * it has none. */
uint8_t port_device_id(uint8_t out[MP_DEVICE_ID_MAX]);

/* Keeps a new identity over resets and power loss; port_device_id returns it from the next start
 * on. False: it could not be kept. */
bool port_store_id(const uint8_t *id, uint8_t len);

/* What names this very image, such as its GNU build id. Returns its length, 0 when unknown. */
uint8_t port_image_id(uint8_t out[MP_IMAGE_ID_MAX]);

/* The next three are only asked for with FW_IMAGES set to 1.
 *
 * Where uploaded images go (mp_bulk_device.h); NULL: this board stores none, and uploads are
 * refused. */
const struct mp_bulk_store *port_image_store(void);

/* How an update stands, as seen from the image that runs. */
enum port_image_state {
    PORT_IMAGE_SETTLED,
    PORT_IMAGE_COMMITTED, /* another image is to run from the next start on */
    PORT_IMAGE_ON_TRIAL,  /* this one: unless it confirms itself, it is taken back */
    PORT_IMAGE_TAKEN_BACK /* this one is back since the latest update failed */
};
enum port_image_state port_image_state(void);

/* This image works: it stays. Harmless when it is not on trial. */
void port_image_confirm(void);

/* Why the board started: enum mp_reset_cause. */
uint8_t port_reset_cause(void);

/* Starts the board anew. May return: then port_running says false from now on. */
void port_reset(void);

/* False: fw_main is to return. Always true on a board, which has nowhere to return to. */
bool port_running(void);

/* The version of this image, as it was built. */
const char *port_version(void);

/* What the image was built for, such as "cortex-m3" and "mps2-an385". */
const char *port_architecture(void);
const char *port_platform(void);

/* Switches whatever shows a person which board this is: an LED, a line of text. */
void port_identify(bool on);

/* Starts the noise of the simulated sensors: the same number gives the same noise. */
uint32_t port_seed(void);

#endif
