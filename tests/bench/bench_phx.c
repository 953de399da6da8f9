/*
 * An upload of 500 readings, as JSON and as the whole message that leaves, and a small push with
 * its reply: by the profile and libphx's machine, against the same through cJSON trees in the same
 * run. Figures are nanoseconds a reading, and a push. cJSON checks nothing that it prints; the
 * machine reads every payload once more before it sends it.
 */
#include "bench.h"
#include "phx_core.h"
#include "profile/profile.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READINGS 500
#define REF      1000 /* of the push whose reply comes */

static const struct profile_sensor sensors[] = {
    {"bme280", "temperature", MP_TYPE_I16, -2, 0},
    {"bme280", "pressure", MP_TYPE_I32, -2, 0},
    {"bme280", "humidity", MP_TYPE_I16, -2, 0},
    {"bh1750", "illuminance", MP_TYPE_F32, 0, 3},
};
#define SENSORS (sizeof sensors / sizeof sensors[0])

struct job {
    struct profile_reading readings[READINGS];
    struct profile_upload upload;
    char *out;
    size_t cap;
    struct phx_machine *machine;
    struct phx_channel *channel;
    unsigned ended;
    char reply[128];
    size_t reply_len;
};

static void write_ours(void *state)
{
    struct job *job = state;
    if (profile_microcontrollers.write_upload(&profile_microcontrollers, &job->upload, job->out,
                                              job->cap) == 0)
        abort();
    bench_keep(job->out);
}

static double physical(const struct profile_reading *reading)
{
    const struct profile_sensor *sensor = &sensors[reading->sensor];
    return sensor->type == MP_TYPE_F32 ? (double)reading->value.f : reading->value.i / 100.0;
}

static cJSON *make_tree(struct job *job)
{
    cJSON *root = cJSON_CreateObject();
    for (size_t i = 0; i < READINGS; i++) {
        const struct profile_sensor *sensor = &sensors[job->readings[i].sensor];
        cJSON *list = cJSON_GetObjectItemCaseSensitive(root, sensor->name);
        if (list == NULL)
            list = cJSON_AddArrayToObject(root, sensor->name);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "type", sensor->kind);
        cJSON_AddNumberToObject(entry, "value", physical(&job->readings[i]));
        cJSON_AddItemToArray(list, entry);
    }
    return root;
}

static void print_and_delete(cJSON *root)
{
    char *text = cJSON_PrintUnformatted(root);
    bench_keep(text);
    free(text);
    cJSON_Delete(root);
}

static void write_tree(void *state)
{
    print_and_delete(make_tree(state));
}

/* -- The whole message, from readings to the bytes that a transport takes. */

static void forget_pushes(struct job *job)
{
    struct phx_push *push = phx_push_take(job->channel, job->machine->last_ref);
    struct phx_push_result lost = {.end = PHX_PUSH_LOST};
    if (push == NULL)
        abort();
    phx_push_end(job->channel, push, &lost);
}

static void push_ours(void *state)
{
    struct job *job = state;
    size_t len = profile_microcontrollers.write_upload(&profile_microcontrollers, &job->upload,
                                                       job->out, job->cap);
    struct phx_push_order order = {
        .event = "upload_readings", .payload = {job->out, len}, .token = job};
    if (phx_machine_push(job->channel, &order, 1) != PHX_OK)
        abort();
    struct phx_send *send = phx_machine_next(job->machine, 1);
    bench_keep(send);
    free(send);
    forget_pushes(job);
}

static cJSON *message(const char *ref, const char *event, cJSON *payload)
{
    cJSON *array = cJSON_CreateArray();
    cJSON_AddItemToArray(array, cJSON_CreateString("1"));
    cJSON_AddItemToArray(array, cJSON_CreateString(ref));
    cJSON_AddItemToArray(array, cJSON_CreateString("microcontroller:v1:3"));
    cJSON_AddItemToArray(array, cJSON_CreateString(event));
    cJSON_AddItemToArray(array, payload);
    return array;
}

static void push_tree(void *state)
{
    print_and_delete(message("2", "upload_readings", make_tree(state)));
}

/* -- A reply, from the bytes of a transport to the push that it ends. */

#define REPLY \
    "[\"1\",\"%llu\",\"microcontroller:v1:3\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"

static size_t write_reply(char *text, size_t cap, unsigned long long ref)
{
    return (size_t)snprintf(text, cap, REPLY, ref);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct job *job = user;
    (void)token;
    job->ended += result->end == PHX_PUSH_REPLY && result->ok;
}

