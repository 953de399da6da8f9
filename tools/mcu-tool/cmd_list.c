/*
 * cmd_list.c - every serial port of the machine, what answers on it, or why nothing can. Asks all
 * ports at once and takes nothing from the devices: their readings stay for the bridge.
 */
#define _DEFAULT_SOURCE
#include "base/log.h"
#include "commands.h"
#include "options.h"
#include "print.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 1500
#define PORTS_MAX 256
#define TEXT_MAX  256

struct found {
    char path[TEXT_MAX], by_id[TEXT_MAX], description[TEXT_MAX];
    char usb_id[16], usb_serial[TEXT_MAX], usb_path[TEXT_MAX];
    struct session *session;
    enum serial_result opened;
    bool answered, refused;
    char device[PRINT_DEVICE_MAX], firmware[TEXT_MAX], state[640];
    char platform[TEXT_MAX], architecture[TEXT_MAX];
    size_t sensors, controls;
};

struct list {
    struct found *ports[PORTS_MAX];
    size_t count;
};

/* -- Which ports. */

/* What devices and drivers say of themselves comes from the outside too. */
static void take_text(char *out, size_t cap, const char *text)
{
    log_quote(out, cap, text, strlen(text));
}

static void on_port(void *user, const struct serial_info *info)
{
    struct list *list = user;
    struct found *found = calloc(1, sizeof *found);
    if (!found || list->count == PORTS_MAX) {
        free(found);
        return;
    }
    snprintf(found->path, sizeof found->path, "%s", info->path);
    snprintf(found->by_id, sizeof found->by_id, "%s", info->by_id);
    take_text(found->usb_serial, sizeof found->usb_serial, info->usb_serial);
    take_text(found->description, sizeof found->description, info->description);
    snprintf(found->usb_id, sizeof found->usb_id, "%s", info->usb_id);
    snprintf(found->usb_path, sizeof found->usb_path, "%s", info->usb_path);
    list->ports[list->count++] = found;
}

static void find_ports(struct list *list, const struct options *options)
{
    if (serial_list(on_port, list) < 0)
        fprintf(stderr, "mcu-tool: cannot list the serial ports of this machine\n");
    for (size_t i = 0; i < options->port_count; i++) {
        struct serial_info info = {options->ports[i], "", "", "", "", ""};
        on_port(list, &info);
    }
}

/* -- What answers. */

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct found *found = user;
    char firmware[TEXT_MAX];
    (void)fresh;
    snprintf(firmware, sizeof firmware, "%s %s", description->product, description->version);
    take_text(found->firmware, sizeof found->firmware, firmware);
    take_text(found->platform, sizeof found->platform, description->platform);
    take_text(found->architecture, sizeof found->architecture, description->architecture);
    print_device(found->device, sizeof found->device, peer->device, peer->device_len);
    found->sensors = description->sensor_count;
    found->controls = description->control_count;
    found->answered = true;
}

static void on_mismatch(void *user, const struct mp_mismatch *mismatch, const char *text)
{
    struct found *found = user;
    (void)mismatch;
    snprintf(found->state, sizeof found->state, "%s", text);
    found->refused = true;
}

static bool all_settled(void *user)
{
    const struct list *list = user;
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = list->ports[i];
        if (found->session && found->session->line && !found->session->gone && !found->answered &&
            !found->refused)
            return false;
    }
    return true;
}

static void explain_silence(struct found *found, const struct options *options)
{
    const struct mp_link_stats *stats = mp_link_stats(&found->session->host.link);
    if (stats->frames_in)
        snprintf(found->state, sizeof found->state,
                 "mcu-protocol, but no description in time: --wait 5s?");
    else if (stats->bytes_in)
        snprintf(found->state, sizeof found->state,
                 "sends %u bytes that are no mcu-protocol at %u baud: another firmware, or another "
                 "--baud",
                 stats->bytes_in, options->baud);
    else
        snprintf(found->state, sizeof found->state, "silent: nothing answers at %u baud",
                 options->baud);
}

