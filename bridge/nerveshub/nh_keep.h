/*
 * nh_keep.h - which files of the folder are still of use. Internal to nh_files.c.
 */
#ifndef NH_KEEP_H
#define NH_KEEP_H

#include <stdbool.h>

#define NH_KNOWN_MAX   256            /* UUID.json files that no board needs */
#define NH_PART_KEPT_S (24 * 60 * 60) /* of a file whose download failed: the next try goes on */
#define NH_LATER_MAX   8              /* UUID.fw files that only boards that left would need */

enum nh_need {
    NH_NEED_NONE,
    NH_NEED_LATER, /* a board that may come back would be glad of it */
    NH_NEED_NOW,
};

/* Removes what is of no use any more; `need` says who needs a firmware's file or an image of it.
 * Returns whether a UUID.json is among it. */
bool nh_keep_prune(const char *folder,
                   enum nh_need (*need)(void *user, const char *uuid, bool image), void *user);

/* At the start, when nobody writes: removes what a program that was killed left half written. */
void nh_keep_clean(const char *folder);

#endif
