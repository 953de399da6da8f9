/*
 * mp-probe: a host in one file for the end-to-end tests of firmware. Opens a port, says what it
 * sees as JSON lines, and takes commands on its standard input, one a line:
 *
 *   command NAME VALUE TTL_MS | reset | identify MS | set-id ID | console TEXT
 *
 * A port that goes away is opened again as soon as it is back. It promises nothing about readings
 * beyond printing them, so they are safe at once. The protocol is mp_host's.
 */
#define _GNU_SOURCE
#include "json_out.h"
#include "mp_host.h"
#include "test_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define REOPEN_MS    20
#define COMMAND_MAX  256
#define KEEPALIVE_MS 300

struct probe {
    struct mp_host host;
    struct mp_host_space space;
    const char *path;
    int fd;                         /* -1: not there */
    char commands[COMMAND_MAX * 8]; /* typed and not yet accepted */
    size_t commands_len;
    uint8_t tx[4096], rx[4096];
};

/* -- What the host tells. */

static void on_ready(void *user, const struct mp_peer *peer, const struct mp_description *d,
                     bool fresh)
{
    (void)user;
    json_begin("ready");
    json_bytes("device", peer->device, peer->device_len);
    json_hex("image", peer->image, peer->image_len);
    printf(",\"epoch\":%lu,\"reset\":%u,\"fresh\":%s", (unsigned long)peer->epoch,
           peer->reset_cause, fresh ? "true" : "false");
    json_text("product", d->product);
    json_text("version", d->version);
    json_text("architecture", d->architecture);
    json_text("platform", d->platform);
    printf(",\"sensors\":[");
    for (size_t i = 0; i < d->sensor_count; i++) {
        printf("%s{\"slot\":%zu", i ? "," : "", i);
        json_text("name", d->sensors[i].name);
        json_text("kind", d->sensors[i].kind);
        json_text("unit", d->sensors[i].unit);
        printf("}");
    }
    printf("],\"controls\":[");
    for (size_t i = 0; i < d->control_count; i++) {
        const struct mp_host_control *c = &d->controls[i];
        printf("%s{\"type\":%u", i ? "," : "", c->type);
        json_text("name", c->name);
        printf(",\"min\":%.9g,\"max\":%.9g,\"failsafe\":%.9g}",
               mp_value_to_physical(c->type, c->exponent, c->min),
               mp_value_to_physical(c->type, c->exponent, c->max),
               mp_value_to_physical(c->type, c->exponent, c->failsafe));
    }
    printf("]");
    json_end();
}

static void on_lost(void *user, enum mp_down why)
{
    (void)user;
    json_begin("lost");
    json_text("why", mp_down_text(why));
    json_end();
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    const struct probe *probe = user;
    const struct mp_host_sensor *sensor = &probe->host.description.sensors[reading->slot];

    json_begin("reading");
    json_text("sensor", sensor->name);
    json_text("kind", sensor->kind);
    printf(",\"value\":%.9g,\"number\":%lu,\"index\":%u,\"device_us\":%llu", reading->value,
           (unsigned long)reading->number, reading->index, (unsigned long long)reading->device_us);
    json_end();
}

static void on_received(void *user, uint32_t number)
{
    (void)user;
    json_begin("received");
    json_number("number", number);
    json_end();
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user;
    json_begin("result");
    json_number("request", request);
    json_text("status", mp_status_text(status));
    json_end();
}

static void on_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    static const char *const causes[] = {
#define X(id, NAME, text) [id] = text,
        MP_CAUSES(X)
#undef X
    };
    const struct probe *probe = user;
    const struct mp_host_control *c = &probe->host.description.controls[control];

    json_begin("state");
    json_text("control", c->name);
    json_text("cause", cause < MP_CAUSE_COUNT ? causes[cause] : "unknown");
    printf(",\"value\":%.9g", mp_value_to_physical(c->type, c->exponent, value));
    json_end();
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user;
    json_begin("log");
    json_number("level", level);
    json_bytes("text", text, n);
    json_end();
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    json_begin("console");
    json_bytes("text", bytes, n);
    json_end();
}

static void on_nonsense(void *user, const char *what)
{
    (void)user;
    json_begin("nonsense");
    json_text("what", what);
    json_end();
}

/* -- Commands in. */

