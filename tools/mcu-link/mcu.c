/*
 * Starting, resetting and ending the MCU's process. QEMU's own line is driven by QMP, its monitor
 * in JSON, one command and one answer at a time; the exchange takes about a millisecond.
 */
#define _GNU_SOURCE
#include "mcu.h"

#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct ends {
    int ours, theirs;
};

static int socket_pair(struct ends *ends)
{
    int both[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) != 0)
        return -1;
    *ends = (struct ends){both[0], both[1]};
    return 0;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* In the child. A process group of its own keeps Ctrl-C away from it: it ends when we say so. */
static void become(char **argv, pid_t parent, int uart, int qmp, int error_pipe)
{
    sigset_t none;
    int error;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, SIG_IGN); /* a reset before it can hear one: it has only just started */
    fcntl(uart, F_SETFD, 0);
    if (qmp >= 0)
        fcntl(qmp, F_SETFD, 0);
    execvp(argv[0], argv);
    error = errno;
    (void)!write(error_pipe, &error, sizeof error);
    _exit(127);
}

/* Returns the process, or -1 with errno as exec or fork had it. */
static pid_t spawn(char **argv, int uart, int qmp)
{
    int error_pipe[2], error = 0;
    pid_t pid, parent = getpid();

    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return -1;
    pid = fork();
    if (pid == 0)
        become(argv, parent, uart, qmp, error_pipe[1]);
    close(error_pipe[1]);
    if (pid > 0 && read(error_pipe[0], &error, sizeof error) == (ssize_t)sizeof error) {
        waitpid(pid, NULL, 0);
        errno = error;
        pid = -1;
    }
    close(error_pipe[0]);
    return pid;
}

/* Returns 0, or -1 with errno set. */
static int launch(struct mcu *mcu, char **argv, struct ends uart, struct ends qmp)
{
    mcu->pid = spawn(argv, uart.theirs, qmp.theirs);
    if (mcu->pid < 0) {
        mcu->pid = 0;
        return -1;
    }
    setpgid(mcu->pid, mcu->pid);
    return 0;
}

static bool is_qemu(const struct mcu_config *config)
{
    return config->qemu_elf != NULL;
}

int mcu_start(struct mcu *mcu, const struct mcu_config *config, char *why, size_t why_cap)
{
    struct ends uart = {-1, -1}, qmp = {-1, -1};
    char **argv = NULL;

    *mcu = (struct mcu){.config = config, .uart = -1, .qmp = -1};
    if (socket_pair(&uart) != 0 || (is_qemu(config) && socket_pair(&qmp) != 0) ||
        (argv = qemu_command(config, uart.theirs, qmp.theirs)) == NULL) {
        snprintf(why, why_cap, "cannot prepare the MCU: %s", strerror(errno));
        goto fail;
    }
    if (launch(mcu, argv, uart, qmp) != 0) {
        snprintf(why, why_cap, "cannot run %s: %s", argv[0], strerror(errno));
        goto fail;
    }
    qemu_command_free(argv);
    argv = NULL;
    close_end(&uart.theirs);
    close_end(&qmp.theirs);
    mcu->uart = uart.ours;
    mcu->qmp = qmp.ours;
    fcntl(mcu->uart, F_SETFL, O_NONBLOCK);
    if (mcu->qmp < 0 || qemu_hello(mcu->qmp, why, why_cap) == 0)
        return 0;
    mcu_kill(mcu);
    return -1;
fail:
    qemu_command_free(argv);
    close_end(&uart.ours);
    close_end(&uart.theirs);
    close_end(&qmp.ours);
    close_end(&qmp.theirs);
    return -1;
}

void mcu_kill(struct mcu *mcu)
{
    if (mcu->pid > 0) {
        kill(-mcu->pid, SIGKILL);
        waitpid(mcu->pid, NULL, 0);
    }
    mcu->pid = 0;
    mcu->paused = false;
    close_end(&mcu->uart);
    close_end(&mcu->qmp);
}

static void drain(int fd)
{
    char bytes[4096];

    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

/* Stopped in between, so that nothing sent before the reset is taken for something sent after. */
static int reset_qemu(struct mcu *mcu, bool drop_sent, char *why, size_t why_cap)
{
    if (!drop_sent)
        return qemu_execute(mcu->qmp, "system_reset", why, why_cap);
    if (qemu_execute(mcu->qmp, "stop", why, why_cap) != 0)
        return -1;
    drain(mcu->uart);
    if (qemu_execute(mcu->qmp, "system_reset", why, why_cap) != 0)
        return -1;
    return qemu_execute(mcu->qmp, "cont", why, why_cap);
}

/* avr-run takes the signal as the reset pin, and as the next thing that it does. */
static int reset_avr(struct mcu *mcu, bool drop_sent)
{
    int status;

    if (drop_sent) {
        kill(mcu->pid, SIGSTOP);
        waitpid(mcu->pid, &status, WUNTRACED);
        drain(mcu->uart);
    }
    kill(mcu->pid, SIGUSR1);
    kill(mcu->pid, SIGCONT);
    return 0;
}

int mcu_reset(struct mcu *mcu, bool drop_sent, char *why, size_t why_cap)
{
    if (mcu->pid == 0 || mcu->paused) {
        snprintf(why, why_cap, "the MCU is %s", mcu->paused ? "paused" : "dead");
        return -1;
    }
    if (mcu->qmp >= 0)
        return reset_qemu(mcu, drop_sent, why, why_cap);
    if (mcu->config->avr_elf)
        return reset_avr(mcu, drop_sent);
    mcu_kill(mcu);
    return mcu_start(mcu, mcu->config, why, why_cap);
}

void mcu_pause(struct mcu *mcu, bool paused)
{
    if (mcu->pid > 0)
        kill(-mcu->pid, paused ? SIGSTOP : SIGCONT);
    mcu->paused = paused && mcu->pid > 0;
}

bool mcu_ended(struct mcu *mcu, int *status)
{
    if (mcu->pid == 0 || waitpid(mcu->pid, status, WNOHANG) != mcu->pid)
        return false;
    mcu->pid = 0;
    return true;
}
