/*
 * Reads /proc/self and asks the kernel. Everything about the bridge itself is filled in elsewhere.
 */
#include "process_watch.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_fds(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* without ".", ".." and the folder itself */
}

void process_watch(struct watch_process *process)
{
    static double started;
    struct rusage usage;
    struct rlimit files;
    if (started == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    }
    process->started = started;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        process->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    process->memory_bytes = resident_bytes();
    process->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        process->max_fds = files.rlim_cur;
}
