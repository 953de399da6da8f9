/*
 * config_rig.h - what a configuration is refused for, as the tests compare it: every error on a
 * line of `errors`, and how many they are.
 */
#ifndef CONFIG_RIG_H
#define CONFIG_RIG_H

#include <stdio.h>
#include <string.h>

static char errors[65536];
static size_t error_count;

static void keep(void *user, const char *error)
{
    (void)user;
    size_t used = strlen(errors);
    snprintf(errors + used, sizeof errors - used, "%s\n", error);
    error_count++;
}

static void forget(void)
{
    errors[0] = '\0';
    error_count = 0;
}

#endif
