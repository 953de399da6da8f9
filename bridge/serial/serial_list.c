/*
 * serial_list.c - which ports the machine has, by libserialport, and what their USB devices say of
 * themselves. Who answers on them is left to the caller.
 */
#define _DEFAULT_SOURCE
#include "serial_backend.h"

#include <dirent.h>
#include <libserialport.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_ID "/dev/serial/by-id"

/* The link below BY_ID that leads to `path`, or "". */
static void find_by_id(const char *path, char *out, size_t cap)
{
    char link[PATH_MAX], device[PATH_MAX];
    DIR *folder = opendir(BY_ID);
    out[0] = '\0';
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int n = snprintf(link, sizeof link, "%s/%s", BY_ID, entry->d_name);
        if (n > 0 && (size_t)n < cap && realpath(link, device) && strcmp(device, path) == 0) {
            memcpy(out, link, (size_t)n + 1);
            break;
        }
    }
    if (folder)
        closedir(folder);
}

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

static void tell(const struct sp_port *port,
                 void (*found)(void *user, const struct serial_info *info), void *user)
{
    char by_id[PATH_MAX];
    struct serial_info info = {
        .path = or_nothing(sp_get_port_name(port)),
        .description = or_nothing(sp_get_port_description(port)),
        .usb_serial = or_nothing(sp_get_port_usb_serial(port)),
        .by_id = by_id,
        .usb_vid = -1,
        .usb_pid = -1,
    };
    find_by_id(info.path, by_id, sizeof by_id);
    if (sp_get_port_usb_vid_pid(port, &info.usb_vid, &info.usb_pid) != SP_OK)
        info.usb_vid = info.usb_pid = -1;
    found(user, &info);
}

int serial_list(void (*found)(void *user, const struct serial_info *info), void *user)
{
    struct sp_port **ports;
    int count = 0;
    if (sp_list_ports(&ports) != SP_OK)
        return -1;
    for (; ports[count]; count++)
        tell(ports[count], found, user);
    sp_free_port_list(ports);
    return count;
}

struct search {
    const char *usb_serial;
    char *path;
    size_t cap;
    int hits;
};

static void compare(void *user, const struct serial_info *info)
{
    struct search *search = user;
    if (strcmp(info->usb_serial, search->usb_serial) == 0 && ++search->hits == 1)
        snprintf(search->path, search->cap, "%s", info->path);
}

enum serial_result serial_find_usb(const char *usb_serial, char *path, size_t path_cap, char *why,
                                   size_t why_cap)
{
    struct search search = {usb_serial, path, path_cap, 0};
    if (serial_list(compare, &search) < 0) {
        snprintf(why, why_cap, "cannot list the serial ports of this machine");
        return SERIAL_FAILED;
    }
    if (search.hits == 0) {
        snprintf(why, why_cap,
                 "no port has the USB serial number %s: plug it in, or look with "
                 "`mcu-tool list`",
                 usb_serial);
        return SERIAL_ABSENT;
    }
    if (search.hits > 1) {
        snprintf(why, why_cap,
                 "%d ports have the USB serial number %s: name one by its path, such as "
                 "a link below " BY_ID,
                 search.hits, usb_serial);
        return SERIAL_WRONG;
    }
    return SERIAL_OK;
}
