/*
 * config.c - the ways to a configuration: a file, bytes in memory, the command line; and the help
 * that comes from the table. What values, keys and their sum must be is left to config_value.c,
 * config_yaml.c and config_check.c.
 */
#define _DEFAULT_SOURCE 200809L
#include "config.h"

#include "config_parse.h"
#include "config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_MAX 1024

void config_complain(struct config_parsing *parsing, struct config_mark at, const char *format, ...)
{
    char text[ERROR_MAX], line[2 * ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (at.line)
        snprintf(line, sizeof line, "%s:%u:%u: %s", parsing->source->name, at.line, at.column,
                 text);
    else
        snprintf(line, sizeof line, "%s: %s", parsing->source->name, text);

    size_t n = parsing->error_count++;
    struct config_error *more = realloc(parsing->errors, (n + 1) * sizeof *more);
    char *kept = strdup(line);
    if (!more || !kept) {
        parsing->source->report(parsing->source->user, "out of memory");
        exit(EXIT_FAILURE);
    }
    parsing->errors = more;
    more[n] = (struct config_error){at, n, kept};
}

static int by_place(const void *a, const void *b)
{
    const struct config_error *left = a, *right = b;
    if (left->at.line != right->at.line)
        return left->at.line < right->at.line ? -1 : 1;
    if (left->at.column != right->at.column)
        return left->at.column < right->at.column ? -1 : 1;
    return left->number < right->number ? -1 : 1;
}

/* Returns 0 when there were no errors, else -1. */
static int report_errors(struct config_parsing *parsing)
{
    if (parsing->error_count)
        qsort(parsing->errors, parsing->error_count, sizeof *parsing->errors, by_place);
    for (size_t i = 0; i < parsing->error_count; i++) {
        parsing->source->report(parsing->source->user, parsing->errors[i].text);
        free(parsing->errors[i].text);
    }
    free(parsing->errors);
    return parsing->error_count ? -1 : 0;
}

/* -- Memory. */

static bool is_allocated(enum config_type type)
{
    switch (type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_SECRET:
    case CONFIG_URL:
    case CONFIG_LISTEN:
        return true;
    case CONFIG_WHOLE:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_FLAG:
    case CONFIG_CHOICE:
    case CONFIG_DEVICE:
    case CONFIG_WORDS:
    case CONFIG_CONTROLS:
        break;
    }
    return false;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* Frees the texts of the first `size` bytes of `base`, of which the section speaks. */
static void free_texts(const struct config_section *section, void *base, size_t size)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *setting = &section->settings[i];
        void *member = (char *)base + setting->at;
        if (setting->at < size && is_allocated(setting->type))
            free(*(char **)member);
        else if (setting->at < size && setting->type == CONFIG_WORDS)
            free_words(*(char ***)member);
    }
}

void config_port_free(struct config_port *port)
{
    free_texts(&config_sections[CONFIG_PORTS], port, sizeof *port);
    memset(port, 0, sizeof *port);
}

void config_mcu_free(struct config_mcu *mcu)
{
    for (size_t i = 0; i < mcu->control_count; i++)
        free(mcu->controls[i].name);
    free(mcu->controls);
    free_texts(&config_sections[CONFIG_MCUS], mcu, sizeof *mcu);
    memset(mcu, 0, sizeof *mcu);
}

/* -- What differs. */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_controls(const struct config_mcu *a, const struct config_mcu *b)
{
    if (a->control_count != b->control_count)
        return false;
    for (size_t i = 0; i < a->control_count; i++)
        if (!same_text(a->controls[i].name, b->controls[i].name) ||
            a->controls[i].on_channel_loss != b->controls[i].on_channel_loss)
            return false;
    return true;
}

static bool same_words(char *const *a, char *const *b)
{
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return *a == *b;
}

static bool same_device(const struct config_mcu *a, const struct config_mcu *b)
{
    return a->any_device == b->any_device && a->device_len == b->device_len &&
           memcmp(a->device, b->device, a->device_len) == 0;
}

static bool same_setting(const struct config_setting *setting, const void *a, const void *b)
{
    const char *left = (const char *)a + setting->at, *right = (const char *)b + setting->at;
    if (is_allocated(setting->type))
        return same_text(*(char *const *)left, *(char *const *)right);
    if (setting->type == CONFIG_WORDS)
        return same_words(*(char *const *const *)left, *(char *const *const *)right);
    if (setting->type == CONFIG_DEVICE)
        return same_device(a, b);
    if (setting->type == CONFIG_CONTROLS)
        return same_controls(a, b);
    return memcmp(left, right, setting->size) == 0;
}

