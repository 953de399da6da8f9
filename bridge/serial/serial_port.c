/*
 * serial_port.c - real ports by libserialport: opened, set, read back, locked. Bytes are moved by
 * serial.c on the descriptor, since libserialport's own reads cannot tell "none now" from "gone"
 * and abort on descriptors from 1024 up.
 */
#define _DEFAULT_SOURCE
#include "serial_backend.h"

#include <errno.h>
#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* A UART tolerates a few per cent; a driver that is further off has taken another speed. */
#define BAUD_TOLERANCE_PERCENT 3
#define RESET_MS               100

static enum serial_result explain(const struct serial *serial, char *why, size_t why_cap)
{
    int code = sp_last_error_code();
    if (code)
        return serial_explain(serial->path, code, why, why_cap);
    snprintf(why, why_cap, "%s is no serial line that libserialport knows", serial->path);
    return SERIAL_WRONG;
}

static bool is_near(int taken, uint32_t wanted)
{
    int64_t off = (int64_t)taken - (int64_t)wanted;
    return llabs(off) * 100 <= (int64_t)wanted * BAUD_TOLERANCE_PERCENT;
}

static bool fill_settings(struct sp_port_config *settings, uint32_t baud)
{
    return sp_set_config_baudrate(settings, (int)baud) == SP_OK &&
           sp_set_config_bits(settings, 8) == SP_OK &&
           sp_set_config_parity(settings, SP_PARITY_NONE) == SP_OK &&
           sp_set_config_stopbits(settings, 1) == SP_OK &&
           sp_set_config_flowcontrol(settings, SP_FLOWCONTROL_NONE) == SP_OK;
}

static bool settings_hold(struct sp_port *port, struct sp_port_config *settings, uint32_t baud)
{
    int taken = 0, bits = 0;
    enum sp_parity parity = SP_PARITY_INVALID;
    return sp_get_config(port, settings) == SP_OK &&
           sp_get_config_baudrate(settings, &taken) == SP_OK &&
           sp_get_config_bits(settings, &bits) == SP_OK &&
           sp_get_config_parity(settings, &parity) == SP_OK && is_near(taken, baud) && bits == 8 &&
           parity == SP_PARITY_NONE;
}

static bool set_up(struct sp_port *port, uint32_t baud)
{
    struct sp_port_config *settings;
    if (sp_new_config(&settings) != SP_OK)
        return false;
    bool done = fill_settings(settings, baud) && sp_set_config(port, settings) == SP_OK &&
                settings_hold(port, settings, baud);
    sp_free_config(settings);
    return done;
}

/* libserialport leaves VMIN at 0, where "none now" and "gone" read alike. HUPCL is what turns DTR
 * and RTS off when the line is closed. */
static bool finish_settings(int fd, enum serial_dtr_rts dtr_rts)
{
    struct termios settings;
    if (tcgetattr(fd, &settings))
        return false;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (dtr_rts == SERIAL_ON_DEMAND)
        settings.c_cflag &= ~(tcflag_t)HUPCL;
    else
        settings.c_cflag |= HUPCL;
    return tcsetattr(fd, TCSANOW, &settings) == 0;
}

/* Adapters without these lines refuse; there is nothing to be done for them. */
static void set_dtr_rts(int fd, const struct serial_target *target)
{
    const struct timespec pulse = {0, RESET_MS * 1000000L};
    int both = TIOCM_DTR | TIOCM_RTS;
    if (target->dtr_rts == SERIAL_NEVER || target->reset)
        ioctl(fd, TIOCMBIC, &both);
    if (target->reset)
        nanosleep(&pulse, NULL);
    if (target->dtr_rts != SERIAL_NEVER)
        ioctl(fd, TIOCMBIS, &both);
}

static enum serial_result take(struct serial *serial, struct sp_port *port, int fd,
                               const struct serial_target *target, char *why, size_t why_cap)
{
    set_dtr_rts(fd, target);
    if (!set_up(port, target->baud) || !finish_settings(fd, target->dtr_rts)) {
        snprintf(why, why_cap, "%s does not take 8N1 at %u baud: see \"baud\"", serial->path,
                 target->baud);
        return SERIAL_WRONG;
    }
    /* The lock moves from the descriptor that looked to the one that stays; the line is opened
     * before the first closes, so that DTR does not drop in between and reset the board. */
    close(serial->fd);
    serial->fd = -1;
    if (flock(fd, LOCK_EX | LOCK_NB) || ioctl(fd, TIOCEXCL))
        return serial_explain(serial->path, errno, why, why_cap);
    serial->note = serial_latency(serial->path, fd);
    return SERIAL_OK;
}

static enum serial_result port_open(struct serial *serial, const struct serial_target *target,
                                    char *why, size_t why_cap)
{
    struct sp_port *port;
    int fd = -1;
    if (sp_get_port_by_name(serial->path, &port) != SP_OK)
        return explain(serial, why, why_cap);
    if (sp_open(port, SP_MODE_READ_WRITE) != SP_OK) {
        enum serial_result result = explain(serial, why, why_cap);
        sp_free_port(port);
        return result;
    }
    sp_get_port_handle(port, &fd);
    enum serial_result result = take(serial, port, fd, target, why, why_cap);
    if (result) {
        sp_close(port);
        sp_free_port(port);
        return result;
    }
    serial->fd = fd;
    serial->handle = port;
    return SERIAL_OK;
}

/* What has not left is dropped: a line whose device does not read would hold close() for its
 * time-out. */
static void port_close(struct serial *serial)
{
    tcflush(serial->fd, TCOFLUSH);
    ioctl(serial->fd, TIOCNXCL);
    sp_close(serial->handle);
    sp_free_port(serial->handle);
}

const struct serial_backend serial_port_backend = {port_open, port_close};
