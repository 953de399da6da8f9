/*
 * Where an upload goes on a board whose slots are written like memory (boot_port.h): into slot
 * NEXT. `have` counts only what is wholly written, so a reset in between costs one piece. What the
 * image is put to use by is boot.c.
 */
#include "boot_store.h"

#include "boot_image.h"
#include "boot_port.h"
#include "fw_info.h"
#include "port.h"

#include <string.h>

#define UPLOAD_MAGIC 0x67616d69u
#define INFO_END     (FW_IMAGE_INFO_AT + sizeof(struct fw_image_info))

/* Volatile: what a reset finds there was written before it. */
struct upload {
    uint32_t magic; /* UPLOAD_MAGIC: the rest is to be believed */
    uint32_t size, have;
    uint8_t hash[MP_SHA256_BYTES];
};
#define UPLOAD ((volatile struct upload *)BOOT_UPLOAD_AT)
#define NEXT   ((volatile uint8_t *)BOOT_SLOTS_AT + BOOT_NEXT * BOOT_SLOT_BYTES)

static bool holds(uint32_t size, const uint8_t *hash)
{
    if (UPLOAD->magic != UPLOAD_MAGIC || UPLOAD->size != size || UPLOAD->have > size)
        return false;
    for (size_t i = 0; i < MP_SHA256_BYTES; i++)
        if (UPLOAD->hash[i] != hash[i])
            return false;
    return true;
}

static void begin_new(uint32_t size, const uint8_t *hash)
{
    UPLOAD->magic = 0;
    UPLOAD->size = size;
    UPLOAD->have = 0;
    for (size_t i = 0; i < MP_SHA256_BYTES; i++)
        UPLOAD->hash[i] = hash[i];
    UPLOAD->magic = UPLOAD_MAGIC;
}

static enum mp_status begin(void *user, uint32_t size, const uint8_t hash[MP_SHA256_BYTES],
                            uint32_t *have)
{
    bool goes_on = holds(size, hash);

    (void)user;
    if (size > BOOT_SLOT_BYTES) {
        *have = BOOT_SLOT_BYTES;
        return MP_STATUS_TOO_LARGE;
    }
    if (!goes_on && port_image_state() == PORT_IMAGE_COMMITTED)
        return MP_STATUS_FAILED;
    if (!goes_on)
        begin_new(size, hash);
    *have = UPLOAD->have;
    return MP_STATUS_DONE;
}

static void drop(void *user)
{
    (void)user;
    UPLOAD->magic = 0;
}

static enum mp_status keep(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    uint32_t end = offset + (uint32_t)n;

    for (size_t i = 0; i < n; i++)
        NEXT[offset + i] = bytes[i];
    UPLOAD->have = end;
    if ((end >= INFO_END || end == UPLOAD->size) && offset < INFO_END &&
        !boot_slot_has_image(BOOT_NEXT)) {
        drop(user);
        return MP_STATUS_FOREIGN;
    }
    return MP_STATUS_DONE;
}

static bool read_back(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        out[i] = NEXT[offset + i];
    return true;
}

static enum mp_status commit(void *user)
{
    uint32_t pages = (UPLOAD->size + BOOT_PAGE_BYTES - 1) / BOOT_PAGE_BYTES;

    (void)user;
    return boot_commit((uint16_t)pages) ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

const struct mp_bulk_store boot_store = {NULL, begin, keep, read_back, commit, drop};