static bool same_entry(const struct config_section *section, const void *a, const void *b,
                       size_t size)
{
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].at < size && !same_setting(&section->settings[i], a, b))
            return false;
    return true;
}

bool config_port_same(const struct config_port *a, const struct config_port *b)
{
    return same_entry(&config_sections[CONFIG_PORTS], a, b, sizeof *a);
}

bool config_mcu_same(const struct config_mcu *a, const struct config_mcu *b)
{
    return same_entry(&config_sections[CONFIG_MCUS], a, b, sizeof *a);
}

/* What belongs to the files of firmware, which all boards share, holds from the start on. */
static bool is_of_files(int row)
{
    static const int rows[] = {
        CONFIG_HUB_CA_FILE,   CONFIG_HUB_FIRMWARE_KEYS, CONFIG_HUB_FIRMWARE_KEYS_FILE,
        CONFIG_HUB_FOLDER,    CONFIG_HUB_FILE_MAX,      CONFIG_HUB_IMAGE_MAX,
        CONFIG_HUB_KEEP_FREE, CONFIG_HUB_ALLOW_HTTP,    CONFIG_HUB_PROXY,
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i] == row)
            return true;
    return false;
}

static bool is_live(const struct config *a, const struct config *b, size_t section, size_t row)
{
    return section == CONFIG_LOG || (section == CONFIG_NERVESHUB && a->nerveshub.url &&
                                     b->nerveshub.url && !is_of_files((int)row));
}

static void swap(void *a, void *b, size_t n)
{
    for (unsigned char *left = a, *right = b; n > 0; n--, left++, right++) {
        unsigned char byte = *left;
        *left = *right;
        *right = byte;
    }
}

bool config_take_nerveshub(struct config *to, struct config *from)
{
    const struct config_section *section = &config_sections[CONFIG_NERVESHUB];
    bool differs = false;
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->settings[i];
        if (!is_live(to, from, CONFIG_NERVESHUB, i) || same_setting(row, to, from))
            continue;
        swap((char *)to + row->at, (char *)from + row->at, row->size);
        differs = true;
    }
    return differs;
}

void config_differences(const struct config *a, const struct config *b,
                        void (*changed)(void *user, const char *setting, bool live), void *user)
{
    char name[64];
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section *section = &config_sections[i];
        for (size_t j = 0; !section->is_list && j < section->count; j++) {
            if (same_setting(&section->settings[j], a, b))
                continue;
            snprintf(name, sizeof name, "%s.%s", section->key, section->settings[j].key);
            changed(user, name, is_live(a, b, i, j));
        }
    }
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->port_count; i++)
        config_port_free(&config->ports[i]);
    for (size_t i = 0; i < config->mcu_count; i++)
        config_mcu_free(&config->mcus[i]);
    free(config->ports);
    free(config->mcus);
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].is_list)
            free_texts(&config_sections[i], config, sizeof *config);
    memset(config, 0, sizeof *config);
}

/* Returns 0, or -1 when out of memory. */
static int set_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].is_list && config_value_defaults(&config_sections[i], config))
            return -1;
    return 0;
}

/* -- From bytes. */

/* Some editors put a mark of the byte order in front, which would count as a column. */
static struct config_source without_mark(const struct config_source *source)
{
    static const char mark[] = {'\xEF', '\xBB', '\xBF'};
    struct config_source plain = *source;
    if (plain.n >= sizeof mark && memcmp(plain.bytes, mark, sizeof mark) == 0) {
        plain.bytes += sizeof mark;
        plain.n -= sizeof mark;
    }
    return plain;
}

int config_parse(struct config *config, const struct config_source *source)
{
    const struct config_source plain = without_mark(source);
    struct config_parsing parsing = {.source = &plain, .config = config};
    if (set_defaults(config)) {
        config_complain(&parsing, (struct config_mark){0}, "out of memory");
    } else if (config_yaml_walk(&parsing)) {
        config_check(&parsing);
        for (size_t i = 0; parsing.own_lines && i < config->mcu_count; i++)
            config_port_free(&parsing.own_lines[i]);
    }
    free(parsing.own_lines);
    free(parsing.port_marks);
    free(parsing.mcu_marks);
    if (parsing.error_count)
        config_free(config);
    return report_errors(&parsing);
}

/* -- From a file. */

