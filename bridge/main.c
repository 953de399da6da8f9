/*
 * mcu-bridge: the command line. What the options mean is config's, what runs is bridge's.
 */
#include "application.h"
#include "base/log.h"
#include "bridge.h"
#include "config/config.h"
#include "hub.h"
#include "watch/status.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

enum option_id {
    OPTION_CONFIG = 256,
    OPTION_PORT,
    OPTION_URL,
    OPTION_API_KEY_FILE,
    OPTION_BAUD,
    OPTION_VSN,
    OPTION_CA_FILE,
    OPTION_DEVICE,
    OPTION_CHECK,
    OPTION_HELP_CONFIG,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_CONNECT,
    OPTION_JSON,
    OPTION_VERSION,
    OPTION_HELP,
};

static const char help[] =
    "usage: mcu-bridge --config FILE\n"
    "       mcu-bridge --port PATH --url URL --api-key-file FILE [options]\n"
    "       mcu-bridge status [--config FILE | --connect ADDRESS] [--json]\n"
    "\n"
    "Connects microcontrollers on serial lines to a Phoenix server: their readings go\n"
    "up, controls come down; and to a NervesHub, as its devices.\n"
    "\n"
    "  --config FILE        every setting, port and MCU (see --help-config)\n"
    "  --check-config       only check it, and the API keys; exit 0 or 2\n"
    "  --help-config        every setting with its type, range and default\n"
    "\n"
    "One MCU without a file:\n"
    "  --port PATH          serial device, link to one, or PTY; need not exist yet\n"
    "  --url URL            ws:// or wss://HOST[:PORT]/.../websocket\n"
    "  --api-key-file FILE  holds the MCU's API key; readable by its owner only\n"
    "  --baud N             115200 unless given\n"
    "  --vsn 1.0.0|2.0.0    version of the Phoenix serializer; 2.0.0 unless given\n"
    "  --ca-file FILE       trust this certificate authority (PEM) and no other\n"
    "  --device ID          take only the device of this identity\n"
    "\n"
    "How a running one is (status; exit 0 all up, 1 something is down, 3 none runs):\n"
    "  --config FILE        asks where its metrics: listen: says\n"
    "  --connect ADDRESS    127.0.0.1:PORT or unix:/PATH; the default is\n"
    "                       " STATUS_ADDRESS "\n"
    "  --json               what the bridge says, as it is\n"
    "\n"
    "  --log-level error|warning|info|debug      --log-format text|json\n"
    "  --version            --help\n"
    "\n"
    "Exit status: 0 after SIGTERM or SIGINT, 1 it could not run, 2 wrong options or\n"
    "configuration. SIGHUP reads the configuration again.\n"
    "\n"
    "  mcu-bridge --port /dev/ttyACM0 --api-key-file key \\\n"
    "             --url ws://localhost:4000/microcontrollers/websocket\n"
    "  mcu-bridge --config /etc/mcu-bridge/bridge.yaml --log-level debug\n";

struct options {
    const char *file, *log_level, *log_format, *connect;
    struct config_line line;
    bool is_line, check, status, json;
};

static void print_error(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "mcu-bridge: %s\n", text);
}

static void print_line(void *user, const char *text)
{
    (void)user;
    puts(text);
}

