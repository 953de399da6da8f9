/*
 * fw_archive.h - libarchive's reader, loaded when the first .fw file is checked (library.h).
 */
#ifndef FW_ARCHIVE_H
#define FW_ARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

/* libarchive's functions by their names without archive_. */
struct fw_archive {
    struct archive *(*read_new)(void);
    int (*read_support_format_zip_streamable)(struct archive *archive);
    int (*read_open_filename)(struct archive *archive, const char *path, size_t block);
    int (*read_open_memory)(struct archive *archive, const void *bytes, size_t n);
    int (*read_next_header)(struct archive *archive, struct archive_entry **entry);
    const char *(*entry_pathname)(struct archive_entry *entry);
    la_ssize_t (*read_data)(struct archive *archive, void *out, size_t n);
    const char *(*error_string)(struct archive *archive);
    int (*read_free)(struct archive *archive);
};

/* From any thread; the first call loads it. NULL: it cannot be loaded, *why says why. */
const struct fw_archive *fw_archive(const char **why);

#endif