/* A push and its reply: to the bytes that leave, and from those that come. */
static void push_and_reply(void *state)
{
    struct job *job = state;
    struct phx_push_order order = {.event = "e", .payload = {"{}", 2}, .token = job};
    char text[sizeof job->reply];
    job->machine->last_ref = REF - 1;
    if (phx_machine_push(job->channel, &order, 1) != PHX_OK)
        abort();
    free(phx_machine_next(job->machine, 1));
    memcpy(text, job->reply, job->reply_len);
    phx_machine_text(job->machine, text, job->reply_len, 1);
}

static void reply_tree(void *state)
{
    struct job *job = state;
    print_and_delete(message("2", "e", cJSON_CreateObject()));
    cJSON *array = cJSON_ParseWithLength(job->reply, job->reply_len);
    const char *ref = cJSON_GetStringValue(cJSON_GetArrayItem(array, 1));
    const char *topic = cJSON_GetStringValue(cJSON_GetArrayItem(array, 2));
    const char *event = cJSON_GetStringValue(cJSON_GetArrayItem(array, 3));
    const cJSON *payload = cJSON_GetArrayItem(array, 4);
    const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(payload, "status"));
    if (strtoull(ref, NULL, 10) == REF && strcmp(topic, "microcontroller:v1:3") == 0 &&
        strcmp(event, "phx_reply") == 0 && strcmp(status, "ok") == 0)
        job->ended++;
    cJSON_Delete(array);
}

/* -- A machine that is connected and joined. */

static bool io_open(void *user, struct phx_end *end)
{
    (void)user;
    (void)end;
    return true;
}

static void io_nothing(void *user)
{
    (void)user;
}

static void io_close(void *user, int code)
{
    (void)user;
    (void)code;
}

static bool join_machine(struct job *job)
{
    const struct phx_machine_settings settings = {.heartbeat_ms = 1000000,
                                                  .heartbeat_timeout_ms = 1000000,
                                                  .connect_timeout_ms = 1000000,
                                                  .backoff_min_ms = 1,
                                                  .backoff_max_ms = 1,
                                                  .max_queue = 1 << 20};
    const struct phx_machine_io io = {
        .open = io_open, .want_write = io_nothing, .close = io_close, .drop = io_nothing};
    const struct phx_channel_options options = {.topic = "microcontroller:v1:3"};
    const struct phx_channel_events events = {.user = job, .push_end = on_push_end};
    char text[200];
    job->machine = phx_machine_new(&settings, &io, NULL);
    if (job->machine == NULL)
        return false;
    phx_machine_connect(job->machine, 0);
    phx_machine_tick(job->machine, 0);
    phx_machine_opened(job->machine, 0);
    if (phx_machine_join(job->machine, &options, &events, 0, &job->channel) != PHX_OK)
        return false;
    free(phx_machine_next(job->machine, 0));
    phx_machine_text(job->machine, text, write_reply(text, sizeof text, 1), 0);
    return phx_machine_is_joined(job->channel);
}

static void both(const char *name, void (*ours)(void *), void (*tree)(void *), struct job *job,
                 double per, double goal)
{
    void (*const work[2])(void *) = {ours, tree};
    void *const states[2] = {job, job};
    double best[2];
    bench_both(work, states, per > 1 ? 40 : 4000, 60, best);
    bench_faster(name, best[0] / per, best[1] / best[0], goal);
}

int main(void)
{
    static struct job job;
    for (size_t i = 0; i < READINGS; i++) {
        struct profile_reading *reading = &job.readings[i];
        reading->sensor = (uint16_t)(i % SENSORS);
        if (sensors[reading->sensor].type == MP_TYPE_F32)
            reading->value.f = 100.0f + (float)i * 0.37f;
        else
            reading->value.i = (int32_t)(2000 + i * 7 % 900);
    }
    job.upload = (struct profile_upload){.sensors = sensors,
                                         .sensor_count = SENSORS,
                                         .readings = job.readings,
                                         .reading_count = READINGS};
    job.cap = profile_microcontrollers.upload_bound(&profile_microcontrollers, &job.upload);
    job.out = malloc(job.cap);
    if (job.out == NULL)
        return 1;
    both("phx.upload.encode", write_ours, write_tree, &job, READINGS, 15);
    if (!join_machine(&job))
        return 1;
    both("phx.upload.push", push_ours, push_tree, &job, READINGS, 8);
    job.reply_len = write_reply(job.reply, sizeof job.reply, REF);
    both("phx.push.reply", push_and_reply, reply_tree, &job, 1, 1);
    phx_machine_free(job.machine);
    free(job.out);
    return 0;
}
