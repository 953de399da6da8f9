/*
 * config_value.c - what each type of setting takes and what it refuses. Positions in the file,
 * unknown keys and what several settings mean together are left to config_yaml.c and
 * config_check.c.
 */
#define _POSIX_C_SOURCE 200809L
#include "config_value.h"

#include "config_listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint32_t factor;
};
/* Largest first: durations and sizes are printed in the largest unit that fits. */
static const struct unit time_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"B", 1}};
#define UNITS(table) table, sizeof(table) / sizeof((table)[0])

static void put_amount(char *out, size_t cap, uint32_t amount, const struct unit *units,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (amount % units[i].factor == 0 && (amount || i + 1 == count)) {
            snprintf(out, cap, "%u%s", amount / units[i].factor, units[i].name);
            return;
        }
}

static void expect_amount(const struct config_setting *setting, const char *what,
                          const struct unit *units, size_t count, char *out, size_t cap)
{
    char min[24], max[24];
    put_amount(min, sizeof min, setting->min, units, count);
    put_amount(max, sizeof max, setting->max, units, count);
    snprintf(out, cap, "%s from %s to %s", what, min, max);
}

/* "a|b|c" as "a, b or c". */
static void expect_choice(const char *choices, char *out, size_t cap)
{
    size_t used = 0;
    for (const char *at = choices; *at && used + 8 < cap;) {
        size_t length = strcspn(at, "|");
        const char *glue = at == choices ? "" : strchr(at, '|') ? ", " : " or ";
        int n = snprintf(out + used, cap - used, "%s%.*s", glue, (int)length, at);
        used += n > 0 ? (size_t)n : 0;
        at += length + (at[length] == '|');
    }
}

void config_value_expected(const struct config_setting *setting, char *out, size_t cap)
{
    switch (setting->type) {
    case CONFIG_WHOLE:
        snprintf(out, cap, "a whole number from %u to %u", setting->min, setting->max);
        break;
    case CONFIG_DURATION:
        expect_amount(setting, "a duration", UNITS(time_units), out, cap);
        break;
    case CONFIG_SIZE:
        expect_amount(setting, "a size", UNITS(size_units), out, cap);
        break;
    case CONFIG_FLAG:
        snprintf(out, cap, "true or false");
        break;
    case CONFIG_CHOICE:
        expect_choice(setting->choices, out, cap);
        break;
    case CONFIG_TEXT:
        snprintf(out, cap, "text of 1 to %u bytes", setting->max);
        break;
    case CONFIG_LISTEN:
        snprintf(out, cap, CONFIG_LISTEN_EXPECTED);
        break;
    case CONFIG_PATH:
    case CONFIG_SECRET:
        snprintf(out, cap, "the path of a file");
        break;
    case CONFIG_URL:
        snprintf(out, cap, "a URL such as %s", setting->choices);
        break;
    case CONFIG_DEVICE:
        snprintf(out, cap, "an identity of 1 to %u bytes: text, or 0x and pairs of hex digits",
                 setting->max);
        break;
    case CONFIG_WORDS:
        snprintf(out, cap, "a list of 1 to %u texts: [a, b]", setting->max);
        break;
    case CONFIG_CONTROLS:
        snprintf(out, cap, "a map from names of controls to their settings");
        break;
    }
}

static int refuse(struct config_complaint *complaint, const char *hint)
{
    snprintf(complaint->hint, sizeof complaint->hint, "%s", hint);
    return -1;
}

/* -- Numbers and amounts. */

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* `count` digits at `text`, saturating. */
static uint64_t decimal(const char *text, size_t count)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count && n <= UINT32_MAX; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    return n;
}

static int check_zero(const char *text, struct config_complaint *complaint)
{
    if (text[0] == '0' && digits(text) > 1)
        return refuse(complaint, "a leading zero means octal to some: leave it out");
    return 0;
}

static int put_number(const struct config_setting *setting, uint64_t n, void *member)
{
    if (n < setting->min || n > setting->max)
        return -1;
    uint32_t small = (uint32_t)n;
    memcpy(member, &small, sizeof small);
    return 0;
}

static int put_whole(const struct config_setting *setting, const struct config_scalar *value,
                     void *member, struct config_complaint *complaint)
{
    size_t count = digits(value->text);
    if (value->quoted && count == value->length)
        return refuse(complaint, "write it without quotation marks");
    if (count == 0 || count != value->length)
        return -1;
    if (check_zero(value->text, complaint))
        return -1;
    return put_number(setting, decimal(value->text, count), member);
}

static int put_units(const struct config_setting *setting, const struct config_scalar *value,
                     const struct unit *units, size_t unit_count, void *member,
                     struct config_complaint *complaint)
{
    size_t count = digits(value->text);
    if (count == 0 || check_zero(value->text, complaint))
        return -1;
    if (count == value->length && !(count == 1 && value->text[0] == '0'))
        return refuse(complaint, setting->type == CONFIG_SIZE
                                     ? "the unit is missing: KiB or MiB"
                                     : "the unit is missing: ms, s, m or h");
    uint64_t n = decimal(value->text, count);
    for (size_t i = 0; i < unit_count; i++)
        if (strcmp(value->text + count, units[i].name) == 0)
            return put_number(setting, n * units[i].factor, member);
    return n == 0 && count == value->length ? put_number(setting, 0, member) : -1;
}

