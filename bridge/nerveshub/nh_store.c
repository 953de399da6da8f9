/*
 * Small JSON files in one folder. How many firmware files are worth keeping is not decided here.
 */
#include "nh_store.h"

#include "nh_download.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096
#define FILE_MAX_BYTES 8192

/* Each a version 5 in the namespace of URLs: of "urn:mcu-bridge:image" and "urn:mcu-bridge:board".
 */
static const uint8_t IMAGES[16] = {0xad, 0x30, 0x02, 0xcc, 0xdc, 0xa5, 0x58, 0x1d,
                                   0x85, 0x9f, 0x31, 0x07, 0x34, 0xec, 0x5b, 0x87};
static const uint8_t BOARDS[16] = {0xe2, 0x52, 0x92, 0xef, 0x6e, 0xb1, 0x50, 0x3d,
                                   0xa8, 0x87, 0x58, 0x0e, 0x31, 0x25, 0x0f, 0x31};

static void put_hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    out[2 * n] = '\0';
}

static void uuid_of(const uint8_t space[static 16], const void *bytes, size_t n,
                    char uuid[static NH_UUID_TEXT])
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    char hex[33];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hash, EVP_sha1(), NULL);
    EVP_DigestUpdate(hash, space, 16);
    EVP_DigestUpdate(hash, bytes, n);
    EVP_DigestFinal_ex(hash, sum, NULL);
    EVP_MD_CTX_free(hash);
    sum[6] = (uint8_t)((sum[6] & 0x0f) | 0x50);
    sum[8] = (uint8_t)((sum[8] & 0x3f) | 0x80);
    put_hex(hex, sum, 16);
    snprintf(uuid, NH_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

void nh_uuid_of_image(const uint8_t *image, size_t length, char uuid[static NH_UUID_TEXT])
{
    uuid_of(IMAGES, image, length, uuid);
}

void nh_board_id(const char *name, char id[static NH_UUID_TEXT])
{
    uuid_of(BOARDS, name, strlen(name), id);
}

/* -- Files. */

int nh_store_open(const char *folder)
{
    struct stat info;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    if (stat(folder, &info) != 0)
        return -1;
    if (!S_ISDIR(info.st_mode))
        return errno = ENOTDIR, -1;
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return errno = EPERM, -1;
    return access(folder, R_OK | W_OK | X_OK);
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

static bool write_synced(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool done = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    return close(fd) == 0 && done;
}

/* Takes the object and frees it. */
static bool write_json(const char *folder, const char *name, cJSON *object)
{
    char path[PATH_MAX_BYTES], part[PATH_MAX_BYTES + 8];
    char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    bool done =
        text != NULL && snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path);
    if (done) {
        snprintf(part, sizeof(part), "%s.new", path);
        done = write_synced(part, text, strlen(text)) && rename(part, path) == 0 &&
               sync_folder(folder);
    }
    free(text);
    return done;
}

/* NULL: not there, or no JSON. */
static cJSON *read_json(const char *folder, const char *name)
{
    char path[PATH_MAX_BYTES], text[FILE_MAX_BYTES];
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    return n > 0 && (size_t)n < sizeof(text) ? cJSON_ParseWithLength(text, (size_t)n) : NULL;
}

static void take_text(const cJSON *object, const char *key, char *out, size_t cap)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    bool fits = cJSON_IsString(item) && strlen(item->valuestring) < cap;
    snprintf(out, cap, "%s", fits ? item->valuestring : "");
}

/* -- A board's record. */

#define BOARD_PREFIX "board-"

static void board_file(const char *name, char *out, size_t cap)
{
    char id[NH_UUID_TEXT];
    nh_board_id(name, id);
    snprintf(out, cap, BOARD_PREFIX "%s.json", id);
}

static void read_record(const char *folder, const char *file, struct nh_record *record)
{
    *record = (struct nh_record){0};
    cJSON *root = read_json(folder, file);
    const cJSON *stage = cJSON_GetObjectItemCaseSensitive(root, "stage");
    const cJSON *tries = cJSON_GetObjectItemCaseSensitive(root, "tries");
    take_text(root, "uuid", record->uuid, sizeof(record->uuid));
    take_text(root, "before", record->before, sizeof(record->before));
    take_text(root, "running", record->running, sizeof(record->running));
    take_text(root, "device", record->device, sizeof(record->device));
    bool known =
        cJSON_IsNumber(stage) && stage->valueint > NH_IDLE && stage->valueint <= NH_RESTORING;
    if (known && cJSON_IsNumber(tries) && tries->valueint >= 0 && record->uuid[0] != '\0') {
        record->stage = (enum nh_stage)stage->valueint;
        record->tries = (unsigned)tries->valueint;
    }
    cJSON_Delete(root);
}

void nh_store_load(const char *folder, const char *name, struct nh_record *record)
{
    char file[64];
    board_file(name, file, sizeof(file));
    read_record(folder, file, record);
}

