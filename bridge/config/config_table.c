/*
 * config_table.c - the settings, and finding one by its name. Reading values is left to
 * config_value.c, walking a file to config_yaml.c.
 */
#include "config_table.h"

#include <string.h>

#define IN(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define ROWS(table)      table, sizeof(table) / sizeof((table)[0])

/* The most that 32 bits hold, in a unit that a person reads. */
#define SIZE_MOST (4095u << 20)
#define TIME_MOST (49u * 24 * 3600 * 1000)

static const struct config_setting server[] = {
    [CONFIG_SERVER_URL] = {"url", CONFIG_URL, 0, 2048,
                           "ws://localhost:4000/microcontrollers/websocket", NULL, true,
                           "of the Phoenix socket, such as "
                           "wss://phoenix.example.org/microcontrollers/websocket",
                           IN(config, url)},
    {"profile", CONFIG_CHOICE, 0, 0, "microcontrollers|device|custom", "microcontrollers", false,
     "what the server calls topics, events and payloads", IN(config, profile)},
    {"vsn", CONFIG_CHOICE, 0, 0, "2.0.0|1.0.0", "2.0.0", false,
     "version of the Phoenix serializer: frames as arrays (2.0.0) or objects (1.0.0)",
     IN(config, vsn)},
    {"ca_file", CONFIG_PATH, 0, 0, NULL, NULL, false,
     "certificates (PEM) to trust in place of the system's", IN(config, ca_file)},
    {"transport", CONFIG_CHOICE, 0, 0, "websocket|longpoll|auto", "websocket", false,
     "how messages travel; auto: a WebSocket where one works, HTTP long polling otherwise",
     IN(config, transport)},
    {"proxy", CONFIG_TEXT, 1, 512, NULL, NULL, false,
     "http://[USER:PASSWORD@]HOST[:PORT], or none; else that of the environment (https_proxy, "
     "no_proxy, ...)",
     IN(config, proxy)},
    {"cert_file", CONFIG_PATH, 0, 0, NULL, NULL, false,
     "client certificate (PEM, chain) to show, with...", IN(config, cert_file)},
    {"key_file", CONFIG_PATH, 0, 0, NULL, NULL, false, "...its key, which nobody else may read",
     IN(config, key_file)},
    {"auth_token_file", CONFIG_SECRET, 0, 0, NULL, NULL, false,
     "holds the authToken of Phoenix 1.8; read for every attempt", IN(config, auth_token_file)},
    {"auth_token_command", CONFIG_TEXT, 1, 512, NULL, NULL, false,
     "prints it; words by spaces, run without a shell for every attempt",
     IN(config, auth_token_command)},
    {"deflate", CONFIG_FLAG, 0, 0, NULL, "false", false, "offer permessage-deflate",
     IN(config, deflate)},
    {"heartbeat", CONFIG_DURATION, 1000, 600000, NULL, "30s", false,
     "between heartbeats; the server hangs up after 60s without one", IN(config, heartbeat_ms)},
    {"heartbeat_timeout", CONFIG_DURATION, 100, 600000, NULL, "10s", false,
     "without a reply for so long the connection is given up", IN(config, heartbeat_timeout_ms)},
    {"reconnect_min", CONFIG_DURATION, 10, 3600000, NULL, "1s", false,
     "first wait before another attempt; doubles, with jitter, up to...",
     IN(config, backoff_min_ms)},
    {"reconnect_max", CONFIG_DURATION, 10, 3600000, NULL, "60s", false, "...the longest wait",
     IN(config, backoff_max_ms)},
    {"stable_after", CONFIG_DURATION, 100, 3600000, NULL, "60s", false,
     "a connection that lived so long resets the waits", IN(config, stable_ms)},
    {"linger", CONFIG_DURATION, 0, 3600000, NULL, "30s", false,
     "the socket stays up so long after its MCU is gone", IN(config, linger_ms)},
};

#define NAMES_HELP "{name}, {device}, {hex}, {mac} and {MAC} stand for the board's"

