/*
 * Where the MPS2 board keeps an uploaded image: in PSRAM, which a reset leaves alone. `have` counts
 * only what is wholly written, so a reset in between costs one piece.
 */
#include "port.h"

#include <string.h>

#define PLACE_MAGIC 0x67616d69u
#define PLACE_BYTES (1024u * 1024u)

/* Volatile: what a reset finds there was written before it. */
static volatile struct {
    uint32_t magic; /* PLACE_MAGIC: the rest is to be believed */
    uint32_t size, have;
    uint8_t hash[MP_SHA256_BYTES];
    uint8_t bytes[PLACE_BYTES];
} place __attribute__((section(".images")));

static bool holds(uint32_t size, const uint8_t *hash)
{
    if (place.magic != PLACE_MAGIC || place.size != size || place.have > size)
        return false;
    for (size_t i = 0; i < MP_SHA256_BYTES; i++)
        if (place.hash[i] != hash[i])
            return false;
    return true;
}

static enum mp_status begin(void *user, uint32_t size, const uint8_t hash[MP_SHA256_BYTES],
                            uint32_t *have)
{
    (void)user;
    if (size > PLACE_BYTES)
        return MP_STATUS_TOO_LARGE;
    if (!holds(size, hash)) {
        place.magic = 0;
        place.size = size;
        place.have = 0;
        for (size_t i = 0; i < MP_SHA256_BYTES; i++)
            place.hash[i] = hash[i];
        place.magic = PLACE_MAGIC;
    }
    *have = place.have;
    return MP_STATUS_DONE;
}

static enum mp_status keep(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        place.bytes[offset + i] = bytes[i];
    place.have = offset + (uint32_t)n;
    return MP_STATUS_DONE;
}

static bool read_back(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        out[i] = place.bytes[offset + i];
    return true;
}

/* A boot loader would start it from here; this board has none. */
static enum mp_status commit(void *user)
{
    (void)user;
    return MP_STATUS_DONE;
}

static void drop(void *user)
{
    (void)user;
    place.magic = 0;
}

const struct mp_bulk_store *port_image_store(void)
{
    static const struct mp_bulk_store store = {NULL, begin, keep, read_back, commit, drop};

    return &store;
}

enum port_image_state port_image_state(void)
{
    return PORT_IMAGE_SETTLED;
}

void port_image_confirm(void)
{
}
