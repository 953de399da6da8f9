/*
 * profile_write.h - uploads as JSON, in the shapes that servers take. The hot path of the bridge:
 * no memory, no copy but the one into `out`.
 *
 *   groups   {"SENSOR":[{"type":"temperature","value":21.5},...],...}      (microcontrollers)
 *   list     {"readings":[{"sensor":"SENSOR","type":"temperature","value":21.5},...]}
 *   object   {"SENSOR":21.5,...}; SENSOR.KIND where one name has several   (device: new_msg)
 *
 * Members are quoted as JSON wants it. With upload->identity, `at` and `seq` follow each value; an
 * object has no place for them.
 */
#ifndef PROFILE_WRITE_H
#define PROFILE_WRITE_H

#include "profile.h"

enum profile_shape { PROFILE_GROUPS, PROFILE_LIST, PROFILE_OBJECT };

/* Bytes that profile_write needs at most. */
size_t profile_write_bound(enum profile_shape shape, const struct profile_upload *upload);

/* Returns the length, or 0: `cap` is too small, or a value is not finite. Not NUL-terminated. */
size_t profile_write(enum profile_shape shape, const struct profile_upload *upload, char *at,
                     size_t cap);

/* How many readings, from the first on, one upload of that shape holds: an object ends before a
 * sensor comes again. At least 1, if there is one. */
size_t profile_write_fits(enum profile_shape shape, const struct profile_upload *upload);

#endif