static const struct config_setting application[] = {
    {"topic", CONFIG_TEXT, 1, 127, NULL, NULL, false,
     "topic of a board; " NAMES_HELP "; profile device: device:{mac}",
     IN(config, application.topic)},
    {"join", CONFIG_TEXT, 1, 2048, NULL, NULL, false,
     "join payload, as JSON in quotation marks, with the same names; default {}",
     IN(config, application.join)},
    {"credential", CONFIG_CHOICE, 0, 0, "param|header|auth_token|none", "param", false,
     "how the secret of api_key_file goes to the server", IN(config, application.credential)},
    {"credential_name", CONFIG_TEXT, 1, 63, NULL, "token", false,
     "name of that header or parameter", IN(config, application.credential_name)},
    {"readings_event", CONFIG_TEXT, 1, 63, NULL, NULL, false,
     "event that takes readings; profile device: new_msg", IN(config, application.readings_event)},
    {"readings_shape", CONFIG_CHOICE, 0, 0, "object|list|groups", "object", false,
     "{\"SENSOR\":1}, {\"readings\":[{\"sensor\":..,\"type\":..,\"value\":1}]}, or "
     "{\"SENSOR\":[{\"type\":..,\"value\":1}]}",
     IN(config, application.readings_shape)},
    {"kinds", CONFIG_TEXT, 1, 1023, NULL, NULL, false,
     "kinds of reading that the application knows, by spaces; others are refused; default: all",
     IN(config, application.kinds)},
    {"sockets", CONFIG_CHOICE, 0, 0, "own|shared", "own", false,
     "a connection for each MCU, or one for up to 100 that show the same secret",
     IN(config, application.shared)},
    {"controls_event", CONFIG_TEXT, 1, 63, NULL, NULL, false,
     "event that brings controls; default: none does", IN(config, application.controls_event)},
    {"controls_shape", CONFIG_CHOICE, 0, 0, "object|list", "object", false,
     "{\"CONTROL\":1}, or {\"control\":[{\"CONTROL\":1}]}", IN(config, application.controls_shape)},
};

#define FLASH_HELP                                                                    \
    "words of the program that flashes a board, without a shell; {port}, {file} and " \
    "{baud} stand for what they say: [avrdude, -patmega328p, -carduino, '-P{port}', " \
    "'-Uflash:w:{file}:i']"
#define RESOURCE_HELP \
    "name of the resource of a .fw that is flashed; default: the one that it can be"