/* Reads `fd` to its end. Returns the bytes (free them) and *n, or NULL with why in `error`. */
static char *read_bytes(int fd, size_t *n, const char **error)
{
    char *bytes = malloc(CONFIG_BYTES_MAX + 1);
    *error = "out of memory";
    *n = 0;
    while (bytes) {
        ssize_t got = read(fd, bytes + *n, CONFIG_BYTES_MAX + 1 - *n);
        if (got == 0)
            return bytes;
        if (got > 0)
            *n += (size_t)got;
        if (got > 0 && *n <= CONFIG_BYTES_MAX)
            continue;
        if (got < 0 && errno == EINTR)
            continue;
        *error = got < 0 ? strerror(errno) : "more than 1 MiB: this is no configuration";
        break;
    }
    free(bytes);
    return NULL;
}

static char *read_file(const char *file, size_t *n, const char **error)
{
    struct stat status;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *error = errno == ENOENT ? "there is no such file" : strerror(errno);
        return NULL;
    }
    char *bytes = NULL;
    if (fstat(fd, &status))
        *error = strerror(errno);
    else if (S_ISDIR(status.st_mode))
        *error = "expected a file, found a directory";
    else
        bytes = read_bytes(fd, n, error);
    close(fd);
    return bytes;
}

static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return strdup("");
    return strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

static int read_from(struct config *config, const char *file, bool check_files,
                     void (*report)(void *user, const char *error), void *user)
{
    struct config_source source = {
        .name = file, .check_files = check_files, .report = report, .user = user};
    const char *error;
    char *bytes = read_file(file, &source.n, &error);
    if (!bytes) {
        struct config_parsing nothing = {.source = &source};
        config_complain(&nothing, (struct config_mark){0}, "%s", error);
        return report_errors(&nothing);
    }
    char *folder = folder_of(file);
    source.bytes = bytes;
    source.folder = folder;
    int result = config_parse(config, &source);
    free(folder);
    free(bytes);
    return result;
}

int config_read(struct config *config, const char *file,
                void (*report)(void *user, const char *error), void *user)
{
    return read_from(config, file, true, report, user);
}

int config_look(struct config *config, const char *file,
                void (*report)(void *user, const char *error), void *user)
{
    return read_from(config, file, false, report, user);
}

/* -- From the command line. */

struct line_reading {
    void (*report)(void *user, const char *error);
    void *user;
    size_t errors;
};

