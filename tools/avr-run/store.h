/*
 * store.h - memory that outlives the power: a file, mapped, so that whatever ends this program,
 * each write that the chip has made is kept, in its order, and no later one.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `bytes` of memory, with the content of `path` and 0xff behind its end; NULL: memory that goes
 * with the program. *fresh: there was no such file. Returns NULL with one line in `why`; free it
 * with store_close, which takes NULL too. */
uint8_t *store_open(const char *path, size_t bytes, bool *fresh, char *why, size_t why_cap);
void store_close(uint8_t *memory, size_t bytes);

#endif
