/* process_watch.h - what the system knows of this process. */
#ifndef PROCESS_WATCH_H
#define PROCESS_WATCH_H

#include "watch.h"

/* Fills in started, cpu_s, memory_bytes, open_fds and max_fds. */
void process_watch(struct watch_process *process);

#endif