/* -- Words. */

static void put_index(const struct config_setting *setting, unsigned index, void *member)
{
    if (setting->size == sizeof(bool)) {
        bool flag = index != 0;
        memcpy(member, &flag, sizeof flag);
    } else {
        memcpy(member, &index, sizeof index);
    }
}

static int put_choice(const struct config_setting *setting, const char *choices,
                      const struct config_scalar *value, void *member)
{
    unsigned index = 0;
    for (const char *at = choices; *at; index++) {
        size_t length = strcspn(at, "|");
        if (length == value->length && memcmp(at, value->text, length) == 0) {
            put_index(setting, index, member);
            return 0;
        }
        at += length + (at[length] == '|');
    }
    return -1;
}

static bool is_nerveshub(const struct config_scalar *value)
{
    return strcasecmp(value->text, "nerveshub") == 0 || strcasecmp(value->text, "nerves_hub") == 0;
}

/* NervesHub is asked for where a person looks first, and is no kind of application. */
static int put_word(const struct config_setting *setting, const struct config_scalar *value,
                    void *member, struct config_complaint *complaint)
{
    if (put_choice(setting, setting->choices, value, member) == 0)
        return 0;
    return refuse(complaint, strcmp(setting->key, "profile") == 0 && is_nerveshub(value)
                                 ? "NervesHub has a section of its own, beside this one or "
                                   "without it: write \"nerveshub:\""
                                 : "");
}

static int put_flag(const struct config_setting *setting, const struct config_scalar *value,
                    void *member, struct config_complaint *complaint)
{
    if (value->quoted)
        return refuse(complaint, "write it without quotation marks");
    return put_choice(setting, "false|true", value, member);
}

/* -- Text. */

static int put_copy(const char *text, void *member)
{
    char *copy = strdup(text), *old;
    if (!copy)
        return -1;
    memcpy(&old, member, sizeof old);
    free(old);
    memcpy(member, &copy, sizeof copy);
    return 0;
}

static bool is_null(const struct config_scalar *value)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
        if (!value->quoted && strcmp(value->text, nulls[i]) == 0)
            return true;
    return false;
}

static bool has_control_character(const struct config_scalar *value)
{
    for (size_t i = 0; i < value->length; i++)
        if ((unsigned char)value->text[i] < 0x20 || value->text[i] == 0x7F)
            return true;
    return false;
}

static int check_text(const struct config_scalar *value, size_t max,
                      struct config_complaint *complaint)
{
    if (value->length == 0 || is_null(value))
        return -1;
    if (has_control_character(value))
        return refuse(complaint, "no line breaks, tabs or other control characters");
    return value->length <= max ? 0 : -1;
}

static int put_text(const struct config_setting *setting, const struct config_scalar *value,
                    void *member, struct config_complaint *complaint)
{
    return check_text(value, setting->max, complaint) ? -1 : put_copy(value->text, member);
}

#define PATH_BYTES_MAX 4095

static int put_path(const struct config_scalar *value, const char *folder, void *member,
                    struct config_complaint *complaint)
{
    if (check_text(value, PATH_BYTES_MAX, complaint))
        return -1;
    if (value->text[0] == '~')
        return refuse(complaint, "~ means nothing here: write the whole path");
    if (value->text[0] == '/' || !folder || !folder[0])
        return put_copy(value->text, member);
    char whole[2 * PATH_BYTES_MAX + 2];
    snprintf(whole, sizeof whole, "%s/%s", folder, value->text);
    return put_copy(whole, member);
}

/* -- URL. */

static bool is_url_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7F || *text == '"')
            return false;
    return true;
}

/* `authority` of `length` bytes is HOST[:PORT], the host a name, an IPv4 or [IPv6]. */
static bool is_authority(const char *authority, size_t length)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t host = strspn(authority, name);
    if (authority[0] == '[')
        host = 2 + strspn(authority + 1, "0123456789abcdefABCDEF:.");
    if (host == 0 || host > length || (authority[0] == '[' && authority[host - 1] != ']'))
        return false;
    if (host == length)
        return true;
    size_t count = digits(authority + host + 1);
    uint64_t port = decimal(authority + host + 1, count);
    return authority[host] == ':' && count > 0 && host + 1 + count == length && port >= 1 &&
           port <= 65535;
}

static int check_scheme(const char *text, const char **rest, struct config_complaint *complaint)
{
    static const char *const schemes[] = {"ws://", "wss://"};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) {
            *rest = text + strlen(schemes[i]);
            return 0;
        }
    if (strncmp(text, "http://", 7) == 0)
        return refuse(complaint, "ws:// in place of http://");
    if (strncmp(text, "https://", 8) == 0)
        return refuse(complaint, "wss:// in place of https://");
    return refuse(complaint, "it begins with ws:// or wss://");
}

