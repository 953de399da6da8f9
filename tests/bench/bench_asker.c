/*
 * bench_asker TTY...: the least that a bridge can do for idle boards. Asks on each terminal once a
 * second and reads the answer: one write and one read, a few terminals at each wake-up as in
 * mcu-bridge, and nothing else. The boards are blind ones of bench_boards.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_US 1000000
#define SLOT_US   10000
#define ASK_BYTES 9
#define EVENTS    1024
#define TTYS_MAX  4096

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int open_tty(int epoll, const char *path)
{
    struct termios raw;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || tcgetattr(fd, &raw) != 0)
        return -1;
    cfmakeraw(&raw);
    tcsetattr(fd, TCSANOW, &raw);
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? fd : -1;
}

static void take_answers(int epoll, int wait_ms)
{
    static struct epoll_event events[EVENTS];
    char bytes[4096];
    int n = epoll_wait(epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++)
        if (read(events[i].data.fd, bytes, sizeof bytes) < 0)
            perror("read");
}

int main(int argc, char **argv)
{
    static const char ask[ASK_BYTES] = "?";
    static int fds[TTYS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC), count = argc - 1;
    if (count < 1 || count > TTYS_MAX)
        return 2;
    for (int i = 0; i < count; i++)
        if ((fds[i] = open_tty(epoll, argv[i + 1])) < 0) {
            perror(argv[i + 1]);
            return 1;
        }
    puts("ready");
    fflush(stdout);
    uint64_t begin = now_us(), asked = 0;
    for (;;) {
        uint64_t slots = (now_us() - begin) / SLOT_US;
        for (uint64_t due = slots * SLOT_US * (uint64_t)count / PERIOD_US; asked < due; asked++)
            if (write(fds[asked % (uint64_t)count], ask, sizeof ask) < 0)
                perror("write");
        uint64_t next = begin + (slots + 1) * SLOT_US, now = now_us();
        take_answers(epoll, next > now ? (int)((next - now + 999) / 1000) : 0);
    }
}
