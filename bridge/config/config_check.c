/*
 * config_check.c - what must hold between settings: each port and MCU is found one way, names and
 * identities are claimed once, key files are shared by nobody. Single values are config_value.c's.
 */
#define _DEFAULT_SOURCE
#include "config_parse.h"

#include "config_listen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHOWN_MAX 80

struct config_mark config_mark_of(const struct config_entry_marks *marks, int row)
{
    return marks->settings[row].line ? marks->settings[row] : marks->entry;
}

static struct config_mark port_mark(const struct config_parsing *parsing, size_t i, int row)
{
    return config_mark_of(&parsing->port_marks[i], row);
}

static struct config_mark mcu_mark(const struct config_parsing *parsing, size_t i, int row)
{
    return config_mark_of(&parsing->mcu_marks[i], row);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* How it is found is the name where none was given: the most exact way, since two may share a USB
 * serial. */
static void name_port(struct config_port *port)
{
    const char *ways[] = {port->path, port->usb_path, port->usb_serial, port->usb_id};
    for (size_t i = 0; !port->name && i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i])
            port->name = strdup(ways[i]);
}

/* The rows of one table by which a line is found; the path is the first. */
struct ways {
    int rows[4];
    const struct config_setting *settings;
};

static bool is_usb_id(const char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    return strspn(text, hex) == 4 && text[4] == ':' && strspn(text + 5, hex) == 4;
}

/* Complains of two ways that exclude each other; returns whether there is any. */
static bool check_ways(struct config_parsing *parsing, const struct ways *ways,
                       const struct config_mark *settings, const char *usb_id)
{
    bool path = settings[ways->rows[0]].line, usb = false;
    for (size_t i = 1; i < sizeof ways->rows / sizeof ways->rows[0]; i++) {
        if (!settings[ways->rows[i]].line)
            continue;
        usb = true;
        if (path)
            config_complain(parsing, settings[ways->rows[i]],
                            "\"%s\": expected one of path and %s, found both",
                            ways->settings[ways->rows[i]].key, ways->settings[ways->rows[i]].key);
    }
    if (usb_id && !is_usb_id(usb_id))
        config_complain(parsing, settings[ways->rows[2]],
                        "\"usb_id\": expected vendor and product in hexadecimal, such as "
                        "0403:6001");
    return path || usb;
}

/* -- Each port is found one way. */

static void check_port_ways(struct config_parsing *parsing)
{
    const struct ways ways = {
        {CONFIG_PORT_PATH, CONFIG_PORT_USB_SERIAL, CONFIG_PORT_USB_ID, CONFIG_PORT_USB_PATH},
        config_sections[CONFIG_PORTS].settings};
    struct config *config = parsing->config;
    for (size_t i = 0; config->ports && i < config->port_count; i++) {
        const struct config_entry_marks *marks = &parsing->port_marks[i];
        if (!marks->entry.line)
            continue;
        if (!check_ways(parsing, &ways, marks->settings, config->ports[i].usb_id))
            config_complain(parsing, marks->entry,
                            "\"path\" or \"usb_serial\" is missing in this entry of ports (or "
                            "usb_id, usb_path)");
        name_port(&config->ports[i]);
    }
}

