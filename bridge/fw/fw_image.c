/*
 * Intel HEX and raw images. How a build id is found in one is mp_image.h's; which image goes to
 * which board is not asked here.
 */
#include "fw_image.h"

#include "fw_meta.h"
#include "mp_image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RECORD_MAX 255

enum record_type {
    HEX_DATA = 0,
    HEX_END = 1,
    HEX_SEGMENT = 2,
    HEX_START = 3,
    HEX_LINEAR = 4,
    HEX_ENTRY = 5
};

struct record {
    uint8_t type;
    uint8_t count;
    uint16_t offset;
    uint8_t data[RECORD_MAX];
};

static int fail(char *why, const char *what)
{
    snprintf(why, FW_WHY_MAX, "%s", what);
    return -1;
}

/* -- Intel HEX. */

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of two digits, added to *sum; -1: no digits. */
static int byte_at(const uint8_t *text, size_t length, size_t at, uint8_t *sum)
{
    if (at + 2 > length || digit(text[at]) < 0 || digit(text[at + 1]) < 0)
        return -1;
    int value = digit(text[at]) << 4 | digit(text[at + 1]);
    *sum = (uint8_t)(*sum + value);
    return value;
}

/* Reads the record of one line after its colon; false: it is none, or its sum is wrong. */
static bool read_record(const uint8_t *text, size_t length, struct record *record)
{
    uint8_t raw[RECORD_MAX + 5] = {0}, sum = 0;
    int count = byte_at(text, length, 0, &sum);
    if (count < 0)
        return false;
    raw[0] = (uint8_t)count;
    for (int i = 1; i < count + 5; i++) {
        int value = byte_at(text, length, 2 * (size_t)i, &sum);
        if (value < 0)
            return false;
        raw[i] = (uint8_t)value;
    }
    record->count = (uint8_t)count;
    record->offset = (uint16_t)(raw[1] << 8 | raw[2]);
    record->type = raw[3];
    memcpy(record->data, raw + 4, (size_t)count);
    return sum == 0 && length == 2 * ((size_t)count + 5);
}

struct hex {
    const uint8_t *text;
    size_t length, at;
    uint32_t upper; /* added to offsets */
    bool ended;
};

/* Goes to the next record. Returns 1, 0 at the end of the text, -1: no Intel HEX. */
static int next_record(struct hex *hex, struct record *record)
{
    while (hex->at < hex->length && (hex->text[hex->at] == '\r' || hex->text[hex->at] == '\n'))
        hex->at++;
    if (hex->at == hex->length)
        return 0;
    size_t from = hex->at;
    while (hex->at < hex->length && hex->text[hex->at] != '\r' && hex->text[hex->at] != '\n')
        hex->at++;
    bool good = !hex->ended && hex->text[from] == ':' &&
                read_record(hex->text + from + 1, hex->at - from - 1, record);
    return good ? 1 : -1;
}

/* Takes what a record without data says; false: a kind that no image has. */
static bool take_address(struct hex *hex, const struct record *record)
{
    uint32_t value = record->count == 2 ? (uint32_t)(record->data[0] << 8 | record->data[1]) : 0;
    switch (record->type) {
    case HEX_DATA:
        return true;
    case HEX_END:
        hex->ended = true;
        return record->count == 0;
    case HEX_SEGMENT:
        hex->upper = value << 4;
        return record->count == 2;
    case HEX_LINEAR:
        hex->upper = value << 16;
        return record->count == 2;
    case HEX_START:
    case HEX_ENTRY:
        return record->count == 4;
    default:
        return false;
    }
}

/* Walks all records; with `image` set, copies the data, else finds what it spans. */
static bool walk(const uint8_t *text, size_t length, uint64_t *low, uint64_t *high,
                 struct fw_image *image)
{
    struct hex hex = {.text = text, .length = length};
    struct record record;
    int more;
    while ((more = next_record(&hex, &record)) == 1) {
        uint64_t from = (uint64_t)hex.upper + record.offset;
        if (!take_address(&hex, &record))
            return false;
        if (record.type != HEX_DATA || record.count == 0)
            continue;
        if (image != NULL)
            memcpy(image->bytes + (from - *low), record.data, record.count);
        if (image == NULL && from < *low)
            *low = from;
        if (image == NULL && from + record.count > *high)
            *high = from + record.count;
    }
    return more == 0 && hex.ended;
}

static int read_hex(const uint8_t *text, size_t length, struct fw_image *image, char *why)
{
    uint64_t low = UINT64_MAX, high = 0;
    if (!walk(text, length, &low, &high, NULL) || high == 0)
        return fail(why,
                    "the image is not valid Intel HEX: a record is damaged or the end is missing");
    if (high - low > FW_IMAGE_MAX)
        return fail(why, "the image spans more than 16 MiB");
    image->length = (size_t)(high - low);
    image->base = (uint32_t)low;
    image->bytes = malloc(image->length);
    if (image->bytes == NULL)
        return fail(why, "out of memory");
    memset(image->bytes, 0xff, image->length);
    walk(text, length, &low, &high, image);
    return 0;
}

static int read_raw(const uint8_t *file, size_t length, struct fw_image *image, char *why)
{
    if (length == 0 || length > FW_IMAGE_MAX)
        return fail(why, length == 0 ? "the image is empty" : "the image is larger than 16 MiB");
    image->bytes = malloc(length);
    if (image->bytes == NULL)
        return fail(why, "out of memory");
    memcpy(image->bytes, file, length);
    image->length = length;
    return 0;
}

int fw_image_read(const uint8_t *file, size_t length, struct fw_image *image, char *why)
{
    *image = (struct fw_image){0};
    bool is_hex = length > 10 && file[0] == ':' && digit(file[1]) >= 0 && digit(file[2]) >= 0;
    return is_hex ? read_hex(file, length, image, why) : read_raw(file, length, image, why);
}

int fw_image_load(const char *path, struct fw_image *image, char *why)
{
    struct stat info;
    FILE *in = fopen(path, "rb");
    *image = (struct fw_image){0};
    if (in == NULL || fstat(fileno(in), &info) != 0) {
        snprintf(why, FW_WHY_MAX, "%.200s: %s", path, strerror(errno));
        if (in != NULL)
            fclose(in);
        return -1;
    }
    /* Intel HEX takes some three bytes for one. */
    size_t length =
        info.st_size >= 0 && info.st_size <= 4 * (off_t)FW_IMAGE_MAX ? (size_t)info.st_size : 0;
    uint8_t *file = malloc(length + 1);
    int result = -1;
    if (file == NULL)
        fail(why, "out of memory");
    else if (fread(file, 1, length, in) != length)
        fail(why, "the image cannot be read");
    else
        result = fw_image_read(file, length, image, why);
    free(file);
    fclose(in);
    return result;
}

void fw_image_free(struct fw_image *image)
{
    free(image->bytes);
    *image = (struct fw_image){0};
}

size_t fw_image_id(const struct fw_image *image, uint8_t id[static FW_IMAGE_ID_MAX])
{
    return mp_image_find_id(image->bytes, image->length, id);
}
