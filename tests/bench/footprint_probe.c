/* What a part of mcu-protocol asks of the caller's memory, for tools/lib/footprint.py to measure:
 * the size of `footprint_probe`. Framing: both directions, and a frame of 64 bytes in memory. Link:
 * frames of up to 64 bytes, and a window of four messages of 32 bytes both ways. Device: the least.
 */
#include "mp_device.h"
#include "mp_frame.h"

#define WINDOW 4
#define BODY   32
#define FRAME  (MP_FRAME_AROUND + MP_BODY_MIN + 1)
#define TX     (FRAME + WINDOW * MP_LINK_TX_BYTES(BODY))
#define RX     (FRAME + (WINDOW - 1) * MP_LINK_RX_BYTES(BODY))
_Static_assert(TX >= MP_LINK_TX_MIN(MP_BODY_MIN) && RX >= MP_LINK_RX_MIN(MP_BODY_MIN), "enough");

#if defined(PROBE_FRAMING)
char footprint_probe[sizeof(struct mp_framer) + sizeof(struct mp_deframer) + MP_FRAME_AROUND + 64];
#elif defined(PROBE_LINK)
char footprint_probe[sizeof(struct mp_link) + TX + RX];
#else
char footprint_probe[sizeof(struct mp_device) + MP_LINK_TX_MIN(MP_BODY_MIN) +
                     MP_LINK_RX_MIN(MP_BODY_MIN)];
#endif