static void ask_all(struct list *list, const struct options *options)
{
    struct session *asked[PORTS_MAX];
    size_t count = 0;
    uint32_t wait_ms = options->wait_ms ? options->wait_ms : ANSWER_MS;
    for (size_t i = 0; i < list->count; i++) {
        struct found *found = list->ports[i];
        struct mp_host_io io = {.user = found, .ready = on_ready, .mismatch = on_mismatch};
        found->session = calloc(1, sizeof *found->session);
        if (!found->session)
            continue;
        found->opened =
            session_open(found->session, found->path, options->baud, SESSION_LEAVE, &io);
        if (found->opened != SERIAL_OK)
            continue;
        asked[count++] = found->session;
        if (serial_may_reset(found->session->line) && !options->wait_ms)
            wait_ms = SERIAL_LISTEN_MS + ANSWER_MS;
    }
    session_run(asked, count, session_now() + wait_ms * 1000ull, all_settled, list);
    for (size_t i = 0; i < list->count; i++) {
        struct found *found = list->ports[i];
        if (!found->session)
            snprintf(found->state, sizeof found->state, "out of memory");
        else if (found->answered)
            snprintf(found->state, sizeof found->state, "answers");
        else if (found->opened || found->session->gone)
            snprintf(found->state, sizeof found->state, "%s", found->session->why);
        else if (!found->refused)
            explain_silence(found, options);
    }
}

static void close_all(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->ports[i]->session)
            session_close(list->ports[i]->session);
        free(list->ports[i]->session);
        free(list->ports[i]);
    }
}

/* -- For people. */

enum { COLUMNS = 7, CELL_MAX = 2 * TEXT_MAX + 8 };
typedef char row_of_cells[COLUMNS][CELL_MAX];

static void fill_row(row_of_cells row, const struct found *found)
{
    snprintf(row[0], CELL_MAX, "%s", found->path);
    snprintf(row[1], CELL_MAX, "%s", found->answered ? found->device : "-");
    snprintf(row[2], CELL_MAX, "%s", found->answered ? found->firmware : "-");
    snprintf(row[3], CELL_MAX, found->answered ? "%s, %s" : "-", found->platform,
             found->architecture);
    snprintf(row[4], CELL_MAX, found->answered ? "%zu" : "-", found->sensors);
    snprintf(row[5], CELL_MAX, found->answered ? "%zu" : "-", found->controls);
    snprintf(row[6], CELL_MAX, "%.*s", CELL_MAX - 1, found->state);
}

static bool has_twin(const struct list *list, const struct found *found)
{
    for (size_t i = 0; found->usb_serial[0] && i < list->count; i++)
        if (list->ports[i] != found && strcmp(list->ports[i]->usb_serial, found->usb_serial) == 0)
            return true;
    return false;
}

/* What the configuration may call it by. */
static void print_names(const struct list *list, const struct found *found)
{
    if (found->by_id[0])
        printf("  path: %s\n", found->by_id);
    if (found->usb_id[0])
        printf("  usb_id: '%s'\n", found->usb_id);
    if (found->usb_serial[0])
        printf("  usb_serial: '%s'\n", found->usb_serial);
    if (found->usb_path[0])
        printf("  usb_path: %s%s\n", found->usb_path,
               has_twin(list, found) ? "  (another port has this USB serial: say the place too)"
                                     : "");
}

