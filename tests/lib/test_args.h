/*
 * test_args.h - the command line of the test programs that can be run by hand: words such as
 * --seed 7, --only NAME and --long.
 */
#ifndef TEST_ARGS_H
#define TEST_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of the pointers is set: where the word's number or text goes, or that it was there. */
struct test_arg {
    const char *name;
    uint64_t *number;
    const char **text;
    bool *flag;
};

/* Writes what is named, and leaves the rest as it is. Ends the program with status 2, and says what
 * there is, at a word that is not in the list or has no value, or at a number that is none. */
void test_args(int argc, char **argv, const struct test_arg *known, size_t count);

/* Whether the environment asks for the long form of every test: MCU_LONG=yes. */
bool test_args_are_long(void);

#endif
