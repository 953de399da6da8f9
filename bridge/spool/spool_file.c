/*
 * Files and folders of the spool; what stands in them is spool_db.c's.
 */
#include "spool_file.h"
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 4096

int spool_folder(char *out, size_t cap)
{
    const char *state = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (state != NULL && state[0] == '/')
        n = snprintf(out, cap, "%.*s", (int)strcspn(state, ":"), state);
    else if (geteuid() == 0)
        n = snprintf(out, cap, "/var/lib/mcu-bridge");
    else if (xdg != NULL && xdg[0] == '/')
        n = snprintf(out, cap, "%s/mcu-bridge", xdg);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, cap, "%s/.local/state/mcu-bridge", home);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

int spool_file_make_folders(const char *path)
{
    char folder[PATH_BYTES];
    if (strlen(path) >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

int spool_file_lock(const char *path)
{
    char name[PATH_BYTES];
    snprintf(name, sizeof name, "%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool is_aside(const char *name, const char *file)
{
    size_t n = strlen(file), all = strlen(name);
    if (strncmp(name, file, n) != 0 ||
        (strncmp(name + n, ".damaged-", 9) != 0 && strncmp(name + n, ".newer-", 7) != 0))
        return false;
    const char *end = name + all - 4; /* what SQLite keeps beside it */
    return strcmp(end, "-wal") != 0 && strcmp(end, "-shm") != 0;
}

int spool_file_count_aside(const char *path)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
             slash == NULL ? "." : path);
    DIR *open = opendir(folder);
    if (open == NULL)
        return -1;
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += is_aside(entry->d_name, slash == NULL ? path : slash + 1) ? 1 : 0;
    closedir(open);
    return count;
}

int spool_file_set_aside(const char *path, const char *why, char *out, size_t cap)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    char date[32], from[PATH_BYTES], to[PATH_BYTES];
    struct stat status;
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    for (unsigned again = 0; again < 1000; again++) {
        if (again == 0)
            snprintf(out, cap, "%s.%s-%s", path, why, date);
        else
            snprintf(out, cap, "%s.%s-%s.%u", path, why, date, again);
        if (lstat(out, &status) != 0)
            break;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s%s", out, parts[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}
