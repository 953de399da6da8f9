/*
 * An upload of 500 readings as JSON: by the profile's writer, against the same object through a
 * cJSON tree in the same run. Figures are nanoseconds a reading.
 */
#include "bench.h"
#include "profile/profile.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define READINGS 500

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
};

static void write_ours(void *state)
{
    struct job *job = state;
    if (profile_microcontrollers.write_upload(&job->upload, job->out, job->cap) == 0)
        abort();
    bench_keep(job->out);
}

static double physical(const struct profile_reading *reading)
{
    const struct profile_sensor *sensor = &sensors[reading->sensor];
    return sensor->type == MP_TYPE_F32 ? (double)reading->value.f : reading->value.i / 100.0;
}

static void write_tree(void *state)
{
    struct job *job = state;
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
    char *text = cJSON_PrintUnformatted(root);
    bench_keep(text);
    free(text);
    cJSON_Delete(root);
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
    job.cap = profile_microcontrollers.upload_bound(&job.upload);
    job.out = malloc(job.cap);
    if (job.out == NULL)
        return 1;
    double ours = bench_ns(write_ours, &job, 200, 9) / READINGS;
    double tree = bench_ns(write_tree, &job, 20, 9) / READINGS;
    bench_faster("phx.upload.encode", ours, tree / ours, 15);
    free(job.out);
    return 0;
}
