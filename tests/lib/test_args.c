/*
 * Words of a command line by a list. What they mean is each program's.
 */
#include "test_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void usage(const char *program, const struct test_arg *known, size_t count)
{
    fprintf(stderr, "usage: %s", program);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " [%s%s]", known[i].name,
                known[i].number != NULL ? " N"
                : known[i].text != NULL ? " NAME"
                                        : "");
    fputc('\n', stderr);
    exit(2);
}

static bool take(const struct test_arg *arg, const char *value)
{
    char *end;
    if (value == NULL)
        return false;
    if (arg->text != NULL) {
        *arg->text = value;
        return true;
    }
    *arg->number = strtoull(value, &end, 10);
    return *value >= '0' && *value <= '9' && *end == '\0';
}

void test_args(int argc, char **argv, const struct test_arg *known, size_t count)
{
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < count && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k < count && known[k].flag != NULL)
            *known[k].flag = true;
        else if (k == count || !take(&known[k], argv[++i])) /* argv ends with NULL */
            usage(argv[0], known, count);
    }
}

bool test_args_are_long(void)
{
    const char *set = getenv("MCU_LONG");
    return set != NULL && set[0] != '\0';
}