/* An MCU's own line becomes a port of the MCU's name that it is pinned to. */
static void adopt_line(struct config_parsing *parsing, size_t i)
{
    struct config *config = parsing->config;
    const struct config_entry_marks *marks = &parsing->mcu_marks[i];
    struct config_port *line = &parsing->own_lines[i];
    const struct ways ways = {
        {CONFIG_MCU_PATH, CONFIG_MCU_USB_SERIAL, CONFIG_MCU_USB_ID, CONFIG_MCU_USB_PATH},
        config_sections[CONFIG_MCUS].settings};
    if (!marks->entry.line)
        return;
    bool found = check_ways(parsing, &ways, marks->settings, line->usb_id);
    if (config->mcus[i].port)
        config_complain(parsing, marks->settings[CONFIG_MCU_PORT],
                        "\"port\": names an entry of \"ports\", which this file has not");
    if (!found)
        config_complain(parsing, marks->entry,
                        "no line to find this MCU on: add \"path\" or \"usb_serial\" here, or a "
                        "list of \"ports\"");
    if (!line->path && !line->usb_serial && !line->usb_id && !line->usb_path)
        return;
    struct config_entry_marks *port_marks = &parsing->port_marks[config->port_count];
    port_marks->entry = marks->entry;
    port_marks->settings[CONFIG_PORT_PATH] = marks->settings[CONFIG_MCU_PATH];
    port_marks->settings[CONFIG_PORT_USB_SERIAL] = marks->settings[CONFIG_MCU_USB_SERIAL];
    struct config_port *port = &config->ports[config->port_count++];
    *port = *line;
    memset(line, 0, sizeof *line);
    name_port(port);
    if (!config->mcus[i].port && port->name)
        config->mcus[i].port = strdup(port->name);
}

static void adopt_lines(struct config_parsing *parsing)
{
    struct config *config = parsing->config;
    config->ports = calloc(config->mcu_count + 1, sizeof *config->ports);
    parsing->port_marks = calloc(config->mcu_count + 1, sizeof *parsing->port_marks);
    if (!config->ports || !parsing->port_marks) {
        config_complain(parsing, (struct config_mark){0}, "out of memory");
        return;
    }
    for (size_t i = 0; i < config->mcu_count; i++)
        adopt_line(parsing, i);
}

static void refuse_lines(struct config_parsing *parsing)
{
    static const int rows[] = {CONFIG_MCU_PATH,     CONFIG_MCU_USB_SERIAL, CONFIG_MCU_USB_ID,
                               CONFIG_MCU_USB_PATH, CONFIG_MCU_BAUD,       CONFIG_MCU_DTR_RTS};
    for (size_t i = 0; i < parsing->config->mcu_count; i++)
        for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
            if (parsing->mcu_marks[i].settings[rows[row]].line)
                config_complain(
                    parsing, parsing->mcu_marks[i].settings[rows[row]],
                    "\"%s\": belongs in an entry of \"ports\", since this file has that "
                    "list; here stands \"port\", its name",
                    config_sections[CONFIG_MCUS].settings[rows[row]].key);
}

/* -- Everything is claimed once. */

static bool same_or_none(const char *a, const char *b)
{
    return (!a && !b) || same(a, b);
}

/* Two boards may share a serial number; then their places tell them apart. */
static bool same_usb(const struct config_port *a, const struct config_port *b)
{
    bool is_usb = a->usb_serial || a->usb_id || a->usb_path;
    return is_usb && !a->path && !b->path && same_or_none(a->usb_serial, b->usb_serial) &&
           same_or_none(a->usb_id, b->usb_id) && same_or_none(a->usb_path, b->usb_path);
}

static void check_ports_once(struct config_parsing *parsing)
{
    struct config_port *ports = parsing->config->ports;
    for (size_t i = 0; i < parsing->config->port_count; i++)
        for (size_t j = 0; j < i; j++) {
            unsigned line = parsing->port_marks[j].entry.line;
            if (same(ports[i].path, ports[j].path))
                config_complain(parsing, port_mark(parsing, i, CONFIG_PORT_PATH),
                                "\"path\": the same as in the entry in line %u", line);
            else if (same_usb(&ports[i], &ports[j]))
                config_complain(parsing, port_mark(parsing, i, CONFIG_PORT_USB_SERIAL),
                                "\"usb_serial\": the same as in the entry in line %u", line);
            else if (same(ports[i].name, ports[j].name))
                config_complain(parsing, port_mark(parsing, i, CONFIG_PORT_NAME),
                                "\"name\": the same as in the entry in line %u", line);
            else
                continue;
            break;
        }
}

