/*
 * config_nerveshub.c - what a configuration says of NervesHub: an MCU's entry and the section put
 * together, and what must hold between them. What a flasher's words and a key must be in themselves
 * is flash_argv.c's and fw_file.c's.
 */
#define _DEFAULT_SOURCE
#include "config_parse.h"

#include "flash/flash_argv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define KEY_LENGTH 44 /* 32 bytes in base64 */
#define WHY_MAX    512

/* -- Both put together. */

static const char *const *words_of(char *const *words)
{
    return (const char *const *)words;
}

static const char *const *command_of(const struct config_nerveshub *hub,
                                     const struct config_mcu_nerveshub *own)
{
    char *const *words = own->flash_command ? own->flash_command : hub->flash_command;
    switch (own->flash) {
    case CONFIG_MCU_IN_BAND:
        return NULL;
    case CONFIG_MCU_BY_COMMAND:
        return words_of(words);
    case CONFIG_FLASH_INHERITED:
        break;
    }
    bool by_command = own->flash_command || hub->flash == CONFIG_FLASH_BY_COMMAND;
    return by_command ? words_of(words) : NULL;
}

bool config_device(const struct config_nerveshub *hub, const struct config_mcu *mcu,
                   struct config_device *device)
{
    const struct config_mcu_nerveshub *own = &mcu->nerveshub;
    bool certificate = own->cert_file != NULL;
    *device = (struct config_device){
        .id = own->id ? own->id : mcu->name,
        .cert_file = own->cert_file,
        .cert_key_file = own->cert_key_file,
        .resource = own->resource ? own->resource : hub->resource,
        .flash_command = command_of(hub, own),
    };
    if (!certificate) {
        device->key = own->key ? own->key : hub->key;
        device->secret_file = own->secret_file ? own->secret_file : hub->secret_file;
    }
    return hub->url && own->use;
}

/* -- What must hold. */

static struct config_mark hub_mark(const struct config_parsing *parsing, int row)
{
    return config_mark_of(&parsing->nerveshub, row);
}

