/*
 * serial_usb.c - which line belongs to a USB device: read from sysfs, which is there without udev
 * and costs no open. Several devices that fit are an error that names them all: a line is never
 * chosen by luck. Opening is left to serial.c, what people see to serial_list.c.
 */
#define _DEFAULT_SOURCE
#include "serial_usb.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BY_PATH    "/dev/serial/by-path/"
#define HITS_SHOWN 6

/* -- One device. */

static bool read_attribute(const char *folder, const char *name, char *out, size_t cap)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    bool got = file && fgets(out, (int)cap, file);
    if (file)
        fclose(file);
    if (!got)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return got;
}

/* Cuts the last part of a path off; returns it, or NULL when nothing is left. */
static char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

/* .../0000:00:14.0/usb1/1-1/1-1.2, with the interface 1-1.2:1.0 */
static void write_place(struct serial_usb *usb, const char *device, const char *interface)
{
    char folder[PATH_MAX];
    const char *sockets = strchr(usb->kernel_name, '-');
    const char *numbers = strchr(interface, ':');
    snprintf(folder, sizeof folder, "%s", device);
    const char *part = usb->kernel_name;
    while (part && strncmp(part, "usb", 3) != 0)
        part = cut_last(folder);
    const char *controller = part ? strrchr(folder, '/') : NULL;
    if (!sockets || !numbers || !controller)
        return;
    snprintf(usb->place, sizeof usb->place, "%s-%s-usb-0:%s%s",
             strstr(folder, "/pci") ? "pci" : "platform", controller + 1, sockets + 1, numbers);
}

bool serial_usb_read(const char *sysfs, const char *tty, struct serial_usb *usb)
{
    char link[PATH_MAX], device[PATH_MAX], vendor[8], product[8], interface[64] = "";
    memset(usb, 0, sizeof *usb);
    snprintf(link, sizeof link, "%s/class/tty/%s/device", sysfs, tty);
    if (!realpath(link, device))
        return false;
    while (!read_attribute(device, "idVendor", vendor, sizeof vendor)) {
        const char *part = cut_last(device);
        if (!part)
            return false;
        if (isdigit((unsigned char)part[0]) && strchr(part, ':'))
            snprintf(interface, sizeof interface, "%s", part);
    }
    read_attribute(device, "idProduct", product, sizeof product);
    read_attribute(device, "serial", usb->usb_serial, sizeof usb->usb_serial);
    snprintf(usb->id, sizeof usb->id, "%s:%s", vendor, product);
    snprintf(usb->kernel_name, sizeof usb->kernel_name, "%s", strrchr(device, '/') + 1);
    write_place(usb, device, interface);
    return true;
}

/* -- The one that is meant. */

/* udev adds the port of a multiport adapter; the interface says as much. */
static bool is_place(const char *wanted, const char *place)
{
    if (strncmp(wanted, BY_PATH, strlen(BY_PATH)) == 0)
        wanted += strlen(BY_PATH);
    size_t n = strlen(place);
    return n && strncmp(wanted, place, n) == 0 &&
           (wanted[n] == '\0' || strncmp(wanted + n, "-port", 5) == 0);
}

static bool fits(const struct serial_target *target, const struct serial_usb *usb)
{
    if (target->usb_serial && strcmp(target->usb_serial, usb->usb_serial) != 0)
        return false;
    if (target->usb_id && strcasecmp(target->usb_id, usb->id) != 0)
        return false;
    return !target->usb_path || is_place(target->usb_path, usb->place) ||
           strcmp(target->usb_path, usb->kernel_name) == 0;
}

static size_t add(char *out, size_t cap, size_t at, const char *before, const char *text)
{
    int n = at < cap ? snprintf(out + at, cap - at, "%s%s", before, text) : 0;
    return n > 0 ? at + (size_t)n : at;
}

static void describe(const struct serial_target *target, char *out, size_t cap)
{
    size_t at = add(out, cap, 0, "", "");
    if (target->usb_serial)
        at = add(out, cap, at, " the USB serial number ", target->usb_serial);
    if (target->usb_id)
        at = add(out, cap, at, at ? " and the USB id " : " the USB id ", target->usb_id);
    if (target->usb_path)
        add(out, cap, at, at ? " and the usb_path " : " the usb_path ", target->usb_path);
}

struct hits {
    size_t count, shown;
    char text[512];
};

static void add_hit(struct hits *hits, const char *tty, const struct serial_usb *usb)
{
    if (++hits->count > HITS_SHOWN)
        return;
    size_t at = hits->shown;
    at = add(hits->text, sizeof hits->text, at, at ? ", /dev/" : "/dev/", tty);
    at = add(hits->text, sizeof hits->text, at, " (usb_path ", usb->place);
    hits->shown = add(hits->text, sizeof hits->text, at, ")", "");
}

/* Fills `hits`; the path of the last one is left in `path`. */
static bool search(const char *sysfs, const struct serial_target *target, struct hits *hits,
                   char *path, size_t path_cap)
{
    char name[PATH_MAX];
    struct serial_usb usb;
    snprintf(name, sizeof name, "%s/class/tty", sysfs);
    DIR *folder = opendir(name);
    if (!folder)
        return false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || !serial_usb_read(sysfs, entry->d_name, &usb) ||
            !fits(target, &usb))
            continue;
        add_hit(hits, entry->d_name, &usb);
        snprintf(path, path_cap, "/dev/%s", entry->d_name);
    }
    closedir(folder);
    return true;
}

enum serial_result serial_usb_find(const char *sysfs, const struct serial_target *target,
                                   char *path, size_t path_cap, char *why, size_t why_cap)
{
    struct hits hits = {0};
    char wanted[SERIAL_USB_TEXT * 3];
    describe(target, wanted, sizeof wanted);
    if (!search(sysfs, target, &hits, path, path_cap)) {
        snprintf(why, why_cap, "cannot list the serial ports of this machine: is %s mounted?",
                 sysfs);
        return SERIAL_FAILED;
    }
    if (hits.count == 0) {
        snprintf(why, why_cap, "no port has%s: plug it in, or look with `mcu-tool list`", wanted);
        return SERIAL_ABSENT;
    }
    if (hits.count > 1) {
        snprintf(why, why_cap, "%zu ports have%s: %s: add \"usb_path\" to say which", hits.count,
                 wanted, hits.text);
        return SERIAL_WRONG;
    }
    return SERIAL_OK;
}
