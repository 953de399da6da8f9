/*
 * profile_number.h - wire values as the shortest decimal text that means the same.
 */
#ifndef PROFILE_NUMBER_H
#define PROFILE_NUMBER_H

#include "mp_value.h"

#include <stddef.h>

#define PROFILE_NUMBER_MAX 32 /* bytes that a number takes at most */

/* Writes `value` of a sensor of that type and exponent as a JSON number, not NUL-terminated, and
 * returns its length; 0: not finite, or no such type. Integers are exact (2150 with exponent -2 is
 * 21.5); an F32 is the shortest decimal that reads back as the same float. */
size_t profile_number(uint8_t type, int8_t exponent, union mp_value value,
                      char out[PROFILE_NUMBER_MAX]);

#endif
