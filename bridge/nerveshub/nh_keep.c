/*
 * Throwing files away. Only names that this program makes are ever removed; a name is a UUID and an
 * ending.
 */
#include "nh_keep.h"

#include "nh_message.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UUID_LENGTH (NH_UUID_TEXT - 1)

enum kind { KIND_OTHER, KIND_FILE, KIND_PART, KIND_KNOWN };

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), n = strlen(ending);
    return length >= n && strcmp(name + length - n, ending) == 0;
}

static enum kind kind_of(const char *name)
{
    if (strspn(name, "0123456789abcdef-") < UUID_LENGTH)
        return KIND_OTHER;
    if (strcmp(name + UUID_LENGTH, ".fw") == 0 || ends_in(name, ".image"))
        return KIND_FILE;
    if (strcmp(name + UUID_LENGTH, ".part") == 0 || strcmp(name + UUID_LENGTH, ".etag") == 0)
        return KIND_PART;
    return strcmp(name + UUID_LENGTH, ".json") == 0 ? KIND_KNOWN : KIND_OTHER;
}

/* Seconds since 1970; 0: it is not there. */
static time_t changed_at(int folder, const char *name)
{
    struct stat info;
    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mtime : 0;
}

struct oldest {
    unsigned count;
    time_t at;
    char name[UUID_LENGTH + sizeof(".json")];
};

/* Files of boards that have left, the newest first. */
struct newest {
    unsigned count;
    time_t at[NH_LATER_MAX + 1];
    char name[NH_LATER_MAX + 1][UUID_LENGTH + sizeof(".fw")];
};

/* One more than there may be is the oldest, and goes. */
static void keep_newest(int folder, const char *name, struct newest *later)
{
    time_t at = changed_at(folder, name);
    unsigned i = later->count++;
    for (; i > 0 && later->at[i - 1] < at; i--) {
        later->at[i] = later->at[i - 1];
        memcpy(later->name[i], later->name[i - 1], sizeof(later->name[i]));
    }
    later->at[i] = at;
    snprintf(later->name[i], sizeof(later->name[i]), "%s", name);
    if (later->count > NH_LATER_MAX)
        unlinkat(folder, later->name[--later->count], 0);
}

/* A name of `kind` that nobody holds. */
static void let_go(int folder, const char *name, enum kind kind, struct oldest *known)
{
    switch (kind) {
    case KIND_OTHER:
        break;
    case KIND_FILE:
        unlinkat(folder, name, 0);
        break;
    case KIND_PART:
        if (time(NULL) - changed_at(folder, name) > NH_PART_KEPT_S)
            unlinkat(folder, name, 0);
        break;
    case KIND_KNOWN:
        known->count++;
        if (known->name[0] == '\0' || changed_at(folder, name) < known->at) {
            known->at = changed_at(folder, name);
            snprintf(known->name, sizeof(known->name), "%s", name);
        }
        break;
    }
}

/* Of what is only known, at most one is removed at a time: they come one at a time. */
bool nh_keep_prune(const char *folder,
                   enum nh_need (*need)(void *user, const char *uuid, bool image), void *user)
{
    struct oldest known = {0};
    struct newest later = {0};
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char uuid[NH_UUID_TEXT];
        enum kind kind = kind_of(entry->d_name);
        snprintf(uuid, sizeof(uuid), "%.36s", entry->d_name);
        enum nh_need needed =
            kind != KIND_OTHER ? need(user, uuid, ends_in(entry->d_name, ".image")) : NH_NEED_NOW;
        if (needed == NH_NEED_LATER && kind == KIND_FILE)
            keep_newest(dirfd(dir), entry->d_name, &later);
        else if (needed != NH_NEED_NOW)
            let_go(dirfd(dir), entry->d_name, kind, &known);
    }
    bool forgotten = known.count > NH_KNOWN_MAX && unlinkat(dirfd(dir), known.name, 0) == 0;
    if (dir != NULL)
        closedir(dir);
    return forgotten;
}

void nh_keep_clean(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        bool ours = strspn(entry->d_name, "0123456789abcdef-") >= UUID_LENGTH ||
                    strncmp(entry->d_name, "board-", 6) == 0;
        if (ours && ends_in(entry->d_name, ".new"))
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL)
        closedir(dir);
}
