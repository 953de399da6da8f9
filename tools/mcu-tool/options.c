/*
 * options.c - one table of options for all commands. Values go through the types of the bridge's
 * configuration, so that 2s and 0x0123 mean the same in both.
 */
#define _DEFAULT_SOURCE
#include "options.h"

#include "config/config_value.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TTL_MS 2000
#define DEFAULT_BAUD   115200

static const struct option known[] = {
    {"baud", required_argument, NULL, 'b'}, {"bootloader", no_argument, NULL, 'B'},
    {"for", required_argument, NULL, 'f'},  {"frames", no_argument, NULL, 'F'},
    {"hold", required_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'},
    {"port", required_argument, NULL, 'p'}, {"raw", no_argument, NULL, 'r'},
    {"reset", no_argument, NULL, 'R'},      {"ttl", required_argument, NULL, 't'},
    {"wait", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0},
};

#define DURATION(member, option, min)                                  \
    {                                                                  \
        option, CONFIG_DURATION, min, 86400000, NULL, NULL, false, "", \
            offsetof(struct options, member), sizeof(uint32_t)         \
    }

static const struct config_setting baud_row = {
    "baud",          CONFIG_WHOLE, 300,
    4000000,         NULL,         NULL,
    false,           "",           offsetof(struct options, baud),
    sizeof(uint32_t)};
static const struct config_setting for_row = DURATION(for_ms, "for", 1);
static const struct config_setting hold_row = DURATION(hold_ms, "hold", 1);
static const struct config_setting ttl_row = DURATION(ttl_ms, "ttl", 10);
static const struct config_setting wait_row = DURATION(wait_ms, "wait", 1);
static const struct config_setting device_row = {"device", CONFIG_DEVICE,
                                                 1,        CONFIG_DEVICE_MAX,
                                                 NULL,     NULL,
                                                 false,    "",
                                                 0,        sizeof(struct config_mcu)};

static int take(const struct config_setting *row, const char *name, const char *text, bool quoted,
                void *base)
{
    struct config_scalar value = {text, strlen(text), quoted};
    struct config_complaint complaint;
    if (config_value_put(row, &value, NULL, base, &complaint) == 0)
        return 0;
    fprintf(stderr, "mcu-tool: %s: expected %s, found \"%s\"%s%s\n", name, complaint.expected, text,
            complaint.hint[0] ? "; " : "", complaint.hint);
    return -1;
}

static int take_port(struct options *options, const char *path)
{
    if (options->port_count == sizeof options->ports / sizeof options->ports[0]) {
        fprintf(stderr, "mcu-tool: --port: at most %zu\n", options->port_count);
        return -1;
    }
    options->ports[options->port_count++] = path;
    return 0;
}

static int take_option(struct options *options, int letter)
{
    switch (letter) {
    case 'b':
        return take(&baud_row, "--baud", optarg, false, options);
    case 'f':
        return take(&for_row, "--for", optarg, false, options);
    case 'h':
        return take(&hold_row, "--hold", optarg, false, options);
    case 't':
        return take(&ttl_row, "--ttl", optarg, false, options);
    case 'w':
        return take(&wait_row, "--wait", optarg, false, options);
    case 'p':
        return take_port(options, optarg);
    case 'B':
        options->bootloader = true;
        return 0;
    case 'F':
        options->frames = true;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'r':
        options->raw = true;
        return 0;
    case 'R':
        options->reset = true;
        return 0;
    default:
        return -1;
    }
}

static const char *name_of(int letter)
{
    for (const struct option *option = known; option->name; option++)
        if (option->val == letter)
            return option->name;
    return "?";
}

/* Negative numbers are values, not options: "send PORT motor -40". */
static bool is_word(const char *argument)
{
    return argument[0] != '-' || argument[1] == '.' || (argument[1] >= '0' && argument[1] <= '9');
}

/* Those that no command takes are counted alone. */
static void take_words(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (options->word_count < sizeof options->words / sizeof options->words[0])
            options->words[options->word_count] = argv[i];
        options->word_count++;
    }
}

/* Splits argv into words (kept in place, from argv[1]) and options for getopt. */
static int read_all(struct options *options, int argc, char **argv, const char *accepted)
{
    char **rest = calloc((size_t)argc + 1, sizeof *rest);
    int words = 1, given = 1, result = 0;
    if (!rest)
        return -1;
    rest[0] = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (is_word(name)) {
            argv[words++] = argv[i];
            continue;
        }
        rest[given++] = argv[i];
        for (const struct option *option = known; option->name; option++)
            if (strncmp(name, "--", 2) == 0 && strcmp(name + 2, option->name) == 0 &&
                option->has_arg == required_argument && i + 1 < argc)
                rest[given++] = argv[++i];
    }
    optind = 1;
    for (int letter; !result && (letter = getopt_long(given, rest, "", known, NULL)) != -1;) {
        if (letter != '?' && !strchr(accepted, letter)) {
            fprintf(stderr, "mcu-tool %s: takes no --%s\n", argv[0], name_of(letter));
            result = -1;
        } else {
            result = take_option(options, letter);
        }
    }
    free(rest);
    take_words(options, words, argv);
    return result;
}

int options_read(struct options *options, int argc, char **argv, const char *accepted,
                 size_t words_min, size_t words_max)
{
    *options = (struct options){.baud = DEFAULT_BAUD, .ttl_ms = DEFAULT_TTL_MS};
    if (read_all(options, argc, argv, accepted))
        return -1;
    if (options->word_count < words_min || options->word_count > words_max) {
        fprintf(stderr, "mcu-tool %s: too %s arguments; see mcu-tool --help\n", argv[0],
                options->word_count < words_min ? "few" : "many");
        return -1;
    }
    return 0;
}

int options_device(const char *text, uint8_t *out, uint8_t *length)
{
    struct config_mcu mcu = {0};
    bool hex = strncmp(text, "0x", 2) == 0;
    if (take(&device_row, "ID", text, !hex, &mcu))
        return -1;
    memcpy(out, mcu.device, mcu.device_len);
    *length = mcu.device_len;
    return 0;
}

int options_value(const char *text, double *value)
{
    char *end;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *value = text[0] == 't';
        return 0;
    }
    *value = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*value))
        return 0;
    fprintf(stderr, "mcu-tool: VALUE: expected a number, true or false, found \"%s\"\n", text);
    return -1;
}
