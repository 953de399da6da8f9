/*
 * spool_file.h - where the spool's file is, whose it is, and where a bad one goes.
 */
#ifndef SPOOL_FILE_H
#define SPOOL_FILE_H

#include <stddef.h>

/* Makes the folders of `path` as far as they are missing, ours alone. Returns 0, or -1 with errno.
 */
int spool_file_make_folders(const char *path);

/* Takes the lock beside `path` that is held until the process ends or closes it. Returns its
 * descriptor, or -1 with errno: EWOULDBLOCK when another process has it. */
int spool_file_lock(const char *path);

/* How many files were set aside beside `path` and are there still; -1 with errno. */
int spool_file_count_aside(const char *path);

/* Renames the file and what SQLite keeps beside it to `path`.`why`-DATE, and writes that name to
 * `out`. Returns 0, or -1 with errno. */
int spool_file_set_aside(const char *path, const char *why, char *out, size_t cap);

#endif