bool nh_store_keep(const char *folder, const char *name, const struct nh_record *record)
{
    char file[64];
    board_file(name, file, sizeof(file));
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "stage", record->stage);
    cJSON_AddNumberToObject(root, "tries", record->tries);
    cJSON_AddStringToObject(root, "uuid", record->uuid);
    cJSON_AddStringToObject(root, "before", record->before);
    cJSON_AddStringToObject(root, "running", record->running);
    cJSON_AddStringToObject(root, "device", record->device);
    return write_json(folder, file, root);
}

static bool ends_as_json(const char *name, size_t before)
{
    return strlen(name) == before + strlen(".json") && strcmp(name + before, ".json") == 0;
}

void nh_store_records(const char *folder,
                      void (*each)(void *user, const char *id, const struct nh_record *record),
                      void *user)
{
    const size_t prefix = strlen(BOARD_PREFIX), uuid = NH_UUID_TEXT - 1;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct nh_record record;
        char id[NH_UUID_TEXT];
        if (strncmp(entry->d_name, BOARD_PREFIX, prefix) != 0 ||
            !ends_as_json(entry->d_name, prefix + uuid))
            continue;
        snprintf(id, sizeof(id), "%.36s", entry->d_name + prefix);
        read_record(folder, entry->d_name, &record);
        each(user, id, &record);
    }
    if (dir != NULL)
        closedir(dir);
}

/* -- Which firmware has which image. */

static const struct {
    const char *key;
    size_t offset, cap;
} MEMBERS[] = {
#define MEMBER(name)                                                                       \
    {                                                                                      \
#name, offsetof(struct nh_firmware, name), sizeof(((struct nh_firmware *)0)->name) \
    }
    MEMBER(uuid),        MEMBER(product),        MEMBER(version),
    MEMBER(platform),    MEMBER(architecture),   MEMBER(author),
    MEMBER(description), MEMBER(vcs_identifier), MEMBER(misc),
#undef MEMBER
};
enum { MEMBER_COUNT = sizeof(MEMBERS) / sizeof(MEMBERS[0]) };

/* The ids in a file, as an array that the caller deletes; `add` is among them afterwards. */
static cJSON *ids_with(cJSON *root, const char *add)
{
    cJSON *ids = cJSON_DetachItemFromObjectCaseSensitive(root, "images");
    const cJSON *id = NULL;
    bool there = false;
    if (!cJSON_IsArray(ids)) {
        cJSON_Delete(ids);
        ids = cJSON_CreateArray();
    }
    cJSON_ArrayForEach(id, ids) there =
        there || (cJSON_IsString(id) && strcmp(id->valuestring, add) == 0);
    if (!there)
        cJSON_AddItemToArray(ids, cJSON_CreateString(add));
    return ids;
}

bool nh_store_firmware(const char *folder, const struct nh_firmware *firmware, const uint8_t *image,
                       size_t length)
{
    char name[NH_UUID_TEXT + 8], hex[2 * NH_IMAGE_ID_MAX + 1];
    if (length == 0 || length > NH_IMAGE_ID_MAX)
        return false;
    put_hex(hex, image, length);
    snprintf(name, sizeof(name), "%s.json", firmware->uuid);
    cJSON *before = read_json(folder, name);
    cJSON *root = cJSON_CreateObject();
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        cJSON_AddStringToObject(root, MEMBERS[i].key, (const char *)firmware + MEMBERS[i].offset);
    cJSON_AddItemToObject(root, "images", ids_with(before, hex));
    cJSON_Delete(before);
    return write_json(folder, name, root);
}

static bool read_firmware(const char *folder, const char *name, const char *image,
                          struct nh_firmware *firmware)
{
    const cJSON *id = NULL;
    bool found = false;
    cJSON *root = read_json(folder, name);
    cJSON_ArrayForEach(id, cJSON_GetObjectItemCaseSensitive(root, "images")) found =
        found || (cJSON_IsString(id) && strcmp(id->valuestring, image) == 0);
    for (size_t i = 0; found && i < MEMBER_COUNT; i++)
        take_text(root, MEMBERS[i].key, (char *)firmware + MEMBERS[i].offset, MEMBERS[i].cap);
    cJSON_Delete(root);
    return found && nh_firmware_is_known(firmware);
}

bool nh_store_find(const char *folder, const uint8_t *image, size_t length, const char *prefer,
                   struct nh_firmware *firmware)
{
    char hex[2 * NH_IMAGE_ID_MAX + 1];
    bool found = false, preferred = false;
    if (length == 0 || length > NH_IMAGE_ID_MAX)
        return false;
    put_hex(hex, image, length);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; !preferred && dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct nh_firmware next;
        if (!ends_as_json(entry->d_name, NH_UUID_TEXT - 1) ||
            !read_firmware(folder, entry->d_name, hex, &next))
            continue;
        preferred = strcmp(next.uuid, prefer) == 0;
        if (preferred || !found || strcmp(next.uuid, firmware->uuid) < 0)
            *firmware = next;
        found = true;
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}
