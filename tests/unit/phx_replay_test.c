/*
 * phx_replay_test.c - every recording of real servers played to the machine, each connection to one
 * of its own. The events, and what differs from the recorded client, must be those of
 * tests/vectors/phx_replay.txt. `phx_replay_test write` writes that file anew, to be read before it
 * is kept.
 */
#define _POSIX_C_SOURCE 200809L

#include "phx_replay.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXPECTED       "../vectors/phx_replay.txt"
#define TRANSCRIPTS    "../vectors/transcripts"
#define LINES_MAX      4000
#define LINE_MAX_BYTES (1 << 18)
#define NAME_BYTES     200
#define CONNS          64
#define RECORDINGS     400

/* Every recording in these is played. */
static const char *const sets[] = {"microcontroller-server", "phoenix-1.7-cowboy",
                                   "phoenix-1.8-bandit",     "phoenix-js-client",
                                   "nerveshub-main",         "nerveshub-2.4.0"};

static size_t read_lines(const char *path, cJSON **lines, size_t most)
{
    char *buffer = malloc(LINE_MAX_BYTES);
    FILE *file = fopen(path, "r");
    size_t n = 0;

    assert_non_null(buffer);
    if (!file)
        fail_msg("%s is missing", path);
    while (fgets(buffer, LINE_MAX_BYTES, file)) {
        assert_true(n < most);
        lines[n] = cJSON_Parse(buffer);
        assert_non_null(lines[n]);
        const char *dir = replay_text(lines[n], "dir");
        if (strcmp(dir, "note") == 0 || strcmp(dir, "meta") == 0)
            cJSON_Delete(lines[n]);
        else
            n++;
    }
    fclose(file);
    free(buffer);
    return n;
}

/* Its connections one after the other, in the order in which they appear. */
static void play(struct replay *r, const char *set, const char *name)
{
    static cJSON *lines[LINES_MAX];
    const char *seen[CONNS];
    size_t count, conns = 0;
    char path[NAME_BYTES * 2];

    snprintf(path, sizeof path, TRANSCRIPTS "/%s/%s", set, name);
    count = read_lines(path, lines, LINES_MAX);
    fprintf(r->out, "== %s/%.*s\n", set, (int)(strlen(name) - strlen(".jsonl")), name);
    for (size_t i = 0; i < count; i++) {
        const char *conn = replay_text(lines[i], "conn");
        size_t k = 0;
        while (k < conns && strcmp(seen[k], conn) != 0)
            k++;
        if (k < conns)
            continue;
        assert_true(conns < CONNS);
        seen[conns++] = conn;
        replay_conn(r, lines, count, conn);
    }
    while (count > 0)
        cJSON_Delete(lines[--count]);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void play_set(struct replay *r, const char *set)
{
    char path[NAME_BYTES], *names[RECORDINGS];
    struct dirent *entry;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof path, TRANSCRIPTS "/%s", set);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (!strstr(entry->d_name, ".jsonl"))
            continue;
        assert_true(n < RECORDINGS);
        names[n] = strdup(entry->d_name);
        assert_non_null(names[n++]);
    }
    closedir(dir);
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++) {
        play(r, set, names[i]);
        free(names[i]);
    }
}

static void play_all(FILE *out)
{
    struct replay *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->out = out;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        play_set(r, sets[i]);
    free(r);
}

static void recordings_lead_to_the_expected_events(void **state)
{
    static char expected[LINE_MAX_BYTES], actual[LINE_MAX_BYTES], scenario[200];
    FILE *file = fopen(EXPECTED, "r"), *out = tmpfile();
    int number = 0;

    (void)state;
    assert_non_null(file);
    assert_non_null(out);
    play_all(out);
    rewind(out);
    while (fgets(actual, sizeof actual, out)) {
        number++;
        if (strncmp(actual, "== ", 3) == 0)
            snprintf(scenario, sizeof scenario, "%.*s", (int)strcspn(actual, "\n"), actual);
        if (!fgets(expected, sizeof expected, file))
            expected[0] = '\0';
        if (strcmp(actual, expected) != 0)
            fail_msg("%s, line %d\nexpected: %s     got: %s", scenario, number, expected, actual);
    }
    assert_null(fgets(expected, sizeof expected, file));
    fclose(out);
    fclose(file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings_lead_to_the_expected_events),
    };
    FILE *out;

    if (argc > 1 && strcmp(argv[1], "write") == 0) {
        out = fopen(EXPECTED, "w");
        if (!out)
            return 1;
        play_all(out);
        return fclose(out) != 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
