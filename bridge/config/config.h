/*
 * config.h - what the bridge is told: a YAML file, or the one-line form without a file.
 *
 * Every setting is one row of a table in config_table.c: name, type, range, default, help; the
 * file's errors and `mcu-bridge --help-config` come from it. bridge/mcu-bridge.yaml is a commented
 * example.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_NAME_MAX     63 /* bytes of the name of an MCU, port or control */
#define CONFIG_DEVICE_MAX   16 /* bytes of a device identity: MP_DEVICE_ID_MAX */
#define CONFIG_MCUS_MAX     4096
#define CONFIG_CONTROLS_MAX 32
#define CONFIG_SECRET_MAX   1024 /* bytes of a secret */

enum config_vsn { CONFIG_V2, CONFIG_V1 };
enum config_transport { CONFIG_WEBSOCKET, CONFIG_LONGPOLL, CONFIG_AUTO };
enum config_on_loss { CONFIG_FAILSAFE, CONFIG_HOLD };
enum config_profile { CONFIG_MICROCONTROLLERS, CONFIG_DEVICE_TOPIC, CONFIG_CUSTOM };
enum config_credential {
    CONFIG_BY_PARAM,
    CONFIG_BY_HEADER,
    CONFIG_BY_AUTH_TOKEN,
    CONFIG_BY_NOTHING
};
enum config_readings_shape { CONFIG_READINGS_OBJECT, CONFIG_READINGS_LIST, CONFIG_READINGS_GROUPS };
enum config_controls_shape { CONFIG_CONTROLS_OBJECT, CONFIG_CONTROLS_LIST };
enum config_flash { CONFIG_FLASH_IN_BAND, CONFIG_FLASH_BY_COMMAND };
enum config_mcu_flash { CONFIG_FLASH_INHERITED, CONFIG_MCU_IN_BAND, CONFIG_MCU_BY_COMMAND };

/* What the application calls things, for the profiles `device` and `custom`. NULL: not set. */
struct config_application {
    char *topic, *join;
    enum config_credential credential;
    char *credential_name;
    char *readings_event, *controls_event;
    enum config_readings_shape readings_shape;
    enum config_controls_shape controls_shape;
    char *kinds;
    bool shared; /* one connection for many MCUs */
};

/* What is said of NervesHub for all MCUs. NULL: not set; url NULL: there is no such section. Lists
 * of words end with NULL. */
struct config_nerveshub {
    char *url;
    char *key;         /* the part of the shared secret that is no secret, nhp_... */
    char *secret_file; /* the other; read afresh at every connection attempt */
    char *ca_file;     /* of the server and of its files; NULL: the system's */
    char *proxy;       /* to both; "none": none; NULL: that of the environment */
    char **firmware_keys;
    char *firmware_keys_file; /* the same, one a line */
    char *folder;             /* of firmware files and records; NULL: by spool_folder */
    enum config_flash flash;
    char **flash_command;
    char *resource; /* of a .fw, that is flashed; NULL: the one that can be meant */
    uint32_t flash_timeout_ms, boot_quiet_ms;
    uint32_t file_max, image_max, keep_free; /* bytes */
    uint32_t backoff_min_ms, backoff_max_ms;
    bool allow_http; /* firmware over plain HTTP */
};

/* What an MCU's own entry says of it; NULL: as the section. */
struct config_mcu_nerveshub {
    bool use; /* false: the MCU is no device there */
    char *id; /* NULL: its name */
    char *key, *secret_file;
    char *cert_file, *cert_key_file; /* PEM; in place of key and secret */
    enum config_mcu_flash flash;
    char **flash_command;
    char *resource;
};

/* What happens to one control when its channel is gone for channel_loss_ms. */
struct config_control {
    char *name;
    enum config_on_loss on_channel_loss;
};

/* When DTR and RTS are on: as enum serial_dtr_rts, which says more. */
enum config_dtr_rts { CONFIG_ON_OPEN, CONFIG_NEVER, CONFIG_ON_DEMAND };

/* A serial line to open: by its path, or by what its USB device has: one or more of the three.
 * Paths that stand relative in a file are from the file's folder. */
struct config_port {
    char *name;       /* by which an MCU pins it; default: the path or USB serial */
    char *path;       /* a device, a by-id link, a pattern, or a PTY; need not exist yet */
    char *usb_serial; /* serial number of the USB adapter or board */
    char *usb_id;     /* its vendor and product, "0403:6001" */
    char *usb_path;   /* its place, "pci-0000:00:14.0-usb-0:1.2:1.0" */
    uint32_t baud;
    enum config_dtr_rts dtr_rts;
};

/* An identity on the server. The hello of a device selects it, by `device`; without one it takes
 * whatever answers on its pinned port (any_device then implies port). An MCU that stands in the
 * file with a path or USB serial of its own is pinned to a port made of these. */
struct config_mcu {
    char *name;
    bool any_device;
    uint8_t device[CONFIG_DEVICE_MAX]; /* `device: "text"` or `device: 0x0123..` (bytes in hex) */
    uint8_t device_len;
    char *port; /* name of the port it must be on; NULL: any */
    char
        *api_key_file; /* read afresh at every connection attempt; NULL: none, see config_check.c */
    struct config_control *controls;
    size_t control_count;
    struct config_mcu_nerveshub nerveshub;
};

