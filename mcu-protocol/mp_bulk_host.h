/*
 * mp_bulk_host.h - the host's side of an upload: announces an image, sends it as fast as the device
 * stores it, goes on where it ended when a session or the device was lost, and has it committed.
 *
 * Give it the events of the mp_host that it runs on: mp_bulk_host_ready from io.ready,
 * mp_bulk_host_lost from io.lost, mp_bulk_host_message from io.bulk, mp_bulk_host_result from
 * io.result; and call mp_bulk_host_poll before each mp_host_poll. While it has no host it waits.
 */
#ifndef MP_BULK_HOST_H
#define MP_BULK_HOST_H

#include "mp_host.h"
#include "mp_sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mp_bulk_host_io {
    void *user;
    /* `n` bytes of the image from `offset` on. False: it cannot be read; the upload ends FAILED. */
    bool (*read)(void *user, uint32_t offset, uint8_t *out, size_t n);
    /* The device has stored so much; less than before when it lost some of it. May be NULL. */
    void (*progress)(void *user, uint32_t stored, uint32_t size);
    /* It ended. DONE: stored, checked against its hash, and committed. A board with a boot loader
     * then restarts by itself within some seconds, and only the hello of a later run tells, by its
     * image id (mp_image.h), whether the new image runs or was taken back. TOO_LARGE: `limit` has
     * the most bytes that the device takes, and nothing was erased. FOREIGN: an image for another
     * kind of board. FAILED: the device could not store it, or is busy with another update.
     * MISMATCH: what was stored is not what was announced; begin anew. UNSUPPORTED: the device
     * takes no images. Until then a lost session ends nothing: the upload goes on in the next one,
     * where the device's store says. */
    void (*done)(void *user, enum mp_status status);
};

enum mp_bulk_host_phase {
    MP_BULK_HOST_IDLE,
    MP_BULK_HOST_WAITING, /* for a session, or for room to ask */
    MP_BULK_HOST_BEGINNING,
    MP_BULK_HOST_SENDING,
    MP_BULK_HOST_COMMITTING
};

/* All zero it is idle. */
struct mp_bulk_host {
    enum mp_bulk_host_phase phase;
    uint32_t size, stored;
    uint32_t limit;       /* after TOO_LARGE; 0: not told */
    struct mp_host *host; /* that it runs on; NULL: none at present */
    /* The rest is mp_bulk_host's own. */
    struct mp_bulk_host_io io;
    uint8_t hash[MP_SHA256_BYTES];
    uint64_t heard_us;     /* when the device was last heard or asked */
    uint64_t line_free_us; /* when the line has taken what was sent */
    uint32_t sent;
    uint16_t window;
    uint16_t request, first_request; /* the latest and the first that wait for one answer */
    uint8_t asks;                    /* since the device was heard */
};

/* Begins to upload; an upload under way is given up without a word to io.done. `io` and `hash` are
 * copied; `host` may be NULL. Returns MP_OK, or MP_ERR_BAD_VALUE for an empty image. */
int mp_bulk_host_start(struct mp_bulk_host *bulk, struct mp_host *host, uint32_t size,
                       const uint8_t hash[MP_SHA256_BYTES], const struct mp_bulk_host_io *io);
/* The device is now behind this host (NULL: behind none that is known): the upload goes on there,
 * where the device's store says. */
void mp_bulk_host_move(struct mp_bulk_host *bulk, struct mp_host *host);

void mp_bulk_host_ready(struct mp_bulk_host *bulk);
void mp_bulk_host_lost(struct mp_bulk_host *bulk);
void mp_bulk_host_message(struct mp_bulk_host *bulk, const struct mp_message *message);
/* Returns whether the result was an upload's. */
bool mp_bulk_host_result(struct mp_bulk_host *bulk, uint16_t request, enum mp_status status);
/* Returns in how many microseconds it wants to be called again, as mp_host_poll; UINT32_MAX: only
 * after an event. Who waits, waits for the shorter of the two. */
uint32_t mp_bulk_host_poll(struct mp_bulk_host *bulk, uint64_t now_us);

#ifdef __cplusplus
}
#endif

#endif
