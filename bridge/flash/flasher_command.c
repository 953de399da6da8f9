/*
 * By an external program: the port is lent, the program run, the port taken back. The program's
 * life is flash_command's; that the board is unplugged meanwhile is noticed here, since most
 * programs do not notice.
 *
 *   IDLE --start--> LENDING --lent--> RUNNING --its end--> IDLE
 */
#include "flasher_private.h"

#include "flash_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TERM_MS 5000
#define GONE_MS 5000

enum phase { IDLE, LENDING, RUNNING };

struct by_command {
    struct flasher *flasher;
    struct flash_command *command;
    struct port *port; /* LENDING, RUNNING; NULL: none, or it was freed */
    char *file;
    enum phase phase;
    bool uses_port; /* the program has been told its name */
    bool gone;      /* it was stopped because the port had gone */
    uint32_t quiet_ms, gone_ms;
    uint64_t gone_since_ms; /* 0: the port is there */
};

static void on_progress(void *user, unsigned percent)
{
    struct by_command *way = user;
    flasher_progress(way->flasher, percent);
}

static void on_done(void *user, const char *why)
{
    struct by_command *way = user;
    char text[FLASHER_WHY_MAX];
    way->phase = IDLE;
    if (why != NULL && way->gone) {
        snprintf(text, sizeof text, "the board's port was gone for %g s: %s", way->gone_ms / 1000.0,
                 why);
        why = text;
    }
    flasher_done(way->flasher, why, false);
}

static bool has_port(const char *const *words)
{
    for (; *words != NULL; words++)
        if (strstr(*words, "{port}") != NULL)
            return true;
    return false;
}

void *flasher_by_command_open(struct flasher *flasher, const struct flasher_options *options,
                              char *why, size_t why_cap)
{
    const struct flash_command_options command = {
        options->words, options->timeout_ms, options->term_ms != 0 ? options->term_ms : TERM_MS};
    struct by_command *way = calloc(1, sizeof *way);
    if (way == NULL) {
        snprintf(why, why_cap, "out of memory");
        return NULL;
    }
    const struct flash_command_events events = {way, on_progress, on_done};
    way->command = flash_command_new(&options->loop->uv, &command, &events, why, why_cap);
    if (way->command == NULL) {
        free(way);
        return NULL;
    }
    way->flasher = flasher;
    way->uses_port = has_port(options->words);
    way->quiet_ms = options->quiet_ms;
    way->gone_ms = options->gone_ms != 0 ? options->gone_ms : GONE_MS;
    return way;
}

/* -- The port. */

static void on_lent(void *user, const char *refusal)
{
    struct by_command *way = user;
    char why[FLASHER_WHY_MAX];
    if (refusal != NULL) {
        way->port = NULL;
        way->phase = IDLE;
        flasher_done(way->flasher, refusal, false);
        return;
    }
    int result = flash_command_start(way->command, port_path(way->port), way->file,
                                     port_baud(way->port), why, sizeof why);
    way->phase = result == 0 ? RUNNING : IDLE;
    if (result != 0)
        flasher_done(way->flasher, why, result == FLASH_COMMAND_NEVER);
    else
        flasher_touches(way->flasher);
}

/* Whatever opens the device next finds it claimed until the program has ended. */
static void on_freed(void *user)
{
    struct by_command *way = user;
    way->port = NULL;
    if (way->phase != LENDING)
        return;
    way->phase = IDLE;
    flasher_done(way->flasher, "its port is no longer in the configuration", false);
}

/* -- A run. */

static int start(void *state, struct port *port, const char *file, char *why, size_t why_cap)
{
    struct by_command *way = state;
    const struct port_borrower borrower = {way, on_lent, on_freed};
    if (port == NULL) {
        snprintf(why, why_cap, "the board is not there");
        return -1;
    }
    if (access(file, R_OK) != 0) {
        snprintf(why, why_cap, "%s: %s", file, strerror(errno));
        return -1;
    }
    way->file = strdup(file);
    if (way->file == NULL) {
        snprintf(why, why_cap, "out of memory");
        return -1;
    }
    if (port_lend(port, &borrower) != 0) {
        snprintf(why, why_cap, "another flasher is at %s; wait until it has ended",
                 port_path(port));
        free(way->file);
        way->file = NULL;
        return -1;
    }
    way->port = port;
    way->phase = LENDING;
    way->gone = false;
    way->gone_since_ms = 0;
    return 0;
}

static void stop(void *state)
{
    struct by_command *way = state;
    switch (way->phase) {
    case LENDING:
        way->phase = IDLE;
        flasher_done(way->flasher, "stopped before it had begun", false);
        break;
    case RUNNING:
        flash_command_stop(way->command);
        break;
    case IDLE:
        break;
    }
}

static void look(void *state, uint64_t now_ms)
{
    struct by_command *way = state;
    if (way->phase != RUNNING || !way->uses_port || way->port == NULL)
        return;
    if (port_is_there(way->port))
        way->gone_since_ms = 0;
    else if (way->gone_since_ms == 0)
        way->gone_since_ms = now_ms;
    else if (now_ms - way->gone_since_ms >= way->gone_ms && !way->gone) {
        way->gone = true;
        flash_command_stop(way->command);
    }
}

/* Until the command has ended, as it does here, the port is claimed. */
static void clear(void *state)
{
    struct by_command *way = state;
    if (way->phase == RUNNING) {
        flash_command_free(way->command);
        way->command = NULL;
    }
    way->phase = IDLE;
    if (way->port != NULL)
        port_take_back(way->port, way->quiet_ms);
    way->port = NULL;
    free(way->file);
    way->file = NULL;
}

static void close_way(void *state)
{
    struct by_command *way = state;
    flash_command_free(way->command);
    free(way);
}

static void board(void *state, struct port *port)
{
    (void)state;
    (void)port;
}

static void board_lost(void *state)
{
    (void)state;
}

const struct flasher_way flasher_by_command = {start, board, board_lost, stop,
                                               look,  clear, close_way};
