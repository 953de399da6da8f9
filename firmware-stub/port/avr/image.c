/*
 * The ATmega2560's images: an upload goes into slot NEXT page by page, and is put to use by the
 * boot loader. How far it is stands in EEPROM as one byte for each page, the upload's tag, so that
 * every byte is written once in an upload and a reset at any moment costs a page at most.
 */
#include "board.h"
#include "boot_image.h"
#include "boot_port.h"
#include "fw_info.h"
#include "mp_crc.h"
#include "port.h"

#include <avr/eeprom.h>
#include <avr/pgmspace.h>
#include <avr/wdt.h>

#define NO_TAG 0xffu

/* In EEPROM: the upload that NEXT holds, or a part of. The CRC makes it whole or nothing. */
struct upload {
    uint8_t tag;
    uint32_t size;
    uint8_t hash[MP_SHA256_BYTES];
    uint16_t crc;
};
#define UPLOAD ((struct upload *)EEPROM_UPLOAD_AT)

_Static_assert(EEPROM_UPLOAD_AT + sizeof(struct upload) <= EEPROM_PAGES_AT, "no overlap");
_Static_assert(EEPROM_BOOT_AT + BOOT_KEPT_BYTES <= EEPROM_UPLOAD_AT, "no overlap");

static uint32_t size;                 /* of the upload in NEXT */
static uint8_t tag;                   /* its */
static uint8_t page[BOOT_PAGE_BYTES]; /* gathered until it is full */

/* -- The upload's place in EEPROM. */

static uint8_t *tag_of(uint16_t number)
{
    return (uint8_t *)(EEPROM_PAGES_AT + number);
}

static uint16_t crc_of(const struct upload *upload)
{
    const uint8_t *bytes = (const uint8_t *)upload;
    uint16_t crc = MP_CRC16_START;

    for (uint8_t i = 0; i < offsetof(struct upload, crc); i++)
        crc = mp_crc16_update(crc, bytes[i]);
    return crc;
}

static bool holds(uint32_t wanted, const uint8_t *hash)
{
    struct upload upload;

    eeprom_read_block(&upload, UPLOAD, sizeof upload);
    tag = upload.tag;
    return upload.tag != NO_TAG && upload.crc == crc_of(&upload) && upload.size == wanted &&
           memcmp(upload.hash, hash, sizeof upload.hash) == 0;
}

static void begin_new(uint32_t wanted, const uint8_t *hash)
{
    struct upload upload = {.size = wanted};

    tag = (uint8_t)(tag + 1);
    if (tag == NO_TAG)
        tag = 0;
    for (uint16_t i = 0; i < BOOT_SLOT_PAGES; i++)
        if (eeprom_read_byte(tag_of(i)) == tag)
            eeprom_write_byte(tag_of(i), NO_TAG);
    upload.tag = tag;
    memcpy(upload.hash, hash, sizeof upload.hash);
    upload.crc = crc_of(&upload);
    eeprom_update_block(&upload, UPLOAD, sizeof upload);
}

static uint32_t bytes_kept(void)
{
    uint16_t pages = 0;
    uint32_t bytes;

    while (pages < BOOT_SLOT_PAGES && eeprom_read_byte(tag_of(pages)) == tag)
        pages++;
    bytes = (uint32_t)pages * BOOT_PAGE_BYTES;
    return bytes < size ? bytes : size;
}

/* -- struct mp_bulk_store. */

static enum mp_status begin(void *user, uint32_t wanted, const uint8_t hash[MP_SHA256_BYTES],
                            uint32_t *have)
{
    bool goes_on;

    (void)user;
    if (wanted > BOOT_SLOT_BYTES) {
        *have = BOOT_SLOT_BYTES;
        return MP_STATUS_TOO_LARGE;
    }
    goes_on = holds(wanted, hash);
    if (!goes_on && port_image_state() == PORT_IMAGE_COMMITTED)
        return MP_STATUS_FAILED;
    if (!goes_on)
        begin_new(wanted, hash);
    size = wanted;
    *have = bytes_kept();
    return MP_STATUS_DONE;
}

static bool is_foreign(void)
{
    struct fw_image_info own = FW_IMAGE_INFO;

    return !fw_image_same_board((const struct fw_image_info *)(page + FW_IMAGE_INFO_AT), &own);
}

static enum mp_status store_page(uint16_t number)
{
    if (number == 0 && is_foreign())
        return MP_STATUS_FOREIGN;
    board_program_page(BOOT_NEXT * BOOT_SLOT_BYTES + (uint32_t)number * BOOT_PAGE_BYTES, page);
    eeprom_write_byte(tag_of(number), tag);
    memset(page, 0xff, sizeof page);
    return MP_STATUS_DONE;
}

static enum mp_status keep(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++, offset++) {
        uint8_t at = (uint8_t)offset; /* in its page */
        if (at == 0)
            memset(page, 0xff, sizeof page);
        page[at] = bytes[i];
        if (at == BOOT_PAGE_BYTES - 1 || offset + 1 == size) {
            enum mp_status status = store_page((uint16_t)(offset / BOOT_PAGE_BYTES));
            if (status != MP_STATUS_DONE)
                return status;
        }
    }
    return MP_STATUS_DONE;
}

static bool read_back(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        out[i] = pgm_read_byte_far(BOOT_NEXT * BOOT_SLOT_BYTES + offset + i);
    return true;
}

static enum mp_status commit(void *user)
{
    (void)user;
    return boot_commit((uint16_t)((size + BOOT_PAGE_BYTES - 1) / BOOT_PAGE_BYTES))
               ? MP_STATUS_DONE
               : MP_STATUS_FAILED;
}

static void drop(void *user)
{
    (void)user;
    eeprom_update_byte(&UPLOAD->tag, NO_TAG);
}

const struct mp_bulk_store *port_image_store(void)
{
    static const struct mp_bulk_store store = {NULL, begin, keep, read_back, commit, drop};

    return pgm_read_dword_far(BOOT_MARK_AT) == BOOT_MARK ? &store : NULL;
}

void port_image_confirm(void)
{
    boot_confirm();
    wdt_disable();
}
