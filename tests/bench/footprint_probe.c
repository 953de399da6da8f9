/* What a part of mcu-protocol asks of the caller's memory, for tools/lib/footprint.py to measure:
 * the size of `footprint_probe`. Framing: 64-byte payload, both directions. Link and device: a
 * window of four messages of 32 bytes. */
#include "mp_device.h"
#include "mp_frame.h"

#define WINDOW 4
#define BODY   32

#if defined(PROBE_FRAMING)
char footprint_probe[sizeof(struct mp_framer) + sizeof(struct mp_deframer) + 64];
#elif defined(PROBE_LINK)
char footprint_probe[sizeof(struct mp_link) + WINDOW * (BODY + 8) + MP_LINK_RX_MIN(BODY)];
#else
char footprint_probe[sizeof(struct mp_device) + WINDOW * (BODY + 8) + MP_LINK_RX_MIN(MP_BODY_MIN)];
#endif
