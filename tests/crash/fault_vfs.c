/*
 * A file here is the default VFS's, and beside it what would be left of it without power: its
 * content at the last synchronisation, and the changes since. Memory for that is never given back:
 * the process is short-lived.
 */
#include "fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 256
#define SECTOR    512

struct fault_vfs fault_vfs;

struct change {
    struct change *next;
    sqlite3_int64 at;
    int n; /* -1: a truncation to `at` */
    char bytes[];
};

struct durable {
    char *path;
    char *bytes;
    size_t len, cap;
    struct change *first, **last;
    bool gone;
};

struct file {
    sqlite3_file base;
    struct durable *durable; /* NULL: a temporary one */
    sqlite3_file *real;
};

static struct durable files[FILES_MAX];
static sqlite3_vfs *below;
static sqlite3_vfs vfs;

/* -- What is left without power. */

static void resize(struct durable *d, size_t len)
{
    if (len > d->cap) {
        d->cap = len * 2;
        d->bytes = realloc(d->bytes, d->cap);
    }
    if (len > d->len)
        memset(d->bytes + d->len, 0, len - d->len);
    d->len = len;
}

static void apply(struct durable *d, const struct change *change)
{
    if (change->n < 0) {
        resize(d, (size_t)change->at);
        return;
    }
    size_t end = (size_t)change->at + (size_t)change->n;
    if (end > d->len)
        resize(d, end);
    memcpy(d->bytes + change->at, change->bytes, (size_t)change->n);
}

static void forget(struct durable *d)
{
    while (d->first != NULL) {
        struct change *next = d->first->next;
        free(d->first);
        d->first = next;
    }
    d->last = &d->first;
}

static void synchronise(struct durable *d)
{
    for (struct change *change = d->first; change != NULL; change = change->next)
        apply(d, change);
    forget(d);
}

static void note(struct durable *d, sqlite3_int64 at, const void *bytes, int n)
{
    struct change *change = malloc(sizeof *change + (n > 0 ? (size_t)n : 0));
    *change = (struct change){.at = at, .n = n};
    if (n > 0)
        memcpy(change->bytes, bytes, (size_t)n);
    *d->last = change;
    d->last = &change->next;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* A disk writes whole sectors, in any order. */
static void apply_some(struct durable *d, const struct change *change, uint32_t *seed)
{
    if (change->n < 0) {
        if ((next_random(seed) & 1) != 0)
            apply(d, change);
        return;
    }
    for (int done = 0; done < change->n;) {
        int n = SECTOR - (int)((change->at + done) % SECTOR);
        n = n > change->n - done ? change->n - done : n;
        size_t begin = (size_t)change->at + (size_t)done;
        if ((next_random(seed) & 1) != 0) {
            if (begin + (size_t)n > d->len)
                resize(d, begin + (size_t)n);
            memcpy(d->bytes + begin, change->bytes + done, (size_t)n);
        }
        done += n;
    }
}

static void restore(struct durable *d, uint32_t *seed)
{
    if (*seed != 0)
        for (struct change *change = d->first; change != NULL; change = change->next)
            apply_some(d, change, seed);
    int fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, d->bytes, d->len) != (ssize_t)d->len)
        abort();
    close(fd);
}

void fault_vfs_power_loss(uint32_t seed)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (files[i].path != NULL && !files[i].gone)
            restore(&files[i], &seed);
}

static struct durable *durable_of(const char *path)
{
    int free_one = -1;
    for (int i = 0; i < FILES_MAX; i++) {
        if (files[i].path == NULL)
            free_one = free_one < 0 ? i : free_one;
        else if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    if (free_one < 0)
        abort();
    struct durable *d = &files[free_one];
    *d = (struct durable){.path = strdup(path)};
    d->last = &d->first;
    return d;
}

static void read_in(struct durable *d)
{
    char bytes[65536];
    int fd = open(d->path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    d->len = 0;
    d->gone = false;
    forget(d);
    while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0) {
        size_t before = d->len;
        resize(d, before + (size_t)n);
        memcpy(d->bytes + before, bytes, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
}

/* -- Faults. */

static void point(void)
{
    if (fault_vfs.point != NULL)
        fault_vfs.point(fault_vfs.user);
}

static bool fails(bool reading)
{
    if (fault_vfs.kind == FAULT_NONE || (fault_vfs.kind == FAULT_READ) != reading ||
        !fault_vfs.fails(fault_vfs.user))
        return false;
    fault_vfs.failed++;
    return true;
}

static int error_of(int io_error)
{
    return fault_vfs.kind == FAULT_FULL ? SQLITE_FULL : io_error;
}

/* -- Methods. */

static sqlite3_file *real(sqlite3_file *file)
{
    return ((struct file *)file)->real;
}

static struct durable *durable(sqlite3_file *file)
{
    return ((struct file *)file)->durable;
}

static int on_close(sqlite3_file *file)
{
    sqlite3_file *under = real(file);
    int code = under->pMethods != NULL ? under->pMethods->xClose(under) : SQLITE_OK;
    free(under);
    return code;
}

static int on_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    if (fails(true))
        return SQLITE_IOERR_READ;
    return real(file)->pMethods->xRead(real(file), out, n, at);
}

static int on_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    point();
    bool bad = fails(false);
    if (bad && fault_vfs.kind == FAULT_SHORT && n > 1)
        n /= 2;
    else if (bad)
        return error_of(SQLITE_IOERR_WRITE);
    int code = real(file)->pMethods->xWrite(real(file), bytes, n, at);
    if (code == SQLITE_OK && durable(file) != NULL)
        note(durable(file), at, bytes, n);
    return bad ? SQLITE_IOERR_WRITE : code;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    point();
    if (fails(false))
        return error_of(SQLITE_IOERR_TRUNCATE);
    int code = real(file)->pMethods->xTruncate(real(file), size);
    if (code == SQLITE_OK && durable(file) != NULL)
        note(durable(file), size, NULL, -1);
    return code;
}

/* Nothing goes to a disk here: what would be left on one is kept above. */
static int on_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    point();
    if (fails(false))
        return error_of(SQLITE_IOERR_FSYNC);
    if (durable(file) != NULL)
        synchronise(durable(file));
    return SQLITE_OK;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int on_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int on_check_lock(sqlite3_file *file, int *held)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), held);
}

static int on_control(sqlite3_file *file, int what, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), what, argument);
}

static int on_sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

static int on_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int on_shm_unmap(sqlite3_file *file, int remove)
{
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *self, const char *path, sqlite3_file *out, int flags,
                   int *flags_out)
{
    (void)self;
    struct file *file = (struct file *)out;
    *file = (struct file){.real = calloc(1, (size_t)below->szOsFile)};
    if (file->real == NULL)
        return SQLITE_NOMEM;
    int code = below->xOpen(below, path, file->real, flags, flags_out);
    if (code != SQLITE_OK) {
        free(file->real);
        return code;
    }
    if (path != NULL) {
        file->durable = durable_of(path);
        read_in(file->durable);
    }
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *self, const char *path, int sync)
{
    (void)self;
    point();
    if (fails(false))
        return SQLITE_IOERR_DELETE;
    durable_of(path)->gone = true;
    return below->xDelete(below, path, sync);
}

void fault_vfs_register(void)
{
    below = sqlite3_vfs_find(NULL);
    vfs = *below;
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(struct file);
    vfs.pNext = NULL;
    vfs.zName = "fault";
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    sqlite3_vfs_register(&vfs, 0);
}