static int usage(const char *what)
{
    fprintf(stderr, "mcu-bridge: %s\nTry mcu-bridge --help\n", what);
    return EXIT_USAGE;
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"port", required_argument, NULL, OPTION_PORT},
    {"url", required_argument, NULL, OPTION_URL},
    {"api-key-file", required_argument, NULL, OPTION_API_KEY_FILE},
    {"baud", required_argument, NULL, OPTION_BAUD},
    {"vsn", required_argument, NULL, OPTION_VSN},
    {"ca-file", required_argument, NULL, OPTION_CA_FILE},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"help-config", no_argument, NULL, OPTION_HELP_CONFIG},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
    {"connect", required_argument, NULL, OPTION_CONNECT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* Where the text of an option of the one-line form goes; NULL: it is none. */
static const char **line_member(struct config_line *line, int option)
{
    switch (option) {
    case OPTION_PORT:
        return &line->port;
    case OPTION_URL:
        return &line->url;
    case OPTION_API_KEY_FILE:
        return &line->api_key_file;
    case OPTION_BAUD:
        return &line->baud;
    case OPTION_VSN:
        return &line->vsn;
    case OPTION_CA_FILE:
        return &line->ca_file;
    case OPTION_DEVICE:
        return &line->device;
    default:
        return NULL;
    }
}

/* Returns -1 to go on, else the exit status. */
static int take_option(struct options *options, int option)
{
    const char **member = line_member(&options->line, option);
    if (member != NULL) {
        *member = optarg;
        options->is_line = true;
        return -1;
    }
    switch (option) {
    case OPTION_CONFIG:
        options->file = optarg;
        return -1;
    case OPTION_CHECK:
        options->check = true;
        return -1;
    case OPTION_LOG_LEVEL:
        options->log_level = optarg;
        return -1;
    case OPTION_LOG_FORMAT:
        options->log_format = optarg;
        return -1;
    case OPTION_CONNECT:
        options->connect = optarg;
        return -1;
    case OPTION_JSON:
        options->json = true;
        return -1;
    case OPTION_HELP_CONFIG:
        config_help(print_line, NULL);
        return EXIT_SUCCESS;
    case OPTION_VERSION:
        puts("mcu-bridge " MCU_VERSION);
        return EXIT_SUCCESS;
    case 'h':
    case OPTION_HELP:
        fputs(help, stdout);
        return EXIT_SUCCESS;
    default:
        fputs("Try mcu-bridge --help\n", stderr);
        return EXIT_USAGE;
    }
}

/* The words of a log option, in the order of what they mean. */
static int find_word(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

static const char *const levels[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static const char *const formats[] = {"text", "json"};
#define FIND(word, words) find_word(word, words, sizeof(words) / sizeof(words)[0])

static int check_log(const struct options *options)
{
    if (options->log_level != NULL && FIND(options->log_level, levels) < 0)
        return usage("--log-level is error, warning, info or debug");
    if (options->log_format != NULL && FIND(options->log_format, formats) < 0)
        return usage("--log-format is text or json");
    return -1;
}

static int check_status(const struct options *options)
{
    if (options->is_line || options->check)
        return usage("status takes --config or --connect, and --json");
    if (options->file != NULL && options->connect != NULL)
        return usage("--config and --connect exclude each other");
    return -1;
}

static int parse(struct options *options, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        int status = take_option(options, option);
        if (status != -1)
            return status;
    }
    if (optind < argc && strcmp(argv[optind], "status") == 0) {
        options->status = true;
        optind++;
    }
    if (optind < argc)
        return usage("it takes options only, or the word status");
    if (options->status)
        return check_status(options);
    if (options->connect != NULL || options->json)
        return usage("--connect and --json go with status");
    if (options->file != NULL && options->is_line)
        return usage("--config and the options for one MCU exclude each other");
    if (options->file == NULL && !options->is_line)
        return usage("give --config FILE, or --port, --url and --api-key-file");
    return check_log(options);
}

/* The command line's log options go before the file's. */
static void set_log(struct config *config, const struct options *options)
{
    if (options->log_level != NULL)
        config->log_level = (enum log_level)FIND(options->log_level, levels);
    if (options->log_format != NULL)
        config->log_json = FIND(options->log_format, formats) == 1;
}

/* A key that no server of the profile would take is found before the first attempt. */
static int check_keys(const struct config *config, const struct profile *profile,
                      void (*report)(void *user, const char *error), void *user)
{
    int wrong = 0;
    for (size_t i = 0; i < config->mcu_count; i++) {
        char key[256], error[256], line[600];
        const char *file = config->mcus[i].api_key_file;
        if (file == NULL)
            continue; /* config_check has seen to it that none is needed */
        if (config_secret(file, key, sizeof key, error, sizeof error) == 0) {
            const char *why = profile->check_credential(profile, key);
            explicit_bzero(key, sizeof key);
            if (why == NULL)
                continue;
            snprintf(error, sizeof error, "%s: %s", file, why);
        }
        snprintf(line, sizeof line, "%s: %s", config->mcus[i].name, error);
        report(user, line);
        wrong++;
    }
    return wrong;
}

/* An event that a server does not know crashes the channel there. */
static int check_command_event(const struct config *config, const struct profile *profile,
                               void (*report)(void *user, const char *error), void *user)
{
    if (config->command_event == NULL)
        return 0;
    if (!profile->command_events)
        report(user,
               "\"command_event\": a server of this profile takes no such event; leave it out");
    else if (strncmp(config->command_event, "phx_", 4) == 0)
        report(user, "\"command_event\": phx_... are events of Phoenix itself; take another");
    else
        return 0;
    return 1;
}

static int check_firmware_keys(const struct config *config,
                               void (*report)(void *user, const char *error), void *user)
{
    struct fw_keys keys;
    char why[512];
    if (hub_keys(&config->nerveshub, &keys, why, sizeof why) == 0)
        return 0;
    report(user, why);
    return 1;
}

/* Everything that can be wrong is reported. */
static int read_config(void *user, struct config *config,
                       void (*report)(void *user, const char *error), void *report_user)
{
    const struct options *options = user;
    int error = options->file != NULL
                    ? config_read(config, options->file, report, report_user)
                    : config_from_line(config, &options->line, report, report_user);
    if (error != 0)
        return -1;
    set_log(config, options);
    struct profile_ruled ruled;
    const char *why;
    const struct profile *profile = application_profile(config, &ruled, &why);
    int wrong = 1;
    if (profile == NULL)
        report(report_user, why);
    else
        wrong = check_keys(config, profile, report, report_user) +
                check_command_event(config, profile, report, report_user) +
                check_firmware_keys(config, report, report_user);
    if (wrong == 0)
        return 0;
    config_free(config);
    return -1;
}

static const char *or_none(const char *text)
{
    return text != NULL ? text : "none";
}

static void print_summary(const struct config *config)
{
    size_t holds = 0;
    for (size_t i = 0; i < config->mcu_count; i++)
        for (size_t j = 0; j < config->mcus[i].control_count; j++)
            holds += config->mcus[i].controls[j].on_channel_loss == CONFIG_HOLD;
    printf("ok: the configuration is good; ports: %zu, MCUs: %zu, controls that hold: %zu\n"
           "server: %s\nnerveshub: %s\nmetrics: %s\n",
           config->port_count, config->mcu_count, holds, or_none(config->url),
           or_none(config->nerveshub.url), or_none(config->metrics_listen));
}

static int run(struct config *config, struct options *options)
{
    if (options->check) {
        print_summary(config);
        return EXIT_SUCCESS;
    }
    const struct bridge_source source = {options, read_config};
    log_open(config->log_level, config->log_json);
    return bridge_run(config, &source) == 0 ? EXIT_SUCCESS : EXIT_RUNTIME;
}

/* Errors of the file are no business of who only looks; that it cannot be read is. */
static int show_status(const struct options *options)
{
    const char *address = options->connect != NULL ? options->connect : STATUS_ADDRESS;
    struct config config = {.url = NULL};
    if (options->file != NULL) {
        if (config_look(&config, options->file, print_error, NULL) != 0)
            return EXIT_USAGE;
        if (config.metrics_listen == NULL) {
            config_free(&config);
            return usage("nobody can ask a bridge with this configuration: it needs a section "
                         "metrics, such as {listen: 127.0.0.1:9469}, and a new start");
        }
        address = config.metrics_listen;
    }
    int status = status_show(address, options->json);
    config_free(&config);
    return status;
}

/* Whoever started us may have closed them: then the next thing opened would be standard error, and
 * the log would be written to a board or a server. */
static void keep_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDWR);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct config config;
    keep_standard_descriptors();
    int status = parse(&options, argc, argv);
    if (status != -1)
        return status;
    if (options.status)
        return show_status(&options);
    signal(SIGPIPE, SIG_IGN);
    if (read_config(&options, &config, print_error, NULL) != 0)
        return EXIT_USAGE;
    status = run(&config, &options);
    config_free(&config);
    return status;
}