static struct config_mark mcu_mark(const struct config_parsing *parsing, size_t i, int row)
{
    return config_mark_of(&parsing->mcu_marks[i], row);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static bool is_file(const char *file)
{
    struct stat status;
    return stat(file, &status) == 0 && S_ISREG(status.st_mode);
}

static void check_there(struct config_parsing *parsing, struct config_mark at, const char *key,
                        const char *file)
{
    if (file && parsing->source->check_files && !is_file(file))
        config_complain(parsing, at, "\"%s\": there is no file %s", key, file);
}

static void check_certificate(struct config_parsing *parsing, struct config_mark at,
                              const char *key, const char *file)
{
    char error[512];
    if (file && parsing->source->check_files && !config_is_certificate(file, error, sizeof error))
        config_complain(parsing, at, "\"%s\": %s", key, error);
}

static void check_secret(struct config_parsing *parsing, struct config_mark at, const char *key,
                         const char *file)
{
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    if (!file || !parsing->source->check_files)
        return;
    if (config_secret(file, secret, sizeof secret, error, sizeof error))
        config_complain(parsing, at, "\"%s\": %s", key, error);
    explicit_bzero(secret, sizeof secret);
}

static void check_key(struct config_parsing *parsing, struct config_mark at, const char *setting,
                      const char *key)
{
    if (key && strncmp(key, "nhp_", 4) != 0 && strncmp(key, "nhd_", 4) != 0)
        config_complain(parsing, at,
                        "\"%s\": expected a key that begins with nhp_ (of a product) or nhd_ (of a "
                        "device); its secret stands in a file of its own",
                        setting);
}

static void check_command(struct config_parsing *parsing, struct config_mark at,
                          char *const *command)
{
    char why[WHY_MAX];
    if (command && flash_argv_check(words_of(command), why, sizeof why))
        config_complain(parsing, at, "\"flash_command\": %s", why);
}

static void check_firmware_keys(struct config_parsing *parsing)
{
    char *const *keys = parsing->config->nerveshub.firmware_keys;
    for (size_t i = 0; keys && keys[i]; i++)
        if (strlen(keys[i]) != KEY_LENGTH || keys[i][KEY_LENGTH - 1] != '=')
            config_complain(parsing, hub_mark(parsing, CONFIG_HUB_FIRMWARE_KEYS),
                            "\"firmware_keys\": expected public keys as fwup writes them (*.pub, "
                            "44 characters), found another as number %zu",
                            i + 1);
}

static void check_section(struct config_parsing *parsing)
{
    const struct config_nerveshub *hub = &parsing->config->nerveshub;
    if (!hub->key != !hub->secret_file)
        config_complain(parsing, parsing->nerveshub.entry,
                        "\"key\" and \"secret_file\" of nerveshub go together");
    check_key(parsing, hub_mark(parsing, CONFIG_HUB_KEY), "key", hub->key);
    check_secret(parsing, hub_mark(parsing, CONFIG_HUB_SECRET_FILE), "secret_file",
                 hub->secret_file);
    check_certificate(parsing, hub_mark(parsing, CONFIG_HUB_CA_FILE), "ca_file", hub->ca_file);
    config_check_proxy(parsing, hub_mark(parsing, CONFIG_HUB_PROXY), hub->proxy);
    check_there(parsing, hub_mark(parsing, CONFIG_HUB_FIRMWARE_KEYS_FILE), "firmware_keys_file",
                hub->firmware_keys_file);
    check_firmware_keys(parsing);
    check_command(parsing, hub_mark(parsing, CONFIG_HUB_FLASH_COMMAND), hub->flash_command);
    if (hub->flash == CONFIG_FLASH_BY_COMMAND && !hub->flash_command)
        config_complain(parsing, hub_mark(parsing, CONFIG_HUB_FLASH),
                        "\"flash\": command needs \"flash_command\" beside it");
    if (hub->backoff_min_ms > hub->backoff_max_ms)
        config_complain(parsing, hub_mark(parsing, CONFIG_HUB_RECONNECT_MIN),
                        "\"reconnect_min\": longer than \"reconnect_max\"");
}

/* -- One MCU. */

static bool ends_in(const char *url, const char *path)
{
    size_t n = strcspn(url, "?"), length = strlen(path);
    return n >= length && memcmp(url + n - length, path, length) == 0;
}

/* The two ways to say who one is have a socket each. */
static void check_socket(struct config_parsing *parsing, size_t i)
{
    const char *url = parsing->config->nerveshub.url;
    bool certificate = parsing->config->mcus[i].nerveshub.cert_file != NULL;
    if (!url)
        return;
    if (certificate && strncmp(url, "wss://", 6) != 0)
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_FILE),
                        "\"nerveshub_cert_file\": a certificate is shown over wss:// only");
    else if (certificate && ends_in(url, "/device-socket/websocket"))
        config_complain(
            parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_FILE),
            "\"nerveshub_cert_file\": certificates are for the socket /socket/websocket "
            "of NervesHub's device host, not for that of \"url\"");
    else if (!certificate && ends_in(url, "/socket/websocket"))
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_FILE),
                        "\"nerveshub_cert_file\" is missing: the socket of \"url\" takes "
                        "certificates; keys are for /device-socket/websocket");
}

static void check_credentials(struct config_parsing *parsing, size_t i,
                              const struct config_device *device)
{
    const struct config_mcu_nerveshub *own = &parsing->config->mcus[i].nerveshub;
    if (!own->cert_file != !own->cert_key_file)
        config_complain(
            parsing,
            mcu_mark(parsing, i,
                     own->cert_file ? CONFIG_MCU_HUB_CERT_FILE : CONFIG_MCU_HUB_CERT_KEY_FILE),
            "\"nerveshub_cert_file\" and \"nerveshub_cert_key_file\" go together");
    if (!own->key != !own->secret_file)
        config_complain(
            parsing,
            mcu_mark(parsing, i, own->key ? CONFIG_MCU_HUB_KEY : CONFIG_MCU_HUB_SECRET_FILE),
            "\"nerveshub_key\" and \"nerveshub_secret_file\" go together");
    if (own->cert_file && (own->key || own->id))
        config_complain(parsing,
                        mcu_mark(parsing, i, own->key ? CONFIG_MCU_HUB_KEY : CONFIG_MCU_HUB_ID),
                        "\"nerveshub_%s\": with a certificate there is none; leave it out",
                        own->key ? "key" : "id");
    if (!own->cert_file && (!device->key || !device->secret_file))
        config_complain(parsing, parsing->mcu_marks[i].entry,
                        "nothing to show to NervesHub: \"key\" and \"secret_file\" in "
                        "\"nerveshub\", or \"nerveshub_cert_file\" and "
                        "\"nerveshub_cert_key_file\" here");
    check_key(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_KEY), "nerveshub_key", own->key);
    check_secret(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_SECRET_FILE), "nerveshub_secret_file",
                 own->secret_file);
    check_there(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_FILE), "nerveshub_cert_file",
                own->cert_file);
    if (own->cert_key_file && parsing->source->check_files &&
        !config_is_private(own->cert_key_file))
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_KEY_FILE),
                        "\"nerveshub_cert_key_file\": expected a file that nobody else may read: "
                        "chmod 600 %s",
                        own->cert_key_file);
}