static const struct config_setting nerveshub[] = {
    [CONFIG_HUB_URL] = {"url", CONFIG_URL, 0, 2048,
                        "wss://devices.example.org/device-socket/websocket", NULL, true,
                        "wss://HOST/device-socket/websocket; with certificates "
                        "wss://DEVICE-HOST/socket/websocket",
                        IN(config, nerveshub.url)},
    [CONFIG_HUB_KEY] = {"key", CONFIG_TEXT, 4, 128, NULL, NULL, false,
                        "of the product (nhp_...) or of one device (nhd_...), with...",
                        IN(config, nerveshub.key)},
    [CONFIG_HUB_SECRET_FILE] = {"secret_file", CONFIG_SECRET, 0, 0, NULL, NULL, false,
                                "...the file with its secret, which only you may read; read afresh "
                                "for every attempt to connect",
                                IN(config, nerveshub.secret_file)},
    [CONFIG_HUB_CA_FILE] = {"ca_file", CONFIG_PATH, 0, 0, NULL, NULL, false,
                            "certificates (PEM) to trust in place of the system's, for the socket "
                            "and for firmware files",
                            IN(config, nerveshub.ca_file)},
    [CONFIG_HUB_PROXY] = {"proxy", CONFIG_TEXT, 1, 512, NULL, NULL, false,
                          "as of server, for the socket and for firmware files",
                          IN(config, nerveshub.proxy)},
    [CONFIG_HUB_FIRMWARE_KEYS] = {"firmware_keys", CONFIG_WORDS, 1, 16, NULL, NULL, false,
                                  "public keys of fwup, in base64; with any, firmware that none of "
                                  "them has signed is refused",
                                  IN(config, nerveshub.firmware_keys)},
    [CONFIG_HUB_FIRMWARE_KEYS_FILE] = {"firmware_keys_file", CONFIG_PATH, 0, 0, NULL, NULL, false,
                                       "the same, one a line",
                                       IN(config, nerveshub.firmware_keys_file)},
    [CONFIG_HUB_FOLDER] = {"folder", CONFIG_PATH, 0, 0, NULL, NULL, false,
                           "for firmware files and records of updates; default: firmware beside "
                           "the spool's file",
                           IN(config, nerveshub.folder)},
    [CONFIG_HUB_FLASH] = {"flash", CONFIG_CHOICE, 0, 0, "in_band|command", "in_band", false,
                          "how firmware gets into a board: through its boot loader, over the "
                          "protocol, or by flash_command",
                          IN(config, nerveshub.flash)},
    [CONFIG_HUB_FLASH_COMMAND] = {"flash_command", CONFIG_WORDS, 1, CONFIG_WORDS_MAX, NULL, NULL,
                                  false, FLASH_HELP, IN(config, nerveshub.flash_command)},
    [CONFIG_HUB_FLASH_TIMEOUT] = {"flash_timeout", CONFIG_DURATION, 1000, 3600000, NULL, "5m",
                                  false,
                                  "flash_command may run so long; in-band, a board may be away or "
                                  "make no progress for so long",
                                  IN(config, nerveshub.flash_timeout_ms)},
    [CONFIG_HUB_BOOT_QUIET] = {"boot_quiet", CONFIG_DURATION, 0, 60000, NULL, "10s", false,
                               "nothing is sent to a board for so long after flash_command, or "
                               "until it speaks: bytes keep some boot loaders from starting it",
                               IN(config, nerveshub.boot_quiet_ms)},
    [CONFIG_HUB_RESOURCE] = {"resource", CONFIG_TEXT, 1, 127, NULL, NULL, false, RESOURCE_HELP,
                             IN(config, nerveshub.resource)},
    [CONFIG_HUB_FILE_MAX] = {"file_max", CONFIG_SIZE, 1024, SIZE_MOST, NULL, "64MiB", false,
                             "a larger .fw file is refused", IN(config, nerveshub.file_max)},
    [CONFIG_HUB_IMAGE_MAX] = {"image_max", CONFIG_SIZE, 1024, 16u << 20, NULL, "16MiB", false,
                              "a larger resource in it is refused",
                              IN(config, nerveshub.image_max)},
    [CONFIG_HUB_KEEP_FREE] = {"keep_free", CONFIG_SIZE, 0, SIZE_MOST, NULL, "64MiB", false,
                              "a file that would leave less of the disk is not fetched",
                              IN(config, nerveshub.keep_free)},
    [CONFIG_HUB_RECONNECT_MIN] = {"reconnect_min", CONFIG_DURATION, 10, 3600000, NULL, "1s", false,
                                  "first wait before another attempt; doubles, with jitter, up "
                                  "to...",
                                  IN(config, nerveshub.backoff_min_ms)},
    [CONFIG_HUB_RECONNECT_MAX] = {"reconnect_max", CONFIG_DURATION, 10, 3600000, NULL, "60s", false,
                                  "...the longest wait", IN(config, nerveshub.backoff_max_ms)},
    [CONFIG_HUB_ALLOW_HTTP] =
        {"allow_http", CONFIG_FLAG, 0, 0, NULL, "false", false,
         "fetch firmware over plain http:// too: for a server on this machine",
         IN(config, nerveshub.allow_http)},
};

static const struct config_setting readings[] = {
    {"batch", CONFIG_WHOLE, 1, 10000, NULL, "500", false, "most readings in one upload",
     IN(config, batch_readings)},
    {"batch_wait", CONFIG_DURATION, 0, 600000, NULL, "250ms", false,
     "a reading waits at most so long for company", IN(config, batch_ms)},
    {"reply_timeout", CONFIG_DURATION, 100, 600000, NULL, "60s", false,
     "an upload without a reply for so long is sent again", IN(config, reply_timeout_ms)},
    {"buffer", CONFIG_SIZE, 4096, 1u << 30, NULL, "256KiB", false,
     "memory for waiting readings of one MCU; when full, the MCU is made to keep them",
     IN(config, buffer_bytes)},
    {"values", CONFIG_CHOICE, 0, 0, "number|string", "number", false,
     "\"value\":21.5 or \"value\":\"21.5\"", IN(config, values_as_strings)},
    {"at_and_seq", CONFIG_FLAG, 0, 0, NULL, "false", false,
     "add at (Unix time in ms) and seq to each reading", IN(config, reading_at)},
};

