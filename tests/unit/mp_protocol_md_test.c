/*
 * Do the tables of PROTOCOL.md say what mp_schema.h says? With an argument, prints them instead.
 */
#include "mp_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX 100000

static char tables[TEXT_MAX];
static char document[TEXT_MAX];

__attribute__((format(printf, 1, 2))) static void row(const char *format, ...)
{
    size_t n = strlen(tables);
    va_list args;
    va_start(args, format);
    vsnprintf(tables + n, sizeof tables - n, format, args);
    va_end(args);
}

#define X_FIELD(TYPE, name, text) row("| `%s` | %s | %s |\n", #name, #TYPE, text);
#define X_MESSAGE(id, NAME, name, FIELDS, from)               \
    row("\n#### 0x%02x `%s`, from: %s\n\n", id, #name, from); \
    row("| field | type | what it is |\n|---|---|---|\n");    \
    FIELDS(X_FIELD)
#define X_KIND(id, NAME, name, unit) row("| %d | %s | %s |\n", id, id == 0 ? "custom" : name, unit);
#define X_TYPE(id, NAME, name, size) row("| %d | %s | %d |\n", id, name, size);
#define X_TEXT(id, NAME, text)       row("| %d | %s |\n", id, text);

static void make_tables(void)
{
    tables[0] = '\0';
    MP_MESSAGES(X_MESSAGE)
    row("\n#### Kinds of reading\n\n| number | kind | unit |\n|---|---|---|\n");
    MP_KINDS(X_KIND)
    row("\n#### Types of value\n\n| number | type | bytes |\n|---|---|---|\n");
    MP_TYPES(X_TYPE)
    row("\n#### Statuses of a result\n\n| number | meaning |\n|---|---|\n");
    MP_STATUSES(X_TEXT)
    row("\n#### Causes of a control's state\n\n| number | meaning |\n|---|---|\n");
    MP_CAUSES(X_TEXT)
    row("\n#### Causes of a reset\n\n| number | meaning |\n|---|---|\n");
    MP_RESETS(X_TEXT)
    row("\n#### Levels of a log line\n\n| number | meaning |\n|---|---|\n");
    MP_LEVELS(X_TEXT)
    row("\n#### Modes of a reset\n\n| number | meaning |\n|---|---|\n");
    MP_RESET_MODES(X_TEXT)
}

static void the_tables_are_those_of_the_schema(void **state)
{
    FILE *file = fopen("../../mcu-protocol/PROTOCOL.md", "r");
    (void)state;
    assert_non_null(file);
    document[fread(document, 1, sizeof document - 1, file)] = '\0';
    fclose(file);
    make_tables();
    if (strstr(document, tables) == NULL)
        fail_msg("PROTOCOL.md differs: put in what mp_protocol_md_test --print writes");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_tables_are_those_of_the_schema)};
    (void)argv;
    if (argc > 1) {
        make_tables();
        fputs(tables, stdout);
        return 0;
    }
    return cmocka_run_group_tests_name("mp_protocol_md", tests, NULL, NULL);
}
