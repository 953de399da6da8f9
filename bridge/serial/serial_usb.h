/*
 * serial_usb.h - USB devices behind serial lines, as the kernel's sysfs shows them. Within this
 * folder and its tests.
 */
#ifndef SERIAL_USB_H
#define SERIAL_USB_H

#include "serial.h"

#define SERIAL_USB_TEXT 256

struct serial_usb {
    char id[16];                      /* "0403:6001" */
    char usb_serial[SERIAL_USB_TEXT]; /* "" when it has none */
    /* The place: controller, sockets and interface, in udev's words for /dev/serial/by-path,
     * such as "pci-0000:00:14.0-usb-0:1.2:1.0". */
    char place[SERIAL_USB_TEXT];
    char kernel_name[64]; /* the same in the kernel's words: "1-1.2" */
};

/* What is behind the line `tty` ("ttyUSB0"); `sysfs` is "/sys" but in tests. Returns false when it
 * is no USB device. */
bool serial_usb_read(const char *sysfs, const char *tty, struct serial_usb *usb);

/* The one line whose device fits usb_serial, usb_id and usb_path of `target`, as far as they are
 * given, as "/dev/NAME". SERIAL_ABSENT: none does; SERIAL_WRONG: several do, all named in `why`. */
enum serial_result serial_usb_find(const char *sysfs, const struct serial_target *target,
                                   char *path, size_t path_cap, char *why, size_t why_cap);

#endif