static const struct config_setting spool[] = {
    {"enabled", CONFIG_FLAG, 0, 0, NULL, "true", false,
     "readings wait on disk until the server has them; false: in memory, and with their boards",
     IN(config, spool)},
    {"path", CONFIG_PATH, 0, 0, NULL, NULL, false,
     "of its file; default: spool.db in $STATE_DIRECTORY, /var/lib/mcu-bridge (root) or "
     "~/.local/state/mcu-bridge",
     IN(config, spool_path)},
    {"size", CONFIG_SIZE, 16384, SIZE_MOST, NULL, "64MiB", false,
     "for one MCU; when full, the MCU is made to keep its readings", IN(config, spool_bytes)},
    {"max_age", CONFIG_DURATION, 0, TIME_MOST, NULL, "0s", false,
     "older readings are given up and counted; 0s: never", IN(config, spool_max_age_ms)},
};

static const struct config_setting commands[] = {
    {"ttl", CONFIG_DURATION, 10, 600000, NULL, "2s", false,
     "a control older than this is never applied", IN(config, command_ttl_ms)},
    {"channel_loss", CONFIG_DURATION, 0, 3600000, NULL, "5s", false,
     "after so long without the channel, controls go to their fail-safe values",
     IN(config, channel_loss_ms)},
    {"probe", CONFIG_DURATION, 1000, 600000, NULL, "5s", false,
     "an idle connection is asked so often whether anything comes through: a control can be older "
     "than ttl by so much and 2s",
     IN(config, command_probe_ms)},
    {"command_event", CONFIG_TEXT, 1, 63, NULL, NULL, false,
     "event that tells the server how each control ended, for a profile whose server takes one",
     IN(config, command_event)},
};

static const struct config_setting link[] = {
    {"keepalive", CONFIG_DURATION, 50, 60000, NULL, "500ms", false,
     "between questions to an MCU; its dead-man timer must wait longer", IN(config, keepalive_ms)},
};

static const struct config_setting logging[] = {
    {"level", CONFIG_CHOICE, 0, 0, "error|warning|info|debug", "info", false,
     "least urgent lines to write", IN(config, log_level)},
    {"format", CONFIG_CHOICE, 0, 0, "text|json", "text", false, "of a log line",
     IN(config, log_json)},
};

static const struct config_setting metrics[] = {
    {"listen", CONFIG_LISTEN, 1, 255, NULL, NULL, false,
     "serves GET /metrics (Prometheus), /healthz and /status there; nowhere unless given. "
     "mcu-bridge status asks there",
     IN(config, metrics_listen)},
    {"allow_remote", CONFIG_FLAG, 0, 0, NULL, "false", false,
     "take an address that is not of this machine alone: nobody is asked who he is",
     IN(config, metrics_allow_remote)},
};

#define NAME_HELP     "for people and for logs"
#define PATH_HELP     "device, link below /dev/serial/by-id, pattern, or PTY; need not exist yet"
#define SERIAL_HELP   "serial number of the USB adapter or board, in place of path"
#define ID_HELP       "vendor and product of the USB device, such as 0403:6001"
#define USB_PATH_HELP "place of the USB device, as mcu-tool list shows it"
#define DTR_RTS_ROW                                                                             \
    "dtr_rts", CONFIG_CHOICE, 0, 0, "on_open|never|on_demand", "on_open", false,                \
        "when DTR and RTS are on: while the line is open (boards with auto-reset start anew), " \
        "never, or all the time, with a reset of a board that is silent"
#define BAUD_ROW \
    "baud", CONFIG_WHOLE, 300, 4000000, NULL, "115200", false, "speed of the line, in bits a second"

static const struct config_setting ports[] = {
    [CONFIG_PORT_NAME] = {"name", CONFIG_TEXT, 1, CONFIG_NAME_MAX, NULL, NULL, false,
                          NAME_HELP "; default: how it is found", IN(config_port, name)},
    [CONFIG_PORT_PATH] = {"path", CONFIG_PATH, 0, 0, NULL, NULL, false, PATH_HELP,
                          IN(config_port, path)},
    [CONFIG_PORT_USB_SERIAL] = {"usb_serial", CONFIG_TEXT, 1, 255, NULL, NULL, false, SERIAL_HELP,
                                IN(config_port, usb_serial)},
    [CONFIG_PORT_USB_ID] = {"usb_id", CONFIG_TEXT, 9, 9, NULL, NULL, false, ID_HELP,
                            IN(config_port, usb_id)},
    [CONFIG_PORT_USB_PATH] = {"usb_path", CONFIG_TEXT, 1, 255, NULL, NULL, false, USB_PATH_HELP,
                              IN(config_port, usb_path)},
    [CONFIG_PORT_DTR_RTS] = {DTR_RTS_ROW, IN(config_port, dtr_rts)},
    [CONFIG_PORT_BAUD] = {BAUD_ROW, IN(config_port, baud)},
};

