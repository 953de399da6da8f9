/*
 * Command lines and QMP. Processes are mcu.c's.
 */
#define _GNU_SOURCE
#include "qemu.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define ANSWER_MS     10000
#define LINE_MAX_QMP  4096

/* Where the Cortex-M3 port looks for the board's own identity: magic, length, 16 bytes
 * (struct board_id, at the start of PSRAM). */
#define BOARD_ID_ADDRESS 0x21000000u
#define BOARD_ID_MAGIC   0x4449434du
#define BOARD_ID_WORDS   3

#define AVR_STACK_LEFT "32" /* bytes; an interrupt at the deepest point takes about 20 */

struct command {
    char **argv;
    size_t count;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct command *command, const char *form,
                                                      ...)
{
    va_list values;
    int result;

    if (command->failed || command->count + 1 >= ARGUMENTS_MAX) {
        command->failed = true;
        return;
    }
    va_start(values, form);
    result = vasprintf(&command->argv[command->count], form, values);
    va_end(values);
    if (result < 0)
        command->failed = true;
    else
        command->count++;
}

static void add_pair(struct command *command, const char *option, const char *value)
{
    add(command, "%s", option);
    add(command, "%s", value);
}

static void put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

/* The loader device writes eight bytes into memory, again after each reset. */
static void add_board_id(struct command *command, const char *id)
{
    uint8_t strap[8 * BOARD_ID_WORDS] = {0};
    size_t len = strnlen(id, sizeof strap - 8);

    put_u32(strap, BOARD_ID_MAGIC);
    put_u32(strap + 4, (uint32_t)len);
    memcpy(strap + 8, id, len);
    for (unsigned word = 0; word < BOARD_ID_WORDS; word++) {
        uint64_t data = 0;
        for (int i = 7; i >= 0; i--)
            data = data << 8 | strap[8 * word + (unsigned)i];
        add(command, "-device");
        add(command, "loader,addr=0x%x,data=0x%llx,data-len=8", BOARD_ID_ADDRESS + 8 * word,
            (unsigned long long)data);
    }
}

static void add_qemu(struct command *command, const struct mcu_config *config, int uart, int qmp)
{
    add(command, "qemu-system-arm");
    add(command, "-machine");
    add(command, "mps2-an385%s", config->state ? ",memory-backend=psram" : "");
    if (config->state) {
        add(command, "-object");
        add(command, "memory-backend-file,id=psram,size=16M,share=on,mem-path=%s", config->state);
    }
    add(command, "-nodefaults");
    add_pair(command, "-nic", "user,restrict=on"); /* the board has one; this keeps it quiet */
    add_pair(command, "-display", "none");
    add_pair(command, "-kernel", config->qemu_elf);
    add(command, "-chardev");
    add(command, "socket,id=uart,fd=%d", uart);
    add_pair(command, "-serial", "chardev:uart");
    add(command, "-chardev");
    add(command, "socket,id=qmp,fd=%d", qmp);
    add_pair(command, "-mon", "chardev=qmp,mode=control");
    add_board_id(command, config->id);
}

/* avr-run lies beside this program. */
static void add_avr(struct command *command, const struct mcu_config *config, int uart)
{
    char self[256];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    self[len > 0 ? len : 0] = '\0';
    add(command, "%.*s/avr-run", (int)(strrchr(self, '/') ? strrchr(self, '/') - self : 0), self);
    add_pair(command, "--mcu", config->avr_mcu);
    add_pair(command, "--image", config->avr_elf);
    add(command, "--fd");
    add(command, "%d", uart);
    add_pair(command, "--id", config->id);
    add_pair(command, "--stack", AVR_STACK_LEFT);
    if (config->avr_boot)
        add_pair(command, "--boot", config->avr_boot);
    if (config->state)
        add_pair(command, "--state", config->state);
}

static void add_stub(struct command *command, const struct mcu_config *config, int uart)
{
    add(command, "%s", config->stub);
    add(command, "--fd");
    add(command, "%d", uart);
    add_pair(command, "--id", config->id);
    if (config->state)
        add_pair(command, "--state", config->state);
}

static void add_given(struct command *command, char **given, int uart)
{
    for (; *given; given++) {
        const char *at = strstr(*given, "{fd}");
        if (at)
            add(command, "%.*s%d%s", (int)(at - *given), *given, uart, at + 4);
        else
            add(command, "%s", *given);
    }
}

char **qemu_command(const struct mcu_config *config, int uart, int qmp)
{
    struct command command = {.argv = calloc(ARGUMENTS_MAX, sizeof(char *))};

    if (command.argv == NULL)
        return NULL;
    if (config->qemu_elf)
        add_qemu(&command, config, uart, qmp);
    else if (config->avr_elf)
        add_avr(&command, config, uart);
    else if (config->stub)
        add_stub(&command, config, uart);
    else
        add_given(&command, config->command, uart);
    if (!command.failed)
        return command.argv;
    command.argv[command.count] = NULL;
    qemu_command_free(command.argv);
    errno = E2BIG;
    return NULL;
}

void qemu_command_free(char **command)
{
    for (char **at = command; at && *at; at++)
        free(*at);
    free(command);
}

/* One line without its end. Returns 0, or -1 when none came in time. */
static int read_line(int qmp, char *line, size_t cap, char *why, size_t why_cap)
{
    struct pollfd fd = {.fd = qmp, .events = POLLIN};
    size_t len = 0;
    char c;

    for (;;) {
        int ready = poll(&fd, 1, ANSWER_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0) {
            snprintf(why, why_cap, "QEMU does not answer");
            return -1;
        }
        if (ready < 0 || read(qmp, &c, 1) <= 0) {
            snprintf(why, why_cap, "QEMU ended at once; its message stands above");
            return -1;
        }
        if (c == '\n')
            break;
        if (len + 1 < cap)
            line[len++] = c;
    }
    line[len] = '\0';
    return 0;
}

int qemu_execute(int qmp, const char *command, char *why, size_t why_cap)
{
    char line[LINE_MAX_QMP];
    int n = snprintf(line, sizeof line, "{\"execute\":\"%s\"}\n", command);

    if (write(qmp, line, (size_t)n) != n) {
        snprintf(why, why_cap, "QEMU takes no commands: %s", strerror(errno));
        return -1;
    }
    for (;;) {
        if (read_line(qmp, line, sizeof line, why, why_cap) != 0)
            return -1;
        if (strncmp(line, "{\"return\"", 9) == 0)
            return 0;
        if (strncmp(line, "{\"error\"", 8) == 0) {
            snprintf(why, why_cap, "QEMU refuses %s: %.200s", command, line);
            return -1;
        }
        /* Anything else is an event. */
    }
}

int qemu_hello(int qmp, char *why, size_t why_cap)
{
    char line[LINE_MAX_QMP];

    if (read_line(qmp, line, sizeof line, why, why_cap) != 0)
        return -1;
    return qemu_execute(qmp, "qmp_capabilities", why, why_cap);
}
