/*
 * The profile of the microcontroller server: an API key in a header selects the device, the server
 * names it in an object-shaped `metadata` message, readings go up grouped by sensor, controls come
 * down as a list of one-member objects. Whether and when anything is sent is not decided here.
 */
#include "profile.h"
#include "profile_control.h"
#include "profile_write.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX "API_TOKEN_MC_"
#define KEY_MIN    16                 /* characters after the prefix */
#define ID_MAX     9007199254740991.0 /* largest integer that JSON carries exactly everywhere */

/* Every member of an upload is a sensor to this server, so nothing else may stand there. */
static const char *const kinds[] = {"temperature", "pressure", "illuminance", "humidity"};

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static const char *check_credential(const struct profile *self, const char *secret)
{
    (void)self;
    if (strncmp(secret, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
        return "an API key begins with " KEY_PREFIX;
    const char *rest = secret + strlen(KEY_PREFIX);
    for (const char *c = rest; *c != '\0'; c++)
        if (!is_letter_or_digit(*c))
            return "an API key has only A-Z, a-z and 0-9 after " KEY_PREFIX;
    if (strlen(rest) < KEY_MIN)
        return "an API key has at least 16 characters after " KEY_PREFIX;
    return NULL;
}

static bool knows_kind(const struct profile *self, const char *kind)
{
    (void)self;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool text_is(struct profile_text text, const char *literal)
{
    return text.len == strlen(literal) && memcmp(text.at, literal, text.len) == 0;
}

static cJSON *parse(struct profile_text text)
{
    return text.at == NULL ? NULL : cJSON_ParseWithLength(text.at, text.len);
}

static bool topic_from_metadata(const struct profile *self, struct profile_text topic,
                                struct profile_text event, struct profile_text payload,
                                char out[PROFILE_TOPIC_MAX], const char **why)
{
    (void)self;
    (void)topic; /* it repeats the id, but the payload is what the server documents */
    *why = NULL;
    if (!text_is(event, "metadata"))
        return false;
    cJSON *tree = parse(payload);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "controller_id");
    bool good = cJSON_IsNumber(id) && id->valuedouble >= 1 && id->valuedouble <= ID_MAX &&
                floor(id->valuedouble) == id->valuedouble;
    if (good)
        snprintf(out, PROFILE_TOPIC_MAX, "microcontroller:v1:%.0f", id->valuedouble);
    else
        *why = "the metadata has no controller_id that is a positive integer";
    cJSON_Delete(tree);
    return good;
}

static char *join_payload(const struct profile *self, const struct profile_board *board)
{
    (void)self;
    (void)board;
    char *payload = malloc(sizeof "{}");
    if (payload != NULL)
        memcpy(payload, "{}", sizeof "{}");
    return payload;
}

static size_t upload_bound(const struct profile *self, const struct profile_upload *upload)
{
    (void)self;
    return profile_write_bound(PROFILE_GROUPS, upload);
}

static size_t write_upload(const struct profile *self, const struct profile_upload *upload,
                           char *out, size_t cap)
{
    (void)self;
    return profile_write(PROFILE_GROUPS, upload, out, cap);
}

static void read_control(const struct profile *self, struct profile_text payload,
                         const struct profile_control_io *io)
{
    (void)self;
    profile_control_read(PROFILE_CONTROL_LIST, payload, io);
}

const struct profile profile_microcontrollers = {
    .name = "microcontrollers",
    .credential = PROFILE_HEADER,
    .credential_name = "X-API-Key",
    .identity = true,
    .upload_event = "upload_readings",
    .control_event = "control_update",
    .check_credential = check_credential,
    .topic = topic_from_metadata,
    .join_payload = join_payload,
    .knows_kind = knows_kind,
    .upload_bound = upload_bound,
    .write_upload = write_upload,
    .read_control = read_control,
};
