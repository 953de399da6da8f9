/*
 * config_value.h - one value of the configuration, from text to the member that it fills. Internal
 * to config*.c; mcu-tool reads its options with it, so that 2s and 0x0123 mean the same in both.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config_table.h"

/* A value as it stands in the file or on the command line. */
struct config_scalar {
    const char *text; /* NUL-terminated; may hold NULs within `length` */
    size_t length;
    bool quoted; /* in quotation marks or a block: text, whatever it looks like */
};

#define CONFIG_EXPECTED_MAX 160

/* What is wrong with a value, for people. */
struct config_complaint {
    char expected[CONFIG_EXPECTED_MAX]; /* "a whole number from 300 to 4000000" */
    char hint[CONFIG_EXPECTED_MAX];     /* what to do; may be empty */
    bool hide;                          /* the value may hold a secret: do not show it */
};

/* Puts `value` into the member of `base` that `setting` names, copied; what the member held is
 * freed. A relative path is taken from `folder`. Returns 0, or -1 with *complaint filled in. Not
 * for CONFIG_WORDS and CONFIG_CONTROLS. */
int config_value_put(const struct config_setting *setting, const struct config_scalar *value,
                     const char *folder, void *base, struct config_complaint *complaint);

/* Fills every member of `section` in `base` with its default; the others stay. Returns 0, or -1
 * when out of memory. */
int config_value_defaults(const struct config_section *section, void *base);

/* What a setting takes, such as "a duration from 1s to 10m". */
void config_value_expected(const struct config_setting *setting, char *out, size_t cap);

#endif
