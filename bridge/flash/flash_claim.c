/*
 * The claim is the name of a UNIX socket that has no file: the kernel gives it to one process and
 * takes it back with the last descriptor. A lock on the device itself would need it opened, which
 * resets many boards. Names differ between network namespaces: there, claims do not see each other.
 */
#include "flash_claim.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define PTY_MAJOR_FIRST 136 /* UNIX98_PTY_SLAVE_MAJOR of Linux, and how many there are */
#define PTY_MAJORS      8

static bool is_pty(const struct stat *st)
{
    return major(st->st_rdev) >= PTY_MAJOR_FIRST &&
           major(st->st_rdev) < PTY_MAJOR_FIRST + PTY_MAJORS;
}

/* The device, not the path: a port has many names. The number of a PTY is another's as soon as it
 * is closed, so that when it was made belongs to its name; real devices have their owner, and with
 * it that time, changed while they are there. */
static int name_of(const char *port, struct sockaddr_un *address, socklen_t *len)
{
    struct stat st;

    if (stat(port, &st) != 0)
        return -1;
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    char *name = address->sun_path + 1; /* a leading NUL: no file */
    size_t cap = sizeof(address->sun_path) - 1;
    if (S_ISCHR(st.st_mode) && is_pty(&st))
        snprintf(name, cap, "mcu-bridge-flash-%u:%u-%jd.%ld", major(st.st_rdev), minor(st.st_rdev),
                 (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    else if (S_ISCHR(st.st_mode))
        snprintf(name, cap, "mcu-bridge-flash-%u:%u", major(st.st_rdev), minor(st.st_rdev));
    else
        snprintf(name, cap, "mcu-bridge-flash-file-%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return 0;
}

int flash_claim(const char *port, char *why, size_t why_cap)
{
    struct sockaddr_un address;
    socklen_t len;

    if (name_of(port, &address, &len) != 0) {
        snprintf(why, why_cap, "%s: %s; is the board plugged in?", port, strerror(errno));
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0)
        return fd;
    if (errno == EADDRINUSE)
        snprintf(why, why_cap, "%s: another flasher is at this port; wait until it has ended",
                 port);
    else
        snprintf(why, why_cap, "%s: cannot be claimed: %s", port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool flash_claimed(const char *port)
{
    char why[1];
    struct stat st;
    int fd = flash_claim(port, why, sizeof(why));

    if (fd >= 0)
        close(fd);
    return fd < 0 && stat(port, &st) == 0;
}