static void check_flash(struct config_parsing *parsing, size_t i)
{
    const struct config *config = parsing->config;
    const struct config_mcu_nerveshub *own = &config->mcus[i].nerveshub;
    check_command(parsing, mcu_mark(parsing, i, CONFIG_MCU_FLASH_COMMAND), own->flash_command);
    if (own->flash == CONFIG_MCU_BY_COMMAND && !own->flash_command &&
        !config->nerveshub.flash_command)
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_FLASH),
                        "\"flash\": command needs \"flash_command\", here or in \"nerveshub\"");
    if (own->flash == CONFIG_MCU_IN_BAND && own->flash_command)
        config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_FLASH_COMMAND),
                        "\"flash_command\": is for \"flash: command\", not in_band");
}

/* One identity at NervesHub is one device: two would throw each other off. */
static void check_once(struct config_parsing *parsing, size_t i, const struct config_device *device)
{
    const struct config *config = parsing->config;
    for (size_t j = 0; j < i; j++) {
        struct config_device other;
        unsigned line = parsing->mcu_marks[j].entry.line;
        const char *name = config->mcus[j].name ? config->mcus[j].name : "?";
        if (!config_device(&config->nerveshub, &config->mcus[j], &other))
            continue;
        if (same(device->cert_file, other.cert_file))
            config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_CERT_FILE),
                            "\"nerveshub_cert_file\": the same as of \"%s\" in line %u; NervesHub "
                            "knows a device by it: give each its own",
                            name, line);
        else if (!device->cert_file && !other.cert_file && same(device->id, other.id) &&
                 !same(config->mcus[i].name, config->mcus[j].name))
            config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_ID),
                            "\"nerveshub_id\": the same as of \"%s\" in line %u; NervesHub knows a "
                            "device by it: give each its own",
                            name, line);
        else if (device->key && strncmp(device->key, "nhd_", 4) == 0 &&
                 same(device->key, other.key))
            config_complain(parsing, mcu_mark(parsing, i, CONFIG_MCU_HUB_KEY),
                            "\"nerveshub_key\": a key of one device (nhd_), and \"%s\" in line %u "
                            "has it too; take one of the product (nhp_) for several",
                            name, line);
        else
            continue;
        return;
    }
}

/* Settings that say something only where the section stands. */
static void refuse_rows(struct config_parsing *parsing, size_t i)
{
    for (int row = CONFIG_MCU_NERVESHUB; row <= CONFIG_MCU_RESOURCE; row++)
        if (parsing->mcu_marks[i].settings[row].line)
            config_complain(parsing, parsing->mcu_marks[i].settings[row],
                            "\"%s\": is for the section \"nerveshub\", which this file has not",
                            config_sections[CONFIG_MCUS].settings[row].key);
}

void config_check_nerveshub(struct config_parsing *parsing)
{
    struct config *config = parsing->config;
    bool given = parsing->nerveshub.entry.line != 0;
    if (given)
        check_section(parsing);
    for (size_t i = 0; i < config->mcu_count; i++) {
        struct config_device device;
        if (!given)
            refuse_rows(parsing, i);
        else if (parsing->mcu_marks[i].entry.line &&
                 config_device(&config->nerveshub, &config->mcus[i], &device)) {
            check_socket(parsing, i);
            check_credentials(parsing, i, &device);
            check_flash(parsing, i);
            check_once(parsing, i, &device);
        }
    }
}
