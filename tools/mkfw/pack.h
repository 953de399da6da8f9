/*
 * pack.h - writes a .fw file of one resource as fwup 1.16.0 takes it, and key pairs as `fwup -g`
 * writes them.
 */
#ifndef MKFW_PACK_H
#define MKFW_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define PACK_SECRET_BYTES 64 /* Ed25519: the seed, then the public key */

struct pack {
    const char *product, *version, *platform, *architecture;  /* needed */
    const char *author, *description, *vcs_identifier, *misc; /* NULL: left out */
    const char *resource;                                     /* name of the image in the file */
    const uint8_t *image;
    size_t image_bytes;
    const uint8_t *secret; /* PACK_SECRET_BYTES; NULL: not signed */
    time_t created;        /* shown by fwup as the creation date */
};

/* Writes the file at `path`, by a temporary one beside it, so that what stood there is replaced
 * whole or not at all. Returns 0, or -1 with `why` (`cap` bytes) saying what went wrong. */
int pack_write(const struct pack *pack, const char *path, char *why, size_t cap);

/* Reads a private key file of base64. Refuses one that others can read. Returns as above. */
int pack_read_secret(const char *path, uint8_t secret[static PACK_SECRET_BYTES], char *why,
                     size_t cap);

/* Makes NAME.priv (for its owner alone) and NAME.pub; neither may be there. Returns as above. */
int pack_make_keys(const char *name, char *why, size_t cap);

#endif