static bool same_device(const struct config_mcu *a, const struct config_mcu *b)
{
    if (a->any_device || b->any_device)
        return a->any_device && b->any_device && same(a->port, b->port);
    return a->device_len == b->device_len && memcmp(a->device, b->device, a->device_len) == 0;
}

/* Two lines of their own that are the same were complained of as ports. */
static bool has_own_line(const struct config_parsing *parsing, size_t i)
{
    const struct config_mark *settings = parsing->mcu_marks[i].settings;
    return settings[CONFIG_MCU_PATH].line || settings[CONFIG_MCU_USB_SERIAL].line ||
           settings[CONFIG_MCU_USB_ID].line || settings[CONFIG_MCU_USB_PATH].line;
}

static void check_mcu_once(struct config_parsing *parsing, size_t i, size_t j)
{
    const struct config_mcu *a = &parsing->config->mcus[j], *b = &parsing->config->mcus[i];
    const char *name = a->name ? a->name : "?";
    unsigned line = parsing->mcu_marks[j].entry.line;
    if (same(a->name, b->name))
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_NAME),
                        "\"name\": the same as in the entry in line %u", line);
    if (same_device(a, b) && !b->any_device)
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_DEVICE),
                        "\"device\": already claimed by \"%s\" in line %u", name, line);
    if (same_device(a, b) && b->any_device && !has_own_line(parsing, i))
        config_complain(
            parsing, mcu_mark(parsing, i, CONFIG_MCU_PORT),
            "\"port\": already belongs to \"%s\" in line %u, which takes any device too", name,
            line);
    if (parsing->config->profile == CONFIG_MICROCONTROLLERS &&
        same(a->api_key_file, b->api_key_file))
        config_complain(
            parsing, mcu_mark(parsing, i, CONFIG_MCU_KEY_FILE),
            "\"api_key_file\": the same as of \"%s\" in line %u; the server knows an MCU "
            "by its key: give each its own",
            name, line);
}

/* -- MCUs and ports fit. */

static const char *port_name_of(const void *config, size_t i)
{
    const char *name = ((const struct config *)config)->ports[i].name;
    return name ? name : "";
}

static void check_pin(struct config_parsing *parsing, size_t i)
{
    struct config *config = parsing->config;
    struct config_mcu *mcu = &config->mcus[i];
    const struct config_entry_marks *marks = &parsing->mcu_marks[i];
    bool device_given = marks->settings[CONFIG_MCU_DEVICE].line;
    if (!marks->entry.line)
        return;
    if (!mcu->port && mcu->any_device && !device_given && config->port_count == 1)
        mcu->port = strdup(port_name_of(config, 0));
    if (!mcu->port) {
        if (mcu->any_device && !device_given && config->port_count)
            config_complain(parsing, marks->entry,
                            "\"device\" or \"port\" is missing in this entry of mcus");
        return;
    }
    for (size_t j = 0; j < config->port_count; j++)
        if (same(mcu->port, config->ports[j].name))
            return;
    char shown[SHOWN_MAX];
    const char *near = config_nearest(mcu->port, port_name_of, config, config->port_count);
    config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_PORT),
                    "\"port\": expected the name of an entry of \"ports\", found \"%s\"%s%s%s",
                    log_quote(shown, sizeof shown, mcu->port, strlen(mcu->port)),
                    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static void check_key_file(struct config_parsing *parsing, size_t i)
{
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    const struct config *config = parsing->config;
    const char *file = config->mcus[i].api_key_file;
    bool needed = parsing->server.line && (config->profile == CONFIG_MICROCONTROLLERS ||
                                           config->application.credential != CONFIG_BY_NOTHING);
    if (file && !parsing->server.line)
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_KEY_FILE),
                        "\"api_key_file\": is for the section \"server\", which this file has "
                        "not; the secret for NervesHub is \"secret_file\" in \"nerveshub\"");
    if (!file && needed && parsing->mcu_marks[i].entry.line)
        config_complain(parsing, parsing->mcu_marks[i].entry,
                        "\"api_key_file\" is missing in this entry of mcus");
    if (!file || !parsing->source->check_files)
        return;
    if (config_secret(file, secret, sizeof secret, error, sizeof error))
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_KEY_FILE), "\"api_key_file\": %s",
                        error);
    explicit_bzero(secret, sizeof secret);
}

