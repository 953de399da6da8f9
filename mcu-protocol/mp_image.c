/*
 * Looks for the note by its bytes, so that no format of files needs to be known: length of the
 * name, length of the id, the type, the name, the id. All boards of this protocol are
 * little-endian.
 */
#include "mp_image.h"

#include <string.h>

#define ID_AT     16
#define ID_LENGTH 4 /* where its length stands */
#define ID_MOST   64

static uint32_t id_length(const uint8_t *note)
{
    return (uint32_t)note[ID_LENGTH] | (uint32_t)note[ID_LENGTH + 1] << 8 |
           (uint32_t)note[ID_LENGTH + 2] << 16 | (uint32_t)note[ID_LENGTH + 3] << 24;
}

static int is_note(const uint8_t *at)
{
    static const uint8_t name_length[] = {4, 0, 0, 0};
    static const uint8_t type_and_name[] = {3, 0, 0, 0, 'G', 'N', 'U', 0};

    return memcmp(at, name_length, sizeof name_length) == 0 &&
           memcmp(at + ID_LENGTH + 4, type_and_name, sizeof type_and_name) == 0;
}

/* The length of the id whose note begins at `at`, as a hello carries it; 0: no note does. */
static uint8_t id_at(const uint8_t *bytes, size_t n, size_t at)
{
    uint32_t length = is_note(bytes + at) ? id_length(bytes + at) : 0;
    if (length > ID_MOST || length > n - at - ID_AT)
        return 0;
    return (uint8_t)(length < MP_IMAGE_ID_MAX ? length : MP_IMAGE_ID_MAX);
}

uint8_t mp_image_find_id(const uint8_t *bytes, size_t n, uint8_t out[MP_IMAGE_ID_MAX])
{
    uint8_t found = 0;
    for (size_t at = 0; n > ID_AT && at < n - ID_AT; at++) {
        uint8_t length = id_at(bytes, n, at);
        if (length == 0)
            continue;
        if (found != 0 && (found != length || memcmp(out, bytes + at + ID_AT, length) != 0))
            return 0;
        memcpy(out, bytes + at + ID_AT, length);
        found = length;
    }
    return found;
}