struct config {
    enum config_profile profile;
    struct config_application application;
    char *url;     /* NULL: there is no application, only a NervesHub */
    char *ca_file; /* NULL: the system's */
    enum config_vsn vsn;
    enum config_transport transport;
    char *proxy;                /* NULL: the environment's; "none" */
    char *cert_file, *key_file; /* NULL, both: no client certificate */
    char *auth_token_file;      /* one of the two, or none */
    char *auth_token_command;   /* words by spaces */
    bool deflate;
    bool values_as_strings;    /* "value":"21.5" instead of 21.5 */
    bool reading_at;           /* add at (Unix ms) and seq to each reading */
    uint32_t batch_readings;   /* most readings in an upload */
    uint32_t batch_ms;         /* oldest reading waits at most so long for company */
    uint32_t reply_timeout_ms; /* an upload without a reply for so long is sent again */
    uint32_t buffer_bytes;     /* memory for readings of one MCU */
    uint32_t command_ttl_ms;   /* a control older than this is not applied */
    uint32_t channel_loss_ms;  /* after so long without the channel a control falls to fail-safe */
    uint32_t command_probe_ms; /* an idle connection is asked so often whether it comes through */
    char *command_event;       /* pushed with the end of each control; NULL: none */
    uint32_t linger_ms;        /* the socket stays up so long after its MCU is gone */
    uint32_t keepalive_ms;     /* between time questions to an MCU */
    uint32_t heartbeat_ms, heartbeat_timeout_ms;
    uint32_t backoff_min_ms, backoff_max_ms, stable_ms;
    bool spool;                /* readings wait on disk; false: in memory, and with their boards */
    char *spool_path;          /* of its file; NULL: by spool_folder */
    uint32_t spool_bytes;      /* of one MCU on disk, at most */
    uint32_t spool_max_age_ms; /* older readings are given up; 0: never */
    enum log_level log_level;
    bool log_json;
    char *metrics_listen;      /* where /metrics, /healthz and /status are served; NULL: nowhere */
    bool metrics_allow_remote; /* an address that other machines may reach is taken */
    bool one_line;             /* it came from the command line */
    struct config_nerveshub nerveshub;
    struct config_port *ports;
    size_t port_count;
    struct config_mcu *mcus;
    size_t mcu_count;
};

/* Reads and checks `file`, and that every key file it names is there and ours alone. Every error is
 * reported in one run through `report`, as `file:line:column: "key": expected ..., found ...`; a
 * file that is no YAML at all gives its first error only. Returns 0, or -1 (nothing to free). */
int config_read(struct config *config, const char *file,
                void (*report)(void *user, const char *error), void *user);

/* The same of the file alone, for who asks about a running bridge and need not be able to read its
 * secrets: whether what it names is there, and whose it is, is not looked at. */
int config_look(struct config *config, const char *file,
                void (*report)(void *user, const char *error), void *user);

/* The one-line form: the defaults, one port and one MCU that takes any device. Each member is what
 * stood after the option of that name, or NULL; port, url and api_key_file are required. Errors are
 * reported as `--baud: expected ..., found ...`. Returns as config_read. */
struct config_line {
    const char *port, *url, *api_key_file, *baud, *vsn, *ca_file, *device;
};
int config_from_line(struct config *config, const struct config_line *line,
                     void (*report)(void *user, const char *error), void *user);

/* Frees what `config` holds; harmless on a zeroed one. */
void config_free(struct config *config);

/* Frees what one entry holds, and zeroes it. */
void config_port_free(struct config_port *port);
void config_mcu_free(struct config_mcu *mcu);
/* Whether two entries say the same. */
bool config_port_same(const struct config_port *a, const struct config_port *b);
bool config_mcu_same(const struct config_mcu *a, const struct config_mcu *b);
/* Calls `changed` with "section.key" for each setting outside of ports and mcus that differs, and
 * whether it can be taken over by a running bridge: those of `log`; and of `nerveshub`, where both
 * have that section, what is not about the files of firmware. */
void config_differences(const struct config *a, const struct config *b,
                        void (*changed)(void *user, const char *setting, bool live), void *user);

/* One MCU as a device of NervesHub: its entry, and the section where the entry says nothing. Points
 * into both. */
struct config_device {
    const char *id, *key, *secret_file, *cert_file, *cert_key_file, *resource;
    const char *const *flash_command; /* NULL: in-band */
};
/* Returns false: it is none. */
bool config_device(const struct config_nerveshub *nerveshub, const struct config_mcu *mcu,
                   struct config_device *device);

/* Takes over what a running bridge can of the section, where both have it; `from` gets what was
 * there before. Returns whether anything differed. */
bool config_take_nerveshub(struct config *to, struct config *from);

/* The table as text, line by line, for --help-config: name, what it takes, default, help. */
void config_help(void (*line)(void *user, const char *text), void *user);

/* Reads a secret of one line from `file` into `out` (NUL-terminated, surrounding white space cut),
 * which has room for `cap` bytes; CONFIG_SECRET_MAX + 1 hold every secret. Refuses what is no
 * regular file, a file with any permission for group or others, one not owned by us or root (root
 * itself takes everybody's), an empty or too long one, and anything but printable ASCII in it.
 * Returns 0, or -1 with a line for people, which never holds the secret, in `error`. */
int config_secret(const char *file, char *out, size_t cap, char *error, size_t error_cap);

#endif