static const struct config_setting mcus[] = {
    [CONFIG_MCU_NAME] = {"name", CONFIG_TEXT, 1, CONFIG_NAME_MAX, NULL, NULL, true, NAME_HELP,
                         IN(config_mcu_entry, mcu.name)},
    [CONFIG_MCU_DEVICE] = {"device", CONFIG_DEVICE, 1, CONFIG_DEVICE_MAX, NULL, NULL, false,
                           "identity of the device (mcu-tool list shows it), as text or 0x and "
                           "hexadecimal bytes; without it, whatever answers on its port",
                           0, sizeof(struct config_mcu_entry)},
    [CONFIG_MCU_PORT] = {"port", CONFIG_TEXT, 1, 4095, NULL, NULL, false,
                         "name of the port that it must be on; default: any",
                         IN(config_mcu_entry, mcu.port)},
    [CONFIG_MCU_PATH] = {"path", CONFIG_PATH, 0, 0, NULL, NULL, false,
                         "in a file without ports: its own line, as in ports",
                         IN(config_mcu_entry, port.path)},
    [CONFIG_MCU_USB_SERIAL] = {"usb_serial", CONFIG_TEXT, 1, 255, NULL, NULL, false,
                               "the same, by USB serial number",
                               IN(config_mcu_entry, port.usb_serial)},
    [CONFIG_MCU_USB_ID] = {"usb_id", CONFIG_TEXT, 9, 9, NULL, NULL, false, ID_HELP,
                           IN(config_mcu_entry, port.usb_id)},
    [CONFIG_MCU_USB_PATH] = {"usb_path", CONFIG_TEXT, 1, 255, NULL, NULL, false, USB_PATH_HELP,
                             IN(config_mcu_entry, port.usb_path)},
    [CONFIG_MCU_DTR_RTS] = {DTR_RTS_ROW, IN(config_mcu_entry, port.dtr_rts)},
    [CONFIG_MCU_BAUD] = {BAUD_ROW, IN(config_mcu_entry, port.baud)},
    [CONFIG_MCU_KEY_FILE] = {"api_key_file", CONFIG_SECRET, 0, 0, NULL, NULL, false,
                             "file with its X-API-Key, or with the secret that the application "
                             "wants, which only you may read; needed with a server unless "
                             "credential is none",
                             IN(config_mcu_entry, mcu.api_key_file)},
    [CONFIG_MCU_CONTROLS] = {"controls", CONFIG_CONTROLS, 0, CONFIG_CONTROLS_MAX, NULL, NULL, false,
                             "by name, what differs from the defaults",
                             offsetof(struct config_mcu_entry, mcu.controls), 0},
    [CONFIG_MCU_NERVESHUB] = {"nerveshub", CONFIG_FLAG, 0, 0, NULL, "true", false,
                              "whether it is a device of the NervesHub of that section",
                              IN(config_mcu_entry, mcu.nerveshub.use)},
    [CONFIG_MCU_HUB_ID] = {"nerveshub_id", CONFIG_TEXT, 1, 255, NULL, NULL, false,
                           "its identifier there; default: its name",
                           IN(config_mcu_entry, mcu.nerveshub.id)},
    [CONFIG_MCU_HUB_KEY] = {"nerveshub_key", CONFIG_TEXT, 4, 128, NULL, NULL, false,
                            "a key of its own (nhd_...), with...",
                            IN(config_mcu_entry, mcu.nerveshub.key)},
    [CONFIG_MCU_HUB_SECRET_FILE] = {"nerveshub_secret_file", CONFIG_SECRET, 0, 0, NULL, NULL, false,
                                    "...the file with its secret",
                                    IN(config_mcu_entry, mcu.nerveshub.secret_file)},
    [CONFIG_MCU_HUB_CERT_FILE] = {"nerveshub_cert_file", CONFIG_PATH, 0, 0, NULL, NULL, false,
                                  "its certificate (PEM, chain), whose common name is then its "
                                  "identifier, with...",
                                  IN(config_mcu_entry, mcu.nerveshub.cert_file)},
    [CONFIG_MCU_HUB_CERT_KEY_FILE] = {"nerveshub_cert_key_file", CONFIG_PATH, 0, 0, NULL, NULL,
                                      false, "...its key, which nobody else may read",
                                      IN(config_mcu_entry, mcu.nerveshub.cert_key_file)},
    [CONFIG_MCU_FLASH] = {"flash", CONFIG_CHOICE, 0, 0, "inherit|in_band|command", "inherit", false,
                          "as in nerveshub; inherit: as it says there, or command where "
                          "flash_command stands here",
                          IN(config_mcu_entry, mcu.nerveshub.flash)},
    [CONFIG_MCU_FLASH_COMMAND] = {"flash_command", CONFIG_WORDS, 1, CONFIG_WORDS_MAX, NULL, NULL,
                                  false, "as in nerveshub",
                                  IN(config_mcu_entry, mcu.nerveshub.flash_command)},
    [CONFIG_MCU_RESOURCE] = {"resource", CONFIG_TEXT, 1, 127, NULL, NULL, false, "as in nerveshub",
                             IN(config_mcu_entry, mcu.nerveshub.resource)},
};

