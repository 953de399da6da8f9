/*
 * fault_vfs.h - a VFS for SQLite, named "fault", over the default one: every change of a file is
 * told before it is made, can be made to fail, and is remembered until it is synchronised, so that
 * the power can go.
 */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind { FAULT_NONE, FAULT_FULL, FAULT_IOERR, FAULT_SHORT, FAULT_READ };

struct fault_vfs {
    void *user;
    void (*point)(void *user); /* before each write, truncation, synchronisation and deletion */
    enum fault_kind kind;
    bool (*fails)(void *user); /* asked for each such change (FAULT_READ: each read) */
    uint64_t failed;           /* how often it did */
};
extern struct fault_vfs fault_vfs;

/* Registers it. */
void fault_vfs_register(void);
/* The files become what was synchronised; of what was written since, a part picked by `seed` is
 * there, in pieces of sectors. 0: nothing of it. The process must end without another word to
 * SQLite. */
void fault_vfs_power_loss(uint32_t seed);

#endif
