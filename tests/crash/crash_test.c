/*
 * crash_test: the bridge dies at every point of a scripted run, or its disk fails there, and
 * another goes on. Points are found by counting them in a run without harm.
 *
 *     crash_test [--long] [--only NAME] [--at N]      (MCU_LONG=yes is the same as --long)
 *
 * The short form takes a sample of the points, a different one with each name; --at runs one.
 */
#include "base/log.h"
#include "crash_world.h"
#include "fault_vfs.h"
#include "scripted.h"
#include "spool/spool_file.h"
#include "test_args.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT_RUNS 30 /* of each campaign */

static struct world *world;
static char folder[32];

static void begin(void)
{
    scripted_remove_files(folder, "spool.db");
    memset(world, 0, sizeof *world);
}

/* At the end of this process, not of a bridge's, which has its own way out. */
static void clean_up(void)
{
    scripted_remove_folder(folder);
}

/* Returns the status of the bridge's process. */
static int run(const struct world_plan *plan)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        log_open(LOG_DEBUG, false);
        if (getenv("CRASH_LOG") == NULL)
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        world_run(world, plan, folder);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

struct campaign {
    const char *name;
    struct world_plan plan;
    unsigned deaths; /* the second one of each run is somewhere in what the first left to do */
};

static const struct campaign campaigns[] = {
    {"kill", {.death = DEATH_KILL}, 1},
    {"kill_identity", {.identity = true, .death = DEATH_KILL}, 1},
    {"kill_twice", {.death = DEATH_KILL}, 2},
    {"power", {.death = DEATH_POWER}, 1},
    {"power_torn", {.death = DEATH_POWER, .seed = 1}, 1},
    {"power_identity", {.identity = true, .death = DEATH_POWER, .seed = 1}, 1},
    {"full", {.fault = FAULT_FULL, .fault_count = 60}, 0},
    {"io_error", {.fault = FAULT_IOERR, .fault_count = 1}, 0},
    {"io_errors", {.identity = true, .fault = FAULT_IOERR, .fault_count = 25}, 0},
    {"short_write", {.fault = FAULT_SHORT, .fault_count = 2}, 0},
    {"read_error", {.fault = FAULT_READ, .fault_count = 3}, 0},
    {"full_and_killed", {.death = DEATH_KILL, .fault = FAULT_FULL, .fault_count = 60}, 1},
};

/* Points, changes or reads of a run without harm. */
static uint64_t count_points(const struct world_plan *plan)
{
    struct world_plan harmless = *plan;
    harmless.die_at = UINT64_MAX;
    harmless.fault_at = UINT64_MAX;
    harmless.fault_count = 0;
    begin();
    int status = run(&harmless);
    const char *wrong = world_judge(world, &harmless, 0);
    if (status != 0 || wrong != NULL) {
        printf("without harm: status %d, %s\n", status, wrong == NULL ? "" : wrong);
        exit(EXIT_FAILURE);
    }
    if (plan->death != DEATH_NONE)
        return world->points;
    return plan->fault == FAULT_READ ? world->reads : world->changes;
}

static bool files_set_aside(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/spool.db", folder);
    return spool_file_count_aside(path) != 0;
}

static const char *one_run(const struct campaign *campaign, uint64_t at)
{
    static char text[300];
    struct world_plan plan = campaign->plan;
    unsigned deaths = 0;
    plan.die_at = at;
    plan.fault_at = plan.death != DEATH_NONE ? at / 8 : at;
    plan.seed = plan.seed == 0 ? 0 : (uint32_t)at * 2654435761u | 1;
    begin();
    int status = run(&plan);
    while (status == WORLD_DIED) {
        deaths++;
        if (deaths == campaign->deaths)
            plan.death = DEATH_NONE;
        plan.die_at = at * 7 % 301;
        plan.fault_count = 0;
        status = run(&plan);
    }
    const char *wrong = world_judge(world, &campaign->plan, deaths);
    if (files_set_aside())
        wrong = "a good file was set aside";
    if (wrong == NULL && status == 0)
        return NULL;
    snprintf(text, sizeof text, "status %d, %s", status, wrong == NULL ? "" : wrong);
    return text;
}

static unsigned run_campaign(const struct campaign *campaign, bool all)
{
    uint64_t points = count_points(&campaign->plan);
    uint64_t step = all || points < SHORT_RUNS ? 1 : points / SHORT_RUNS;
    uint64_t first = strlen(campaign->name) * 31 % step;
    unsigned runs = 0, failed = 0;
    for (uint64_t at = first; at < points; at += step, runs++) {
        const char *wrong = one_run(campaign, at);
        if (wrong == NULL)
            continue;
        if (failed++ < 5)
            printf("%s --at %llu: %s\n", campaign->name, (unsigned long long)at, wrong);
    }
    printf("%-16s %4u of %llu points, %u failed\n", campaign->name, runs,
           (unsigned long long)points, failed);
    return failed;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    bool all = test_args_are_long();
    uint64_t at = UINT64_MAX;
    unsigned failed = 0;
    const struct test_arg known[] = {
        {"--long", .flag = &all}, {"--only", .text = &only}, {"--at", .number = &at}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED || scripted_make_folder(folder) != 0)
        return EXIT_FAILURE;
    atexit(clean_up);
    for (size_t i = 0; i < sizeof campaigns / sizeof campaigns[0]; i++) {
        if (only != NULL && strcmp(only, campaigns[i].name) != 0)
            continue;
        if (at == UINT64_MAX) {
            failed += run_campaign(&campaigns[i], all);
            continue;
        }
        const char *wrong = one_run(&campaigns[i], at);
        printf("%s\n", wrong == NULL ? "good" : wrong);
        failed += wrong != NULL ? 1 : 0;
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