static void print_table(const struct list *list)
{
    static const row_of_cells head = {"PORT",    "DEVICE",   "FIRMWARE", "BOARD",
                                      "SENSORS", "CONTROLS", "STATE"};
    row_of_cells *rows = calloc(list->count + 1, sizeof *rows);
    size_t width[COLUMNS] = {0};
    if (!rows)
        return;
    memcpy(rows[0], head, sizeof head);
    for (size_t i = 0; i < list->count; i++)
        fill_row(rows[i + 1], list->ports[i]);
    for (size_t i = 0; i <= list->count; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            width[c] = strlen(rows[i][c]) > width[c] ? strlen(rows[i][c]) : width[c];
    for (size_t i = 0; i <= list->count; i++) {
        for (size_t c = 0; c + 1 < COLUMNS; c++)
            printf("%-*s  ", (int)width[c], rows[i][c]);
        printf("%s\n", rows[i][COLUMNS - 1]);
        if (i)
            print_names(list, list->ports[i - 1]);
    }
    free(rows);
}

/* Programs that open serial ports which are none of theirs. */
static const struct meddler {
    const char *name, *advice;
} meddlers[] = {
    {"ModemManager",
     "ModemManager runs and asks new ports whether they are modems, which disturbs boards for a "
     "while after plugging in: sudo systemctl disable --now ModemManager"},
    {"brltty", "brltty runs and takes some USB adapters (CH340, CP210x) for braille displays: "
               "sudo apt-get remove brltty"},
};

static void print_notes(const struct list *list)
{
    if (list->count == 0)
        puts("There is no serial port on this machine. A board that is plugged in and not here has "
             "no driver, or a\n"
             "cable without data lines. --port PATH adds a pseudo-terminal.");
    for (size_t i = 0; i < sizeof meddlers / sizeof meddlers[0]; i++)
        if (serial_program_runs(meddlers[i].name))
            printf("note: %s\n", meddlers[i].advice);
}

/* -- For programs. */

static const char *state_word(const struct found *found)
{
    if (found->answered)
        return "answers";
    if (found->refused)
        return "other_version";
    switch (found->opened) {
    case SERIAL_OK:
        return "silent";
    case SERIAL_ABSENT:
        return "absent";
    case SERIAL_BUSY:
        return "busy";
    case SERIAL_DENIED:
        return "denied";
    case SERIAL_WRONG:
    case SERIAL_FAILED:
        break;
    }
    return "failed";
}

static void print_member(const char *key, const char *text)
{
    char json[6 * TEXT_MAX];
    printf("\"%s\":%s,", key,
           text[0] ? log_json_string(json, sizeof json, text, strlen(text)) : "null");
}

static void print_json(const struct list *list)
{
    printf("{\"ports\":[");
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = list->ports[i];
        printf("%s{", i ? "," : "");
        print_member("path", found->path);
        print_member("by_id", found->by_id);
        print_member("usb", found->usb_id);
        print_member("usb_serial", found->usb_serial);
        print_member("usb_path", found->usb_path);
        print_member("description", found->description);
        print_member("device", found->answered ? found->device : "");
        print_member("firmware", found->firmware);
        print_member("platform", found->platform);
        print_member("architecture", found->architecture);
        printf("\"sensors\":%zu,\"controls\":%zu,", found->sensors, found->controls);
        print_member("state", state_word(found));
        char json[6 * TEXT_MAX];
        printf("\"text\":%s}",
               log_json_string(json, sizeof json, found->state, strlen(found->state)));
    }
    printf("],\"meddlers\":[");
    for (size_t i = 0, told = 0; i < sizeof meddlers / sizeof meddlers[0]; i++)
        if (serial_program_runs(meddlers[i].name))
            printf("%s\"%s\"", told++ ? "," : "", meddlers[i].name);
    puts("]}");
}

int cmd_list(int argc, char **argv)
{
    struct options options;
    struct list list = {.count = 0};
    if (options_read(&options, argc, argv, "bjpw", 0, 0))
        return TOOL_USAGE;
    session_catch_signals();
    find_ports(&list, &options);
    ask_all(&list, &options);
    if (options.json) {
        print_json(&list);
    } else {
        if (list.count)
            print_table(&list);
        print_notes(&list);
    }
    close_all(&list);
    return TOOL_OK;
}
