/*
 * The scripted MCU and server: what has state. What is always the same is scripted_still.c's, when
 * something happens is the world's.
 */
#include "scripted.h"

#include "spool/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPTED_PATH 320

struct scripted scripted;

static void point(void)
{
    if (scripted.point != NULL)
        scripted.point();
}

/* -- The lane and its place. */

int scripted_make_folder(char *folder)
{
    static const char memory[] = "/dev/shm/lane-XXXXXX", disk[] = "/tmp/lane-XXXXXX";
    static const char text[] = "API_TOKEN_MC_0123456789ABCDEF\n";
    char key[64];
    memcpy(folder, memory, sizeof memory);
    if (mkdtemp(folder) == NULL) {
        memcpy(folder, disk, sizeof disk);
        if (mkdtemp(folder) == NULL)
            return -1;
    }
    snprintf(key, sizeof key, "%s/key", folder);
    int fd = open(key, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    bool written = write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);
    close(fd);
    return written ? 0 : -1;
}

void scripted_remove_files(const char *folder, const char *begin)
{
    char path[SCRIPTED_PATH];
    DIR *open = opendir(folder);
    for (const struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        if (strncmp(entry->d_name, begin, strlen(begin)) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (open != NULL)
        closedir(open);
}

void scripted_remove_folder(const char *folder)
{
    scripted_remove_files(folder, "");
    rmdir(folder);
}

static void on_freed(void *user)
{
    (void)user;
}

static void on_stopped(void *user, struct lane *stopped)
{
    (void)user;
    (void)stopped;
    scripted.stopped++;
}

int scripted_run(const char *folder, const char *vfs, const struct config *config,
                 void (*live)(struct lane *lane, struct spool *spool))
{
    struct loop loop;
    char name[] = "m", path[SCRIPTED_PATH], key[SCRIPTED_PATH], error[4400];
    struct config_mcu mcu = {.name = name, .any_device = true, .api_key_file = key};
    struct lane_shared shared = {.loop = &loop,
                                 .config = config,
                                 .profile = &profile_microcontrollers,
                                 .freed = on_freed,
                                 .stopped = on_stopped};
    const struct spool_options options = {.path = path, .vfs = vfs};
    snprintf(path, sizeof path, "%s/spool.db", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    if (spool_open(&shared.spool, &options, error, sizeof error) != 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    shared.seats = seats_new(NULL);
    struct lane *lane = lane_new(&shared, &mcu);
    live(lane, shared.spool);
    lane_free(lane);
    seats_free(shared.seats);
    spool_close(shared.spool);
    return 0;
}

uint64_t loop_now_us(const struct loop *loop)
{
    (void)loop;
    return scripted.now_us;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

/* -- The MCU. */

void scripted_claim(struct lane *lane, uint32_t first)
{
    struct port *port = &scripted.port;
    struct mp_peer peer = {.device_len = 2, .epoch = SCRIPTED_EPOCH, .first = first};
    memcpy(peer.device, "m1", 2);
    point();
    port->claimed = true;
    if (!lane_claim(lane, port, &peer, scripted.description, &port->client))
        port->claimed = false;
}

void scripted_send(uint32_t number)
{
    const struct port_client *client = &scripted.port.client;
    const uint16_t sensors = (uint16_t)scripted.description->sensor_count;
    for (uint16_t i = 0; i < sensors; i++) {
        const struct mp_host_reading reading = {.slot = (uint8_t)i,
                                                .reliable = true,
                                                .value = number * sensors + i,
                                                .number = number,
                                                .index = i,
                                                .device_us = scripted.now_us};
        client->reading(client->user, &reading);
    }
    point();
    client->received(client->user, number);
}

void scripted_pull_cable(void)
{
    scripted.port.claimed = false;
    scripted.port.client.lost(scripted.port.client.user, "the cable");
}

void port_safe(struct port *port, uint32_t number)
{
    (void)port;
    point();
    scripted.safe(number);
}

void port_hold(struct port *port, uint32_t ms)
{
    (void)ms;
    port->claimed = false;
}

/* -- The server. */

void scripted_each_reading(const char *payload, bool identity,
                           void (*found)(uint32_t value, bool foreign))
{
    static const char before[] = "\"value\":";
    const uint32_t sensors = (uint32_t)scripted.description->sensor_count;
    for (const char *at = payload; (at = strstr(at, before)) != NULL;) {
        char *end, seq[48];
        uint32_t value = (uint32_t)strtoul(at + strlen(before), &end, 10);
        snprintf(seq, sizeof seq, "\"seq\":\"%08x-%u-%u\"", SCRIPTED_EPOCH, value / sensors,
                 value % sensors);
        const char *own = strstr(end, seq);
        found(value, identity && (own == NULL || own > strchr(end, '}')));
        at = end;
    }
}

void scripted_end_upload(size_t i, enum phx_push_end end)
{
    const struct scripted_upload upload = scripted.wire[i];
    const bool taken = upload.stage == SCRIPTED_TAKEN;
    memmove(&scripted.wire[i], &scripted.wire[i + 1],
            (--scripted.wire_count - i) * sizeof *scripted.wire);
    free(upload.payload);
    if (taken && end == PHX_PUSH_LOST)
        scripted.reply_lost();
    point();
    const struct phx_push_result result = {
        .end = end, .ok = taken, .response = {"{}", 2}, .status = {"ok", 2}};
    scripted.channel.events.push_end(scripted.channel.events.user, upload.token, &result);
}

static void lose_uploads(void)
{
    while (scripted.wire_count > 0)
        scripted_end_upload(0, PHX_PUSH_LOST);
}

void scripted_greet(void)
{
    static const char payload[] = "{\"controller_id\":3}";
    const struct phx_message metadata = {.topic = {"microcontroller:3", 17},
                                         .event = {"metadata", 8},
                                         .payload = {payload, sizeof payload - 1}};
    const struct phx_socket_events *events = &scripted.socket.events;
    scripted.socket.up = true;
    point();
    events->credentials(events->user, NULL);
    events->connected(events->user);
    events->message(events->user, &metadata);
}

void scripted_join(void)
{
    scripted.channel.asked = false;
    scripted.channel.joined = true;
    point();
    scripted.channel.events.joined(scripted.channel.events.user, (struct phx_text){"{}", 2});
}

void scripted_hang_up(void)
{
    const struct phx_disconnect why = {.cause = PHX_CAUSE_CLOSED, .was_connected = true};
    scripted.socket.up = scripted.channel.joined = false;
    lose_uploads();
    point();
    scripted.socket.events.disconnected(scripted.socket.events.user, &why);
}

void scripted_crash_channel(void)
{
    scripted.channel.joined = false;
    lose_uploads();
    scripted.channel.events.ended(scripted.channel.events.user, true, 10);
    scripted.channel.asked = true;
}

struct phx_socket *phx_socket_new(struct phx_context *context,
                                  const struct phx_socket_options *options,
                                  const struct phx_socket_events *events)
{
    (void)context;
    (void)options;
    scripted.socket = (struct phx_socket){.events = *events};
    return &scripted.socket;
}

int phx_socket_connect(struct phx_socket *socket)
{
    socket->wanted = true;
    return PHX_OK;
}

void phx_socket_disconnect(struct phx_socket *socket, uint32_t linger_ms)
{
    (void)linger_ms;
    socket->wanted = false;
}

void phx_socket_free(struct phx_socket *socket)
{
    socket->wanted = socket->up = false;
}

bool phx_socket_is_connected(const struct phx_socket *socket)
{
    return socket->up;
}

int phx_join(struct phx_socket *socket, const struct phx_channel_options *options,
             const struct phx_channel_events *events, struct phx_channel **channel)
{
    (void)socket;
    (void)options;
    scripted.channel = (struct phx_channel){.events = *events, .asked = true};
    *channel = &scripted.channel;
    return PHX_OK;
}

void phx_leave(struct phx_channel *channel)
{
    lose_uploads();
    channel->asked = channel->joined = false;
}

bool phx_channel_is_joined(const struct phx_channel *channel)
{
    return channel->joined;
}

int phx_push(struct phx_channel *channel, const char *event, struct phx_text payload,
             uint32_t timeout_ms, void *token)
{
    (void)channel;
    (void)event;
    (void)timeout_ms;
    point();
    if (scripted.wire_count == SCRIPTED_WIRE_MAX)
        return PHX_ERR_FULL;
    scripted.wire[scripted.wire_count++] = (struct scripted_upload){
        strndup(payload.at, payload.len), token, scripted.now_us, SCRIPTED_ON_THE_WAY};
    return PHX_OK;
}
