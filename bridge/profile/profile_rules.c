/*
 * A profile from rules: templates filled in, shapes passed on. Where the rules come from is the
 * configuration's.
 */
#include "profile_rules.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 4096
#define MAC_DIGITS  12
#define VALUE_MAX   128

static const struct profile_ruled *ruled_of(const struct profile *self)
{
    return (const struct profile_ruled *)self; /* its first member */
}

/* -- Templates. */

static bool is_plain(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] >= 0x80 || (!isalnum(bytes[i]) && strchr("._-", bytes[i]) == NULL) ||
            bytes[i] == 0)
            return false;
    return n > 0;
}

static void put_hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    out[2 * n] = '\0';
}

static bool put_mac(char *out, const struct profile_board *board, bool upper)
{
    if (board->device_len == MAC_DIGITS / 2) {
        put_hex(out, board->device, board->device_len);
    } else if (board->device_len == MAC_DIGITS) {
        memcpy(out, board->device, MAC_DIGITS);
        out[MAC_DIGITS] = '\0';
    } else {
        return false;
    }
    for (char *c = out; *c != '\0'; c++) {
        if (!isxdigit((unsigned char)*c))
            return false;
        *c = (char)(upper ? toupper((unsigned char)*c) : tolower((unsigned char)*c));
    }
    return strlen(out) == MAC_DIGITS;
}

/* The text for a name in braces. False with the reason: this board has none. */
static bool fill_in(const char *name, size_t n, const struct profile_board *board,
                    char out[VALUE_MAX], const char **why)
{
    if (n == 4 && memcmp(name, "name", 4) == 0) {
        snprintf(out, VALUE_MAX, "%s", board->name);
        return true;
    }
    if (n == 3 && memcmp(name, "hex", 3) == 0 && 2 * board->device_len < VALUE_MAX) {
        put_hex(out, board->device, board->device_len);
        *why = "the topic needs its identity, and it has none: mcu-tool set-id gives it one";
        return board->device_len > 0;
    }
    if (n == 6 && memcmp(name, "device", 6) == 0 && board->device_len < VALUE_MAX) {
        snprintf(out, VALUE_MAX, "%.*s", (int)board->device_len, (const char *)board->device);
        *why = "its identity has other characters than A-Z a-z 0-9 . _ -: use {hex} in the topic";
        return is_plain(board->device, board->device_len);
    }
    if (n == 3 && (memcmp(name, "mac", 3) == 0 || memcmp(name, "MAC", 3) == 0)) {
        *why = "its identity is no MAC: 6 bytes, or 12 hex digits";
        return put_mac(out, board, name[0] == 'M');
    }
    *why = "there is no such name in braces: {name}, {device}, {hex}, {mac} and {MAC} are known";
    return false;
}

struct filled {
    char *out;
    size_t length, cap;
};

static bool put(struct filled *to, const char *bytes, size_t n)
{
    if (to->length + n >= to->cap)
        return false;
    memcpy(to->out + to->length, bytes, n);
    to->length += n;
    to->out[to->length] = '\0';
    return true;
}

/* Whether a brace begins a name: JSON has braces of its own. */
static size_t name_length(const char *at)
{
    size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && at[n + 1] == '}' ? n : 0;
}

static bool fill_template(const char *template, const struct profile_board *board, char *out,
                          size_t cap, const char **why)
{
    struct filled to = {out, 0, cap};
    char value[VALUE_MAX];
    *why = "it becomes too long";
    for (const char *at = template; *at != '\0';) {
        size_t n = *at == '{' ? name_length(at) : 0;
        if (n > 0 && !fill_in(at + 1, n, board, value, why))
            return false;
        if (!(n > 0 ? put(&to, value, strlen(value)) : put(&to, at, 1)))
            return *why = "it becomes too long", false;
        at += n > 0 ? n + 2 : 1;
    }
    return to.length > 0;
}

/* -- What a profile does. */

static const char *check_credential(const struct profile *self, const char *secret)
{
    (void)self;
    return secret[0] != '\0' ? NULL : "it is empty";
}

static bool topic_of(const struct profile *self, const struct profile_board *board,
                     char out[PROFILE_TOPIC_MAX], const char **why)
{
    return fill_template(ruled_of(self)->rules.topic, board, out, PROFILE_TOPIC_MAX, why);
}

