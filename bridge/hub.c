/*
 * From the settings of NervesHub to the files that its boards share. What one board does with them
 * is lane_hub.c's.
 */
#include "hub.h"

#include "base/log.h"
#include "spool/spool.h"
#include "spool/spool_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHO        "nerveshub"
#define PATH_BYTES 4096
#define LINE_BYTES 256
#define WHY_BYTES  512

/* -- Keys. */

static int add_key(struct fw_keys *keys, const char *text, const char *where, char *why, size_t cap)
{
    if (fw_keys_add(keys, text, strcspn(text, " \t\r\n")) == 0)
        return 0;
    if (keys->count == FW_KEYS_MAX)
        snprintf(why, cap, "%s: expected at most %d keys", where, FW_KEYS_MAX);
    else
        snprintf(why, cap,
                 "%s: expected public keys as `fwup -g` writes them to fwup-key.pub, one a line",
                 where);
    return -1;
}

static int add_file(struct fw_keys *keys, const char *name, char *why, size_t cap)
{
    char line[LINE_BYTES], where[PATH_BYTES + 40];
    int result = 0;
    size_t before = keys->count;
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        snprintf(why, cap, "\"firmware_keys_file\": cannot open %s: %s", name, strerror(errno));
        return -1;
    }
    snprintf(where, sizeof where, "\"firmware_keys_file\": %s", name);
    while (result == 0 && fgets(line, sizeof line, file) != NULL)
        if (line[0] != '\n' && line[0] != '#')
            result = add_key(keys, line, where, why, cap);
    fclose(file);
    if (result == 0 && keys->count == before) {
        snprintf(why, cap, "%s: there is no key in it", where);
        return -1;
    }
    return result;
}

int hub_keys(const struct config_nerveshub *config, struct fw_keys *keys, char *why, size_t cap)
{
    *keys = (struct fw_keys){.count = 0};
    for (size_t i = 0; config->firmware_keys != NULL && config->firmware_keys[i] != NULL; i++)
        if (add_key(keys, config->firmware_keys[i], "\"firmware_keys\"", why, cap) != 0)
            return -1;
    if (config->firmware_keys_file != NULL)
        return add_file(keys, config->firmware_keys_file, why, cap);
    return 0;
}

/* -- Files. */

const char *hub_proxy(const struct config_nerveshub *config)
{
    return config->proxy != NULL && strcmp(config->proxy, "none") == 0 ? "" : config->proxy;
}

static int folder_of(const struct config_nerveshub *config, char *out, size_t cap)
{
    char state[PATH_BYTES];
    int n;
    if (config->folder != NULL)
        n = snprintf(out, cap, "%s", config->folder);
    else if (spool_folder(state, sizeof state) != 0)
        return -1;
    else
        n = snprintf(out, cap, "%s/firmware", state);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

int hub_open(struct hub *hub, struct loop *loop, struct phx_context *phx,
             const struct config_nerveshub *config)
{
    char folder[PATH_BYTES], why[WHY_BYTES];
    struct nh_files_options options = {
        .loop = &loop->uv,
        .folder = folder,
        .ca_file = config->ca_file,
        .proxy = hub_proxy(config),
        .file_max = config->file_max,
        .image_max = config->image_max,
        .keep_free = config->keep_free,
        .allow_http = config->allow_http,
    };
    *hub = (struct hub){.boards = {.context = phx}, .config = config};
    if (folder_of(config, folder, sizeof folder) != 0) {
        log_error(WHO, "no folder for firmware is known: give nerveshub: folder");
        return -1;
    }
    spool_file_make_folders(folder); /* whether it can be used, is seen next */
    if (hub_keys(config, &options.keys, why, sizeof why) == 0)
        hub->boards.files = nh_files_open(&options, why, sizeof why);
    if (hub->boards.files != NULL)
        return 0;
    log_error(WHO, "%s", why);
    return -1;
}

void hub_boards(struct hub *hub, const struct config *config)
{
    struct config_device device;
    if (hub->boards.files == NULL)
        return;
    nh_files_no_boards(hub->boards.files);
    for (size_t i = 0; i < config->mcu_count; i++)
        if (config_device(hub->config, &config->mcus[i], &device))
            nh_files_board(hub->boards.files, device.id);
}

void hub_close(struct hub *hub)
{
    nh_files_close(hub->boards.files);
    hub->boards.files = NULL;
}