static int find_control(const struct mp_description *d, const char *name)
{
    for (size_t i = 0; i < d->control_count; i++)
        if (strcmp(d->controls[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int send_command(struct probe *probe, const char *name, double physical, unsigned ttl_ms,
                        uint16_t *request)
{
    const struct mp_description *d = &probe->host.description;
    union mp_value value;
    int control;

    if (probe->host.state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    control = find_control(d, name);
    if (control < 0 || mp_value_to_wire(d->controls[control].type, d->controls[control].exponent,
                                        physical, &value) != MP_OK)
        return MP_ERR_BAD_VALUE;
    return mp_host_command(&probe->host, (uint8_t)control, value, ttl_ms, test_now_us(), request);
}

static int send_console(struct probe *probe, const char *text, uint16_t *request)
{
    char line[COMMAND_MAX];
    int n = snprintf(line, sizeof line, "%s\n", text);

    *request = 0;
    return mp_host_console(&probe->host, (const uint8_t *)line, (size_t)n);
}

/* Returns as the mp_host_ functions; MP_ERR_BAD_VALUE for a line that is no command. */
static int send_line(struct probe *probe, const char *line, uint16_t *request)
{
    char name[64];
    double value;
    unsigned number;

    if (sscanf(line, "command %63s %lf %u", name, &value, &number) == 3)
        return send_command(probe, name, value, number, request);
    if (strcmp(line, "reset") == 0)
        return mp_host_reset(&probe->host, MP_RESET_TO_APPLICATION, request);
    if (sscanf(line, "identify %u", &number) == 1)
        return mp_host_identify(&probe->host, (uint16_t)number, request);
    if (sscanf(line, "set-id %63s", name) == 1)
        return mp_host_set_id(&probe->host, (const uint8_t *)name, (uint8_t)strlen(name), request);
    if (strncmp(line, "console ", 8) == 0)
        return send_console(probe, line + 8, request);
    return MP_ERR_BAD_VALUE;
}

/* The oldest line; what cannot go yet stays. Returns whether one was used up. */
static bool run_oldest(struct probe *probe)
{
    char *newline = memchr(probe->commands, '\n', probe->commands_len);
    uint16_t request = 0;
    size_t used;
    int result;

    if (newline == NULL)
        return false;
    *newline = '\0';
    result = send_line(probe, probe->commands, &request);
    *newline = '\n';
    if (result == MP_ERR_NO_SESSION || result == MP_ERR_FULL)
        return false;
    json_begin(result == MP_OK ? "sent" : "refused");
    json_number("request", request);
    json_end();
    used = (size_t)(newline + 1 - probe->commands);
    probe->commands_len -= used;
    memmove(probe->commands, newline + 1, probe->commands_len);
    return true;
}

/* Returns false at the end of the input. */
static bool read_commands(struct probe *probe)
{
    ssize_t n = read(STDIN_FILENO, probe->commands + probe->commands_len,
                     sizeof probe->commands - probe->commands_len);

    if (n > 0)
        probe->commands_len += (size_t)n;
    return n > 0;
}

/* -- The port. */

static int open_port(const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (tcgetattr(fd, &settings) == 0) {
        cfmakeraw(&settings);
        cfsetspeed(&settings, B115200);
        tcsetattr(fd, TCSANOW, &settings);
    }
    return fd;
}

static void port_gone(struct probe *probe)
{
    close(probe->fd);
    probe->fd = -1;
    mp_host_line_lost(&probe->host);
    json_begin("gone");
    json_end();
}

static void read_port(struct probe *probe)
{
    uint8_t bytes[1024];
    ssize_t n = read(probe->fd, bytes, sizeof bytes);

    if (n > 0)
        mp_host_bytes(&probe->host, bytes, (size_t)n, test_now_us());
    else if (n == 0 || errno != EAGAIN)
        port_gone(probe);
}

/* A short write loses bytes, which the protocol must bear; it happens only on a line that nobody
 * reads. */
static void write_port(struct probe *probe)
{
    uint8_t bytes[256];
    size_t n;

    while (probe->fd >= 0 &&
           (n = mp_host_output(&probe->host, bytes, sizeof bytes, test_now_us())) > 0)
        if (write(probe->fd, bytes, n) < 0 && errno != EAGAIN)
            port_gone(probe);
}

static void turn(struct probe *probe, bool *running)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = probe->fd, .events = POLLIN}};
    mp_host_poll(&probe->host, test_now_us());
    while (run_oldest(probe))
        ;
    write_port(probe);
    uint32_t wait_us = mp_host_poll(&probe->host, test_now_us());
    int wait_ms = wait_us / 1000 < REOPEN_MS ? (int)(wait_us / 1000) + 1 : REOPEN_MS;
    if (poll(fds, 2, wait_ms) < 0)
        return;
    if (fds[0].revents)
        *running = read_commands(probe);
    if (probe->fd >= 0 && fds[1].revents)
        read_port(probe);
    else if (probe->fd < 0)
        probe->fd = open_port(probe->path);
}

int main(int argc, char **argv)
{
    static struct probe probe;
    struct mp_host_config config = {
        .tx_mem = probe.tx,
        .tx_bytes = sizeof probe.tx,
        .rx_mem = probe.rx,
        .rx_bytes = sizeof probe.rx,
        .space = &probe.space,
        .credit = 2048,
        .baud = 115200,
        .seed = (uint32_t)getpid() * 2654435761u ^ (uint32_t)test_now_us(),
        .keepalive_ms = KEEPALIVE_MS,
        .safe_at_once = true,
    };
    struct mp_host_io io = {
        .user = &probe,
        .ready = on_ready,
        .lost = on_lost,
        .reading = on_reading,
        .received = on_received,
        .result = on_result,
        .control_state = on_state,
        .log = on_log,
        .console = on_console,
        .nonsense = on_nonsense,
    };
    bool running = true;

    if (argc != 2) {
        fputs("mp-probe PORT\n", stderr);
        return 2;
    }
    probe.path = argv[1];
    probe.fd = -1;
    if (mp_host_init(&probe.host, &config, &io, test_now_us()) != MP_OK) {
        fputs("mp-probe: mp_host_init refuses\n", stderr);
        return 1;
    }
    while (running)
        turn(&probe, &running);
    return 0;
}
