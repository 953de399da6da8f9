/*
 * serial_list.c - which ports the machine has, by libserialport, and all that a configuration may
 * call them by. Who answers on them is left to the caller.
 */
#define _DEFAULT_SOURCE
#include "serial_backend.h"
#include "serial_usb.h"

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
    struct serial_usb usb;
    struct serial_info info = {
        .path = or_nothing(sp_get_port_name(port)),
        .description = or_nothing(sp_get_port_description(port)),
        .by_id = by_id,
        .usb_id = usb.id,
        .usb_serial = usb.usb_serial,
        .usb_path = usb.place,
    };
    const char *slash = strrchr(info.path, '/');
    serial_usb_read("/sys", slash ? slash + 1 : info.path, &usb);
    find_by_id(info.path, by_id, sizeof by_id);
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
