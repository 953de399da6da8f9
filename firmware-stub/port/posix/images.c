/*
 * The flash in a mapped file, so that a process that is killed leaves what it had written, in
 * order; and what the images in it say. Boot loader and store are the same as on other boards.
 */
#define _GNU_SOURCE
#include "images.h"

#include "boot.h"
#include "boot_image.h"
#include "boot_port.h"
#include "boot_store.h"
#include "fw_info.h"
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HALF_PAGE_US 2000

uint8_t *board_flash;

static const struct board_image *running(void)
{
    return (const struct board_image *)BOOT_SLOTS_AT;
}

static void install_factory_image(void)
{
    struct board_image own = {
        .info = FW_IMAGE_INFO, .note = BOARD_NOTE, .version = FW_VERSION, .plays = "run"};

    (void)port_image_id(own.id);
    memcpy(BOOT_SLOTS_AT, &own, sizeof own);
}

int images_open(const char *file)
{
    char name[400];
    void *memory = MAP_FAILED;
    int fd, error;

    if (snprintf(name, sizeof name, "%s.flash", file) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && ftruncate(fd, BOOT_FLASH_END) == 0)
        memory = mmap(NULL, BOOT_FLASH_END, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    if (memory == MAP_FAILED)
        return -1;
    board_flash = memory;
    return 0;
}

enum images_play images_boot(bool hung)
{
    if (board_flash == NULL)
        return IMAGES_RUN;
    if (!boot_slot_has_image(BOOT_RUN) && !boot_slot_has_image(BOOT_BACK))
        install_factory_image();
    (void)boot_prepare(hung);
    if (strncmp(running()->plays, "hang", sizeof running()->plays) == 0)
        return IMAGES_HANG;
    return strncmp(running()->plays, "mute", sizeof running()->plays) == 0 ? IMAGES_MUTE
                                                                           : IMAGES_RUN;
}

const char *images_version(void)
{
    static char version[sizeof running()->version + 1];

    if (board_flash == NULL)
        return NULL;
    memcpy(version, running()->version, sizeof running()->version);
    return version;
}

bool images_id(uint8_t out[MP_IMAGE_ID_MAX])
{
    if (board_flash == NULL || !boot_slot_has_image(BOOT_RUN))
        return false;
    memcpy(out, running()->id, MP_IMAGE_ID_MAX);
    return true;
}

void board_wait_for_flash(void)
{
    struct timespec wait = {.tv_nsec = HALF_PAGE_US * 1000};

    nanosleep(&wait, NULL);
}

const struct mp_bulk_store *port_image_store(void)
{
    return board_flash ? &boot_store : NULL;
}

void port_image_confirm(void)
{
    boot_confirm();
}