static const struct config_setting control[] = {
    {"on_channel_loss", CONFIG_CHOICE, 0, 0, "failsafe|hold", "failsafe", false,
     "what the control does when the channel is gone for channel_loss",
     IN(config_control, on_channel_loss)},
};

const struct config_section config_sections[CONFIG_SECTION_COUNT] = {
    [CONFIG_SERVER] = {"server", "the Phoenix server", ROWS(server), false, false},
    [CONFIG_APPLICATION] = {"application",
                            "what it calls things; for the profiles device and custom",
                            ROWS(application), false, false},
    [CONFIG_NERVESHUB] = {"nerveshub", "where boards are devices; beside a server or without",
                          ROWS(nerveshub), false, false},
    [CONFIG_READINGS] = {"readings", "sensors to server", ROWS(readings), false, false},
    [CONFIG_SPOOL] = {"spool", "readings on disk", ROWS(spool), false, false},
    [CONFIG_COMMANDS] = {"commands", "server to motors", ROWS(commands), false, false},
    [CONFIG_LINK] = {"link", "the serial protocol", ROWS(link), false, false},
    [CONFIG_LOG] = {"log", "to standard error", ROWS(logging), false, false},
    [CONFIG_METRICS] = {"metrics", "what goes on, to be read", ROWS(metrics), false, false},
    [CONFIG_PORTS] = {"ports", "serial lines, one entry each, by path or by usb_*", ROWS(ports),
                      true, false},
    [CONFIG_MCUS] = {"mcus", "boards, one entry each; each a client of its own", ROWS(mcus), true,
                     true},
};

const struct config_section config_control_section = {"controls", "one control", ROWS(control),
                                                      false, false};

_Static_assert(sizeof mcus / sizeof mcus[0] <= CONFIG_SETTINGS_MAX, "marks of one entry");
_Static_assert(sizeof server / sizeof server[0] <= CONFIG_SETTINGS_MAX, "marks of one entry");
_Static_assert(sizeof nerveshub / sizeof nerveshub[0] <= CONFIG_SETTINGS_MAX, "marks of one entry");

int config_find(const struct config_section *section, const char *key, size_t length)
{
    for (size_t i = 0; i < section->count; i++)
        if (strlen(section->settings[i].key) == length &&
            memcmp(section->settings[i].key, key, length) == 0)
            return (int)i;
    return -1;
}

#define WORD_MAX 24

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, delete, replace or swap; words longer than WORD_MAX are far from everything.
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= rows; i++)
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                            least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[rows][columns];
}

const char *config_nearest(const char *typed, const char *(*word)(const void *list, size_t i),
                           const void *list, size_t count)
{
    const char *nearest = NULL;
    size_t best = 1 + least(2, strlen(typed) / 2);
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(typed, word(list, i));
        if (far < best) {
            best = far;
            nearest = word(list, i);
        }
    }
    return nearest;
}
