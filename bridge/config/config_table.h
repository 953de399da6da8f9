/*
 * config_table.h - the one table of settings: where each stands in the file, its type, range,
 * default and help, and which member of struct config it fills. Internal to config*.c and mcu-tool.
 */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config.h"

enum config_type {
    CONFIG_WHOLE,    /* whole number; min to max; uint32_t */
    CONFIG_DURATION, /* 500ms, 30s, 5m, 1h; min to max in milliseconds; uint32_t */
    CONFIG_SIZE,     /* 64KiB, 1MiB; min to max in bytes; uint32_t */
    CONFIG_FLAG,     /* true or false; bool */
    CONFIG_CHOICE,   /* one word of `choices`; its index, into an enum or bool */
    CONFIG_TEXT,     /* 1 to max bytes; char * */
    CONFIG_PATH,     /* a file, from the folder of the configuration; char * */
    CONFIG_SECRET,   /* such a file, which must hold a secret and be ours alone; char * */
    CONFIG_URL,      /* ws:// or wss://; char * */
    CONFIG_LISTEN,   /* an address of config_listen; char * */
    CONFIG_DEVICE,   /* an identity; any_device, device and device_len of struct config_mcu */
    CONFIG_WORDS,    /* a list of at most max texts; char **, ended by NULL */
    CONFIG_CONTROLS, /* a map from names to settings of config_control_section */
};

struct config_setting {
    const char *key;
    enum config_type type;
    uint32_t min, max;
    const char *choices;  /* "number|string"; of a URL: one to show */
    const char *fallback; /* the default, as it would stand in the file; NULL: none */
    bool required;
    const char *help;
    size_t at, size; /* the member it fills */
};

/* A map of settings. */
struct config_section {
    const char *key, *help;
    const struct config_setting *settings;
    size_t count;
    bool is_list; /* of such maps */
    bool required;
};

#define CONFIG_SETTINGS_MAX 24 /* most settings of one section */
#define CONFIG_WORDS_MAX    64 /* most words of one list */
#define CONFIG_WORD_MAX     1023

enum config_section_id {
    CONFIG_SERVER,
    CONFIG_APPLICATION,
    CONFIG_NERVESHUB,
    CONFIG_READINGS,
    CONFIG_SPOOL,
    CONFIG_COMMANDS,
    CONFIG_LINK,
    CONFIG_LOG,
    CONFIG_METRICS,
    CONFIG_PORTS,
    CONFIG_MCUS,
    CONFIG_SECTION_COUNT
};
extern const struct config_section config_sections[CONFIG_SECTION_COUNT];
extern const struct config_section config_control_section;

/* Rows that other code speaks of. */
enum { CONFIG_SERVER_URL };
enum {
    CONFIG_HUB_URL,
    CONFIG_HUB_KEY,
    CONFIG_HUB_SECRET_FILE,
    CONFIG_HUB_CA_FILE,
    CONFIG_HUB_PROXY,
    CONFIG_HUB_FIRMWARE_KEYS,
    CONFIG_HUB_FIRMWARE_KEYS_FILE,
    CONFIG_HUB_FOLDER,
    CONFIG_HUB_FLASH,
    CONFIG_HUB_FLASH_COMMAND,
    CONFIG_HUB_FLASH_TIMEOUT,
    CONFIG_HUB_BOOT_QUIET,
    CONFIG_HUB_RESOURCE,
    CONFIG_HUB_FILE_MAX,
    CONFIG_HUB_IMAGE_MAX,
    CONFIG_HUB_KEEP_FREE,
    CONFIG_HUB_RECONNECT_MIN,
    CONFIG_HUB_RECONNECT_MAX,
    CONFIG_HUB_ALLOW_HTTP,
};
enum {
    CONFIG_PORT_NAME,
    CONFIG_PORT_PATH,
    CONFIG_PORT_USB_SERIAL,
    CONFIG_PORT_USB_ID,
    CONFIG_PORT_USB_PATH,
    CONFIG_PORT_BAUD,
    CONFIG_PORT_DTR_RTS,
};
enum {
    CONFIG_MCU_NAME,
    CONFIG_MCU_DEVICE,
    CONFIG_MCU_PORT,
    CONFIG_MCU_PATH,
    CONFIG_MCU_USB_SERIAL,
    CONFIG_MCU_USB_ID,
    CONFIG_MCU_USB_PATH,
    CONFIG_MCU_BAUD,
    CONFIG_MCU_DTR_RTS,
    CONFIG_MCU_KEY_FILE,
    CONFIG_MCU_CONTROLS,
    CONFIG_MCU_NERVESHUB,
    CONFIG_MCU_HUB_ID,
    CONFIG_MCU_HUB_KEY,
    CONFIG_MCU_HUB_SECRET_FILE,
    CONFIG_MCU_HUB_CERT_FILE,
    CONFIG_MCU_HUB_CERT_KEY_FILE,
    CONFIG_MCU_FLASH,
    CONFIG_MCU_FLASH_COMMAND,
    CONFIG_MCU_RESOURCE,
};

/* What an entry of `mcus` says of a line of its own; becomes a port, and goes with the marks. */
struct config_mcu_entry {
    struct config_mcu mcu; /* first: settings of both fill one struct */
    struct config_port port;
};

/* Row of `key` in `section`, or -1. */
int config_find(const struct config_section *section, const char *key, size_t length);

/* The one of `words` (count of them, by `word(i)`) that a person most likely meant by `typed`, or
 * NULL when none is near. */
const char *config_nearest(const char *typed, const char *(*word)(const void *list, size_t i),
                           const void *list, size_t count);

#endif
