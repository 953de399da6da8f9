/*
 * NervesHub's payloads, through cJSON: they are few and small, and nothing here is on a hot path.
 * When to send one is nh_update.c's and the profile's.
 */
#include "nh_message.h"

#include "base/utf8.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_VERSION     "2.3.0" /* of nerves_hub_link; three-part semver, or it counts as 1.0.0 */
#define CONSOLE_VERSION "2.0.0"
#define REASON_MAX      256

/* -- Encoding. */

static void put_text(cJSON *object, const char *key, const char *text)
{
    char clean[NH_TEXT_MAX];
    if (text == NULL || text[0] == '\0')
        return;
    utf8_clean(text, strlen(text), clean, sizeof(clean));
    cJSON_AddStringToObject(object, key, clean);
}

static char *printed(cJSON *object)
{
    char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < NH_UUID_TEXT - 1; i++) {
        char c = text[i];
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return text[NH_UUID_TEXT - 1] == '\0';
}

bool nh_firmware_is_known(const struct nh_firmware *firmware)
{
    return is_uuid(firmware->uuid) && firmware->product[0] && firmware->version[0] &&
           firmware->platform[0] && firmware->architecture[0];
}

static const struct {
    size_t offset, cap;
} TEXTS[] = {
#define TEXT(name)                                                                  \
    {                                                                               \
        offsetof(struct nh_firmware, name), sizeof(((struct nh_firmware *)0)->name) \
    }
    TEXT(uuid),   TEXT(product),     TEXT(version),        TEXT(platform), TEXT(architecture),
    TEXT(author), TEXT(description), TEXT(vcs_identifier), TEXT(misc),
#undef TEXT
};
enum { TEXT_COUNT = sizeof(TEXTS) / sizeof(TEXTS[0]) };

char *nh_firmware_pack(const struct nh_firmware *firmware)
{
    char all[sizeof(*firmware)];
    size_t n = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        const char *text = (const char *)firmware + TEXTS[i].offset;
        size_t length = strlen(text) + 1;
        memcpy(all + n, text, length);
        n += length;
    }
    char *packed = malloc(n);
    return packed != NULL ? memcpy(packed, all, n) : NULL;
}

void nh_firmware_unpack(const char *packed, struct nh_firmware *firmware)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        snprintf((char *)firmware + TEXTS[i].offset, TEXTS[i].cap, "%s", packed);
        packed += strlen(packed) + 1;
    }
}

char *nh_encode_join(const struct nh_join *join)
{
    const struct nh_firmware *f = join->firmware;
    if (!nh_firmware_is_known(f))
        return NULL;
    cJSON *object = cJSON_CreateObject();
    put_text(object, "nerves_fw_uuid", f->uuid);
    put_text(object, "nerves_fw_product", f->product);
    put_text(object, "nerves_fw_version", f->version);
    put_text(object, "nerves_fw_platform", f->platform);
    put_text(object, "nerves_fw_architecture", f->architecture);
    put_text(object, "nerves_fw_author", f->author);
    put_text(object, "nerves_fw_description", f->description);
    put_text(object, "nerves_fw_vcs_identifier", f->vcs_identifier);
    put_text(object, "nerves_fw_misc", f->misc);
    put_text(object, "device_api_version", API_VERSION);
    put_text(object, "console_version", CONSOLE_VERSION);
    put_text(object, "currently_downloading_uuid", join->downloading_uuid);
    cJSON *meta = cJSON_AddObjectToObject(object, "meta");
    /* A board that says hello has proved itself: its session ends a trial. */
    cJSON_AddBoolToObject(meta, "firmware_validated", true);
    cJSON_AddBoolToObject(meta, "firmware_auto_revert_detected", join->auto_reverted);
    return printed(object);
}

const char *nh_status_text(enum nh_status status)
{
    switch (status) {
    case NH_RECEIVED:
        return "received";
    case NH_STARTED:
        return "started";
    case NH_DOWNLOADING:
        return "downloading";
    case NH_UPDATING:
        return "updating";
    case NH_COMPLETED:
        return "completed";
    case NH_FAILED:
        break;
    }
    return "failed";
}

char *nh_encode_status(enum nh_server server, enum nh_status status, const char *reason)
{
    char words[REASON_MAX];
    cJSON *object = cJSON_CreateObject();
    if (status == NH_FAILED && server == NH_RELEASE_2_4) {
        snprintf(words, sizeof(words), "fwup error: %s", reason != NULL ? reason : "failed");
        put_text(object, "status", words);
        return printed(object);
    }
    put_text(object, "status", nh_status_text(status));
    put_text(object, "reason", reason);
    return printed(object);
}

char *nh_encode_progress(unsigned percent, enum nh_status stage)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "value", percent <= 100 ? percent : 100);
    put_text(object, "stage", nh_status_text(stage));
    return printed(object);
}

char *nh_encode_script_refused(const char *payload, size_t length)
{
    cJSON *question = cJSON_ParseWithLength(payload, length);
    const cJSON *ref = cJSON_GetObjectItemCaseSensitive(question, "ref");
    cJSON *object = NULL;
    if (cJSON_IsString(ref) && strlen(ref->valuestring) < NH_TEXT_MAX) {
        object = cJSON_CreateObject();
        put_text(object, "ref", ref->valuestring);
        put_text(object, "result", "error");
        put_text(object, "output", "not supported");
        cJSON_AddStringToObject(object, "return", "");
    }
    cJSON_Delete(question);
    return printed(object);
}