static int put_url(const struct config_setting *setting, const struct config_scalar *value,
                   void *member, struct config_complaint *complaint)
{
    static const char ending[] = "/websocket";
    const char *rest;
    complaint->hide = memchr(value->text, '@', value->length) != NULL;
    if (check_text(value, setting->max, complaint) || check_scheme(value->text, &rest, complaint))
        return -1;
    if (!is_url_text(value->text))
        return refuse(complaint, "no spaces, quotation marks or letters beyond ASCII");
    size_t authority = strcspn(rest, "/?#");
    if (memchr(rest, '@', authority))
        return refuse(complaint, "no user name or password: secrets stand in files of their own");
    if (!is_authority(rest, authority))
        return refuse(complaint, "HOST or HOST:PORT follows the //");
    const char *path = rest + authority;
    size_t length = strcspn(path, "?#");
    if (path[length] == '#')
        return refuse(complaint, "without the # and what follows");
    if (length < strlen(ending) ||
        memcmp(path + length - strlen(ending), ending, strlen(ending)) != 0)
        return refuse(complaint, "the path of a Phoenix socket ends in /websocket");
    return put_copy(value->text, member);
}

/* -- Identity. */

static int hex_digit(char c)
{
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(hex, c) : NULL;
    return at ? (int)((at - hex) % 16) : -1;
}

static int put_hex(const struct config_scalar *value, struct config_mcu *mcu)
{
    size_t count = value->length - 2;
    if (count == 0 || count % 2 || count / 2 > CONFIG_DEVICE_MAX)
        return -1;
    for (size_t i = 0; i < count; i += 2) {
        int high = hex_digit(value->text[2 + i]), low = hex_digit(value->text[3 + i]);
        if (high < 0 || low < 0)
            return -1;
        mcu->device[i / 2] = (uint8_t)(high << 4 | low);
    }
    mcu->device_len = (uint8_t)(count / 2);
    return 0;
}

static int put_device(const struct config_scalar *value, struct config_mcu *mcu,
                      struct config_complaint *complaint)
{
    if (!value->quoted && strncmp(value->text, "0x", 2) == 0) {
        if (put_hex(value, mcu))
            return -1;
    } else {
        if (check_text(value, CONFIG_DEVICE_MAX, complaint))
            return -1;
        if (!value->quoted && strspn(value->text, "0123456789+-._eE") == value->length)
            return refuse(complaint, "text that looks like a number stands in quotation marks");
        memcpy(mcu->device, value->text, value->length);
        mcu->device_len = (uint8_t)value->length;
    }
    mcu->any_device = false;
    return 0;
}

static int put_listen(const struct config_setting *setting, const struct config_scalar *value,
                      char **member, struct config_complaint *complaint)
{
    struct config_listen listen;
    if (config_listen(value->text, &listen))
        return refuse(complaint, "");
    return put_text(setting, value, member, complaint);
}

int config_value_put(const struct config_setting *setting, const struct config_scalar *value,
                     const char *folder, void *base, struct config_complaint *complaint)
{
    void *member = (char *)base + setting->at;
    memset(complaint, 0, sizeof *complaint);
    config_value_expected(setting, complaint->expected, sizeof complaint->expected);
    if (strlen(value->text) != value->length)
        return refuse(complaint, "no NUL bytes");
    switch (setting->type) {
    case CONFIG_WHOLE:
        return put_whole(setting, value, member, complaint);
    case CONFIG_DURATION:
        return put_units(setting, value, UNITS(time_units), member, complaint);
    case CONFIG_SIZE:
        return put_units(setting, value, UNITS(size_units), member, complaint);
    case CONFIG_FLAG:
        return put_flag(setting, value, member, complaint);
    case CONFIG_CHOICE:
        return put_word(setting, value, member, complaint);
    case CONFIG_TEXT:
        return put_text(setting, value, member, complaint);
    case CONFIG_PATH:
    case CONFIG_SECRET:
        return put_path(value, folder, member, complaint);
    case CONFIG_LISTEN:
        return put_listen(setting, value, member, complaint);
    case CONFIG_URL:
        return put_url(setting, value, member, complaint);
    case CONFIG_DEVICE:
        return put_device(value, member, complaint);
    case CONFIG_WORDS:
    case CONFIG_CONTROLS:
        break;
    }
    return -1;
}

int config_value_defaults(const struct config_section *section, void *base)
{
    struct config_complaint complaint;
    for (size_t i = 0; i < section->count; i++) {
        const char *text = section->settings[i].fallback;
        if (!text)
            continue;
        struct config_scalar value = {text, strlen(text), false};
        if (config_value_put(&section->settings[i], &value, NULL, base, &complaint))
            return -1;
    }
    return 0;
}