static char *join_payload(const struct profile *self, const struct profile_board *board)
{
    const char *template = ruled_of(self)->rules.join_payload;
    const char *why;
    char *payload = malloc(PAYLOAD_MAX);
    if (payload != NULL &&
        !fill_template(template != NULL ? template : "{}", board, payload, PAYLOAD_MAX, &why)) {
        free(payload);
        return NULL;
    }
    return payload;
}

static bool knows_kind(const struct profile *self, const char *kind)
{
    const char *kinds = ruled_of(self)->rules.kinds;
    size_t n = strlen(kind);
    if (kinds == NULL)
        return n > 0;
    for (const char *at = kinds; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length == n && memcmp(at, kind, n) == 0)
            return true;
        at += length;
    }
    return false;
}

static size_t fits(const struct profile *self, const struct profile_upload *upload)
{
    return profile_write_fits(ruled_of(self)->rules.upload_shape, upload);
}

static size_t upload_bound(const struct profile *self, const struct profile_upload *upload)
{
    return profile_write_bound(ruled_of(self)->rules.upload_shape, upload);
}

static size_t write_upload(const struct profile *self, const struct profile_upload *upload,
                           char *out, size_t cap)
{
    return profile_write(ruled_of(self)->rules.upload_shape, upload, out, cap);
}

static void read_control(const struct profile *self, struct profile_text payload,
                         const struct profile_control_io *io)
{
    profile_control_read(ruled_of(self)->rules.control_shape, payload, io);
}

/* -- Making one. */

/* With a board that has every form of identity. */
static const char *check_template(const char *template, char *out, size_t cap)
{
    static const uint8_t mac[] = "0123456789ab";
    const struct profile_board board = {"name", mac, MAC_DIGITS};
    const char *why;
    return fill_template(template, &board, out, cap, &why) ? NULL : why;
}

static const char *check_payload(const char *template)
{
    char payload[PAYLOAD_MAX];
    if (template == NULL)
        return NULL;
    if (check_template(template, payload, sizeof payload) != NULL)
        return "join: it is too long, or has an unknown name in braces";
    cJSON *tree = cJSON_Parse(payload);
    const char *wrong = tree == NULL ? "join: expected JSON, such as '{\"token\":\"x\"}'" : NULL;
    cJSON_Delete(tree);
    return wrong;
}

static bool is_event(const char *event)
{
    return event[0] != '\0' && strncmp(event, "phx_", 4) != 0;
}

static const char *check(const struct profile_rules *rules)
{
    char topic[PROFILE_TOPIC_MAX];
    if (rules->topic == NULL)
        return "topic: expected a template, such as device:{mac}";
    if (check_template(rules->topic, topic, sizeof topic) != NULL || strcmp(topic, "phoenix") == 0)
        return "topic: it is too long, or has an unknown name in braces: {name}, {device}, {hex}, "
               "{mac} and "
               "{MAC} are known";
    if (rules->upload_event == NULL || !is_event(rules->upload_event))
        return "readings_event: expected the event that takes readings; phx_... is Phoenix's own";
    if (rules->control_event != NULL && !is_event(rules->control_event))
        return "controls_event: phx_... is Phoenix's own";
    if (rules->credential != PROFILE_NONE && rules->credential_name == NULL)
        return "credential_name: expected the name of the header or parameter that takes the "
               "secret";
    return check_payload(rules->join_payload);
}

const char *profile_rules_make(const char *name, const struct profile_rules *rules,
                               struct profile_ruled *ruled)
{
    const char *wrong = check(rules);
    if (wrong != NULL)
        return wrong;
    *ruled = (struct profile_ruled){
        .profile =
            {
                .name = name,
                .credential = rules->credential,
                .credential_name = rules->credential_name,
                .upload_event = rules->upload_event,
                .control_event = rules->control_event,
                .command_events = rules->command_events,
                .identity = rules->upload_shape != PROFILE_OBJECT,
                .check_credential = check_credential,
                .topic_of = topic_of,
                .join_payload = join_payload,
                .knows_kind = knows_kind,
                .fits = fits,
                .upload_bound = upload_bound,
                .write_upload = write_upload,
                .read_control = read_control,
            },
        .rules = *rules,
    };
    return NULL;
}
