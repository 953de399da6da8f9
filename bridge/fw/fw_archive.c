/*
 * The functions of libarchive that fw_file.c calls.
 */
#include "fw_archive.h"

#include "base/library.h"
#include "fw_meta.h"

#include <pthread.h>

static struct fw_archive functions;
static const struct fw_archive *loaded;
static char reason[FW_WHY_MAX];

static void load(void)
{
    const struct library_symbol symbols[] = {
        {"archive_read_new", &functions.read_new},
        {"archive_read_support_format_zip_streamable",
         &functions.read_support_format_zip_streamable},
        {"archive_read_open_filename", &functions.read_open_filename},
        {"archive_read_open_memory", &functions.read_open_memory},
        {"archive_read_next_header", &functions.read_next_header},
        {"archive_entry_pathname", &functions.entry_pathname},
        {"archive_read_data", &functions.read_data},
        {"archive_error_string", &functions.error_string},
        {"archive_read_free", &functions.read_free},
    };
    if (library_load("libarchive.so.13", symbols, sizeof symbols / sizeof symbols[0], reason,
                     sizeof reason) == 0)
        loaded = &functions;
}

const struct fw_archive *fw_archive(const char **why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *why = reason;
    return loaded;
}
