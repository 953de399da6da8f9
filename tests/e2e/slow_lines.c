/*
 * Preloaded into a program under test: settings of the lines named in SLOW_LINES (paths with spaces
 * between) are made when the file SLOW_LINES_UNTIL is there, as with a USB device that is sick.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asm/termbits.h>
#include <sys/ioctl.h>

#define LOOK_US 10000

static int is_slow(int fd)
{
    char link[64], path[64], *lines = getenv("SLOW_LINES");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (lines == NULL || n <= 0)
        return 0;
    path[n] = '\0';
    for (char *at = lines; (at = strstr(at, path)) != NULL; at += n)
        if (at[n] == ' ' || at[n] == '\0')
            return 1;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, ...);
    const char *until = getenv("SLOW_LINES_UNTIL");
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    void *found = dlsym(RTLD_NEXT, "ioctl");
    memcpy(&real, &found, sizeof real);
    while (request == TCSETS2 && until != NULL && is_slow(fd) && access(until, F_OK) != 0)
        usleep(LOOK_US);
    return real(fd, request, argument);
}
