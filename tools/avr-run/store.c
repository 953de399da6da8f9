/*
 * Files as memory. What is in them is the chip's.
 */
#define _GNU_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much of the file there was; -1 with errno set when it cannot be made `bytes` long. */
static off_t open_file(const char *path, size_t bytes, int *fd)
{
    struct stat about;

    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0 || fstat(*fd, &about) != 0 || ftruncate(*fd, (off_t)bytes) != 0)
        return -1;
    return about.st_size;
}

uint8_t *store_open(const char *path, size_t bytes, bool *fresh, char *why, size_t why_cap)
{
    int fd = -1, flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    off_t before = path ? open_file(path, bytes, &fd) : 0;
    void *memory = MAP_FAILED;

    if (before >= 0)
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (memory == MAP_FAILED)
        snprintf(why, why_cap, "%s: %s", path ? path : "memory", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (memory == MAP_FAILED)
        return NULL;
    *fresh = before == 0;
    if ((size_t)before < bytes)
        memset((uint8_t *)memory + before, 0xff, bytes - (size_t)before);
    return memory;
}

void store_close(uint8_t *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}