static void refuse_option(struct line_reading *reading, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse_option(struct line_reading *reading, const char *option, const char *format, ...)
{
    char text[ERROR_MAX], line[ERROR_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "--%s: %s", option, text);
    reading->errors++;
    reading->report(reading->user, line);
}

static void take_option(struct line_reading *reading, const char *option, const char *text,
                        enum config_section_id section, const char *key, void *base)
{
    struct config_complaint complaint;
    char shown[80];
    if (!text)
        return;
    int row = config_find(&config_sections[section], key, strlen(key));
    /* Numbers are taken as such; that an identity looks like one is no question on a command line.
     */
    struct config_scalar value = {text, strlen(text), false};
    if (config_value_put(&config_sections[section].settings[row], &value, NULL, base, &complaint))
        refuse_option(reading, option, "expected %s, found %s%s%s", complaint.expected,
                      complaint.hide ? "another"
                                     : log_quote(shown, sizeof shown, text, strlen(text)),
                      complaint.hint[0] ? "; " : "", complaint.hint);
}

static void require_option(struct line_reading *reading, const char *option, const char *text)
{
    if (!text)
        refuse_option(reading, option, "is missing; or give --config FILE");
}

static void check_line_certificate(struct line_reading *reading, const char *file)
{
    char error[512];
    if (file && !config_is_certificate(file, error, sizeof error))
        refuse_option(reading, "ca-file", "%s", error);
}

static void check_line_key(struct line_reading *reading, const char *file)
{
    char secret[CONFIG_SECRET_MAX + 1] = "", error[512];
    if (file && config_secret(file, secret, sizeof secret, error, sizeof error))
        refuse_option(reading, "api-key-file", "%s", error);
    memset(secret, 0, sizeof secret);
}

/* The port and the MCU are both called after the last part of the path. */
static int name_line(struct config *config, const char *path)
{
    const char *slash = strrchr(path, '/');
    char name[CONFIG_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", slash && slash[1] ? slash + 1 : path);
    config->ports[0].name = strdup(name);
    config->mcus[0].name = strdup(name);
    config->mcus[0].port = strdup(name);
    return config->ports[0].name && config->mcus[0].name && config->mcus[0].port ? 0 : -1;
}

/* Room for one port and one MCU, with their defaults. Returns 0, or -1 when out of memory. */
static int make_line_room(struct config *config)
{
    if (set_defaults(config))
        return -1;
    config->ports = calloc(1, sizeof *config->ports);
    config->mcus = calloc(1, sizeof *config->mcus);
    if (!config->ports || !config->mcus)
        return -1;
    config->port_count = config->mcu_count = 1;
    config->mcus[0].any_device = true;
    config->one_line = true;
    return config_value_defaults(&config_sections[CONFIG_PORTS], &config->ports[0]);
}

int config_from_line(struct config *config, const struct config_line *line,
                     void (*report)(void *user, const char *error), void *user)
{
    struct line_reading reading = {report, user, 0};
    struct config_mcu_entry entry = {.mcu.any_device = true};
    if (make_line_room(config)) {
        refuse_option(&reading, "port", "out of memory");
        config_free(config);
        return -1;
    }
    require_option(&reading, "port", line->port);
    require_option(&reading, "url", line->url);
    require_option(&reading, "api-key-file", line->api_key_file);
    take_option(&reading, "port", line->port, CONFIG_PORTS, "path", &config->ports[0]);
    take_option(&reading, "baud", line->baud, CONFIG_PORTS, "baud", &config->ports[0]);
    take_option(&reading, "url", line->url, CONFIG_SERVER, "url", config);
    take_option(&reading, "vsn", line->vsn, CONFIG_SERVER, "vsn", config);
    take_option(&reading, "ca-file", line->ca_file, CONFIG_SERVER, "ca_file", config);
    take_option(&reading, "device", line->device, CONFIG_MCUS, "device", &entry);
    take_option(&reading, "api-key-file", line->api_key_file, CONFIG_MCUS, "api_key_file", &entry);
    config->mcus[0] = entry.mcu;
    check_line_key(&reading, line->api_key_file);
    check_line_certificate(&reading, line->ca_file);
    if (line->port && name_line(config, line->port))
        refuse_option(&reading, "port", "out of memory");
    if (reading.errors)
        config_free(config);
    return reading.errors ? -1 : 0;
}

/* -- Help. */

#define HELP_COLUMNS 80

/* `text` in lines that fit a terminal, broken at spaces; all but the first begin with `margin`
 * of them. */
static void help_wrapped(const char *text, size_t margin,
                         void (*line)(void *user, const char *text), void *user)
{
    char out[512];
    for (size_t indent = 0; *text; indent = margin) {
        size_t own = margin - indent; /* spaces that the text itself begins with, at most */
        size_t room = HELP_COLUMNS - indent, taken = strlen(text);
        if (taken > room) {
            for (taken = room; taken > own && text[taken] != ' ';)
                taken--;
            taken = taken > own ? taken : strcspn(text + own, " ") + own;
        }
        snprintf(out, sizeof out, "%*s%.*s", (int)indent, "", (int)taken, text);
        line(user, out);
        text += taken;
        text += strspn(text, " ");
    }
}

static void help_setting(const struct config_setting *setting, const char *indent,
                         void (*line)(void *user, const char *text), void *user)
{
    char text[512], expected[CONFIG_EXPECTED_MAX];
    size_t margin = strlen(indent) + 21;
    config_value_expected(setting, expected, sizeof expected);
    snprintf(text, sizeof text, "%s%-18s %s%s%s%s", indent, setting->key, expected,
             setting->fallback ? "; default " : "", setting->fallback ? setting->fallback : "",
             setting->required ? "; required" : "");
    help_wrapped(text, margin - 2, line, user);
    snprintf(text, sizeof text, "%*s%s", (int)margin, "", setting->help);
    help_wrapped(text, margin, line, user);
}

static void help_section(const struct config_section *section, const char *indent,
                         void (*line)(void *user, const char *text), void *user)
{
    for (size_t i = 0; i < section->count; i++) {
        bool opens_entry = section->is_list && i == 0;
        help_setting(&section->settings[i], opens_entry ? "  - " : indent, line, user);
        if (section->settings[i].type == CONFIG_CONTROLS) {
            line(user, "      NAME:");
            help_section(&config_control_section, "        ", line, user);
        }
    }
}

void config_help(void (*line)(void *user, const char *text), void *user)
{
    char text[256];
    help_wrapped("The configuration is a YAML file. Durations are written 500ms, 30s, 5m, 1h; "
                 "sizes 64KiB, 1MiB; relative paths start at the folder of the file.",
                 0, line, user);
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
        line(user, "");
        snprintf(text, sizeof text, "%s:  # %s%s", config_sections[i].key, config_sections[i].help,
                 config_sections[i].required ? "; required" : "");
        line(user, text);
        help_section(&config_sections[i], config_sections[i].is_list ? "    " : "  ", line, user);
    }
}
