/*
 * serial_holder.c - who has a line open, for an error that helps: first the kernel's table of
 * locks, which is one small file, then the descriptors of the processes that we may look at.
 */
#define _DEFAULT_SOURCE
#include "serial_backend.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAME_BYTES 64

static bool read_name(long pid, char *out, size_t cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    bool got = file && fgets(out, (int)cap, file);
    if (file)
        fclose(file);
    if (got)
        out[strcspn(out, "\n")] = '\0';
    return got;
}

/* The process that holds a flock on `status`'s file, or 0. */
static long find_locker(const struct stat *status)
{
    char line[256];
    long holder = 0;
    FILE *file = fopen("/proc/locks", "re");
    while (file && !holder && fgets(line, sizeof line, file)) {
        long pid;
        unsigned high, low;
        unsigned long inode;
        /* 1: FLOCK  ADVISORY  WRITE 812 00:19:5 0 EOF */
        if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid, &high, &low, &inode) == 4 &&
            inode == status->st_ino && high == major(status->st_dev) &&
            low == minor(status->st_dev))
            holder = pid;
    }
    if (file)
        fclose(file);
    return holder;
}

static bool has_open(const char *pid, const char *path)
{
    if (strtol(pid, NULL, 10) == (long)getpid())
        return false; /* the descriptor that just found the line busy */
    char folder_name[64], link[PATH_MAX], target[PATH_MAX];
    snprintf(folder_name, sizeof folder_name, "/proc/%.20s/fd", pid);
    DIR *folder = opendir(folder_name);
    bool hit = false;
    for (struct dirent *entry; folder && !hit && (entry = readdir(folder));) {
        snprintf(link, sizeof link, "%s/%s", folder_name, entry->d_name);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        hit = strcmp(target, path) == 0;
    }
    if (folder)
        closedir(folder);
    return hit;
}

/* Calls `is_it` for every process until it says yes; returns that one, or 0. */
static long find_process(bool (*is_it)(const char *pid, const char *argument), const char *argument)
{
    long found = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && !found && (entry = readdir(processes));)
        if (isdigit((unsigned char)entry->d_name[0]) && is_it(entry->d_name, argument))
            found = strtol(entry->d_name, NULL, 10);
    if (processes)
        closedir(processes);
    return found;
}

void serial_holder(const char *path, char *out, size_t cap)
{
    struct stat status;
    char name[NAME_BYTES];
    long pid = stat(path, &status) == 0 ? find_locker(&status) : 0;
    if (!pid)
        pid = find_process(has_open, path);
    if (pid && pid == (long)getpid())
        snprintf(out, cap, "this program itself");
    else if (pid && read_name(pid, name, sizeof name))
        snprintf(out, cap, "%s (process %ld)", name, pid);
    else
        snprintf(out, cap, "another process");
}

static bool is_called(const char *pid, const char *wanted)
{
    char name[NAME_BYTES];
    return read_name(strtol(pid, NULL, 10), name, sizeof name) && strcmp(name, wanted) == 0;
}

bool serial_program_runs(const char *name)
{
    return find_process(is_called, name) != 0;
}
