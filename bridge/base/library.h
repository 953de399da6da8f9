/*
 * library.h - a shared library that is loaded when it is first needed, and not with the program.
 *
 * For what only some users need: libcurl and libarchive bring forty libraries along, which is as
 * much memory again as the whole bridge takes.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stddef.h>

struct library_symbol {
    const char *name;
    void *function; /* address of a pointer to a function, which is filled in */
};

/* Loads `file`, a SONAME such as "libcurl.so.4", for the rest of the program's life, and fills in
 * every symbol. Returns 0, or -1 with one line in `why` that names what is missing. */
int library_load(const char *file, const struct library_symbol *symbols, size_t count, char *why,
                 size_t why_cap);

#endif
