/*
 * mp_bulk_device.h - the firmware's side of an upload: takes an image piece by piece into a store
 * that the port supplies, checks its SHA-256 over what is stored, and then lets the port use it.
 *
 * Optional: a device without it refuses uploads as unsupported. One upload at a time; a new one
 * takes the place of the old. What is stored stays over lost sessions and, if the store keeps it,
 * over resets: the same image goes on where it ended.
 */
#ifndef MP_BULK_DEVICE_H
#define MP_BULK_DEVICE_H

#include "mp_device.h"
#include "mp_sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where images go. All of it may block for as long as the dead-man timers of the device's host
 * allow; none may call back. */
struct mp_bulk_store {
    void *user;
    /* An image is coming. If the store holds the beginning of this very one, by size and hash, it
     * says in *have how much, else it makes room and says 0. Returns MP_STATUS_DONE,
     * MP_STATUS_FAILED, or MP_STATUS_TOO_LARGE with the most bytes it takes in *have and nothing
     * changed. */
    enum mp_status (*begin)(void *user, uint32_t size, const uint8_t hash[MP_SHA256_BYTES],
                            uint32_t *have);
    /* Keeps `n` bytes that belong at `offset`, which is where the last ones ended. Returns
     * MP_STATUS_DONE, or what ends the upload: MP_STATUS_FAILED, or MP_STATUS_FOREIGN when the
     * image says that it is for another kind of board. */
    enum mp_status (*write)(void *user, uint32_t offset, const uint8_t *bytes, size_t n);
    /* Reads back what was kept. False: it cannot. */
    bool (*read)(void *user, uint32_t offset, uint8_t *out, size_t n);
    /* The image is whole and its hash right: put it to use, at once or at the next start. Returns
     * MP_STATUS_DONE or MP_STATUS_FAILED. */
    enum mp_status (*commit)(void *user);
    /* What is stored is not what was announced: forget it. */
    void (*drop)(void *user);
};

enum mp_bulk_phase {
    MP_BULK_IDLE,
    MP_BULK_STORING,
    MP_BULK_CHECKING, /* reads everything back, a block each poll */
    MP_BULK_ENDED     /* one way or the other, as the host is told when it asks again */
};

struct mp_bulk_device {
    enum mp_bulk_phase phase;
    uint32_t size, stored; /* bytes of the image, and how many the store has */
    /* The rest is mp_bulk_device's own. */
    struct mp_device *device;
    struct mp_bulk_store store;
    struct mp_sha256 sha;
    uint8_t hash[MP_SHA256_BYTES];
    uint32_t nonce; /* of the session that the upload belongs to */
    uint32_t told;  /* how much of it the host was told */
    uint16_t request;
    uint8_t status;
    bool due; /* a BULK_STATE found no room yet */
};

/* `store` is copied, all its functions are needed; `device` is kept. */
void mp_bulk_device_init(struct mp_bulk_device *bulk, struct mp_device *device,
                         const struct mp_bulk_store *store);

/* For mp_device_io.bulk. */
void mp_bulk_device_message(struct mp_bulk_device *bulk, const struct mp_message *message);

/* Call it after mp_device_poll. Returns in how many microseconds again: 0 while it checks. */
uint32_t mp_bulk_device_poll(struct mp_bulk_device *bulk);

#ifdef __cplusplus
}
#endif

#endif