/* -- Decoding. */

/* Copies the text of a member; absent and null are "". False: another type, or too long. */
static bool take_text(const cJSON *object, const char *key, char *out, size_t cap)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    out[0] = '\0';
    if (item == NULL || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsString(item) || strlen(item->valuestring) >= cap)
        return false;
    utf8_clean(item->valuestring, strlen(item->valuestring), out, cap);
    return true;
}

static bool take_firmware(const cJSON *meta, struct nh_firmware *out)
{
    return cJSON_IsObject(meta) && take_text(meta, "uuid", out->uuid, sizeof(out->uuid)) &&
           take_text(meta, "product", out->product, NH_TEXT_MAX) &&
           take_text(meta, "version", out->version, NH_TEXT_MAX) &&
           take_text(meta, "platform", out->platform, NH_TEXT_MAX) &&
           take_text(meta, "architecture", out->architecture, NH_TEXT_MAX) &&
           take_text(meta, "author", out->author, NH_TEXT_MAX) &&
           take_text(meta, "description", out->description, NH_TEXT_MAX) &&
           take_text(meta, "vcs_identifier", out->vcs_identifier, NH_TEXT_MAX) &&
           take_text(meta, "misc", out->misc, NH_TEXT_MAX);
}

/* A lower-case UUID, whatever case it came in. */
static bool make_uuid(char *uuid)
{
    for (char *c = uuid; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'F')
            *c = (char)(*c - 'A' + 'a');
    return is_uuid(uuid);
}

/* Hex of a SHA-256 in lower case; servers write it in upper case. */
static bool take_hash(const cJSON *item, char *out)
{
    if (!cJSON_IsString(item) || strlen(item->valuestring) != NH_HASH_TEXT - 1)
        return false;
    for (size_t i = 0; i < NH_HASH_TEXT; i++) {
        char c = item->valuestring[i];
        out[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
    return strspn(out, "0123456789abcdef") == NH_HASH_TEXT - 1;
}

static bool take_size(const cJSON *item, uint64_t *size)
{
    *size = 0;
    if (item == NULL || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble < 1e15))
        return false;
    *size = (uint64_t)item->valuedouble;
    return true;
}

static bool take_checksum(const cJSON *item, char *out)
{
    out[0] = '\0';
    return item == NULL || cJSON_IsNull(item) || take_hash(item, out);
}

/* More parts than fit are not looked at: the whole has its own checksum, and the file its hashes.
 */
static bool take_parts(const cJSON *list, struct nh_offer *offer)
{
    const cJSON *item;
    offer->part_count = 0;
    if (list == NULL || cJSON_IsNull(list))
        return true;
    if (!cJSON_IsArray(list))
        return false;
    cJSON_ArrayForEach(item, list)
    {
        if (offer->part_count == NH_PARTS_MAX) {
            offer->part_count = 0;
            return true;
        }
        if (!take_hash(item, offer->parts[offer->part_count++]))
            return false;
    }
    return true;
}

static bool is_url(const char *url)
{
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f)
            return false;
    return true;
}

static bool take_offer(const cJSON *root, struct nh_offer *offer)
{
    return take_text(root, "firmware_url", offer->url, sizeof(offer->url)) && is_url(offer->url) &&
           take_firmware(cJSON_GetObjectItemCaseSensitive(root, "firmware_meta"),
                         &offer->firmware) &&
           make_uuid(offer->firmware.uuid) &&
           take_size(cJSON_GetObjectItemCaseSensitive(root, "size"), &offer->size) &&
           take_checksum(cJSON_GetObjectItemCaseSensitive(root, "checksum"), offer->checksum) &&
           take_parts(cJSON_GetObjectItemCaseSensitive(root, "partials_checksums"), offer);
}

/* size, checksum and partials_checksums came in April 2026, the statuses' words in June: who has
 * none of the former has none of the latter. */
static enum nh_server server_of(const struct nh_offer *offer)
{
    return offer->size == 0 && offer->checksum[0] == '\0' ? NH_RELEASE_2_4 : NH_MAIN;
}

enum nh_offer_verdict nh_decode_offer(const char *payload, size_t length, struct nh_offer *offer)
{
    cJSON *root = cJSON_ParseWithLength(payload, length);
    enum nh_offer_verdict verdict = NH_OFFER_BAD;
    if (cJSON_IsObject(root)) {
        bool available = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "update_available"));
        verdict = !available                ? NH_OFFER_NONE
                  : take_offer(root, offer) ? NH_OFFER_GOOD
                                            : NH_OFFER_BAD;
        if (verdict == NH_OFFER_GOOD)
            offer->server = server_of(offer);
    }
    cJSON_Delete(root);
    return verdict;
}

void nh_url_shown(const char *url, char *out, size_t cap)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t length = strcspn(host, "?#");
    size_t authority = strcspn(host, "/?#");
    for (size_t i = 0; i < authority; i++)
        if (host[i] == '@') {
            host += i + 1;
            length -= i + 1;
            authority -= i + 1;
            i = (size_t)-1;
        }
    utf8_clean(host, length, out, cap);
}