static void check_ca_file(struct config_parsing *parsing)
{
    char error[512];
    const char *file = parsing->config->ca_file;
    if (file && parsing->source->check_files && !config_is_certificate(file, error, sizeof error))
        config_complain(parsing, (struct config_mark){0}, "\"ca_file\": %s", error);
}

static void check_certificate(struct config_parsing *parsing)
{
    const struct config *config = parsing->config;
    char error[512];
    if (!config->cert_file != !config->key_file)
        config_complain(parsing, (struct config_mark){0},
                        "\"cert_file\" and \"key_file\" go together");
    if (!parsing->source->check_files || !config->cert_file || !config->key_file)
        return;
    if (!config_is_certificate(config->cert_file, error, sizeof error))
        config_complain(parsing, (struct config_mark){0}, "\"cert_file\": %s", error);
    if (!config_is_private(config->key_file))
        config_complain(parsing, (struct config_mark){0},
                        "\"key_file\": expected a file that nobody else may read: chmod 600 %s",
                        config->key_file);
}

static void check_auth_token(struct config_parsing *parsing)
{
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    const struct config *config = parsing->config;
    if (config->auth_token_file && config->auth_token_command)
        config_complain(parsing, (struct config_mark){0},
                        "\"auth_token_file\": expected this or \"auth_token_command\", found both");
    if (!config->auth_token_file || !parsing->source->check_files)
        return;
    if (config_secret(config->auth_token_file, secret, sizeof secret, error, sizeof error))
        config_complain(parsing, (struct config_mark){0}, "\"auth_token_file\": %s", error);
    explicit_bzero(secret, sizeof secret);
}

/* The rest of it is libphx's to judge; it is not shown, since it may hold a password. */
void config_check_proxy(struct config_parsing *parsing, struct config_mark at, const char *proxy)
{
    if (proxy && !same(proxy, "none") && strncmp(proxy, "http://", 7) != 0)
        config_complain(parsing, at, "\"proxy\": expected http://HOST:PORT, or none");
}

static void check_metrics(struct config_parsing *parsing)
{
    struct config_listen listen;
    const struct config *config = parsing->config;
    if (config->metrics_listen && config_listen(config->metrics_listen, &listen) == 0 &&
        !listen.is_loopback && !config->metrics_allow_remote)
        config_complain(
            parsing, (struct config_mark){0},
            "\"listen\": %s can be reached from other machines, and nobody is asked who "
            "he is there; take 127.0.0.1 or unix:, or say \"allow_remote: true\"",
            config->metrics_listen);
}

static void check_waits(struct config_parsing *parsing)
{
    const struct config *config = parsing->config;
    if (config->backoff_min_ms > config->backoff_max_ms)
        config_complain(parsing, (struct config_mark){0},
                        "\"reconnect_min\": longer than \"reconnect_max\"");
}

void config_check(struct config_parsing *parsing)
{
    struct config *config = parsing->config;
    if (config->ports)
        refuse_lines(parsing);
    check_port_ways(parsing);
    if (!config->ports)
        adopt_lines(parsing);
    check_ports_once(parsing);
    for (size_t i = 0; i < config->mcu_count; i++) {
        check_pin(parsing, i);
        for (size_t j = 0; j < i; j++)
            check_mcu_once(parsing, i, j);
        check_key_file(parsing, i);
    }
    config_check_nerveshub(parsing);
    check_ca_file(parsing);
    check_certificate(parsing);
    check_auth_token(parsing);
    config_check_proxy(parsing, (struct config_mark){0}, parsing->config->proxy);
    check_waits(parsing);
    check_metrics(parsing);
}
