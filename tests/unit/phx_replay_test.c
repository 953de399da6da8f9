/*
 * phx_replay_test.c - recordings of real servers played to the machine. What the recorded client
 * sent is asked of the machine, and must come out as the same JSON; what the server answered is fed
 * byte for byte; and the events must be those of tests/vectors/phx_replay.txt. `phx_replay_test
 * write` writes that file anew, to be read before it is kept.
 */
#define _POSIX_C_SOURCE 200809L

#include "phx_rig.h"

#include "phx_core.h"

#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXPECTED       "../vectors/phx_replay.txt"
#define LINE_MAX_BYTES (1 << 18)

/* Recordings of a client that keeps to the rules; those of one that breaks them test servers. */
static const char *const recordings[] = {
    "phoenix-1.8-bandit/join_ok.v1",
    "phoenix-1.8-bandit/join_ok.v2",
    "phoenix-1.8-bandit/join_denied.v1",
    "phoenix-1.8-bandit/join_denied.v2",
    "phoenix-1.8-bandit/join_crash.v1",
    "phoenix-1.8-bandit/join_crash.v2",
    "phoenix-1.8-bandit/join_unknown_topic.v1",
    "phoenix-1.8-bandit/join_unknown_topic.v2",
    "phoenix-1.8-bandit/join_push_order.v1",
    "phoenix-1.8-bandit/join_push_order.v2",
    "phoenix-1.8-bandit/join_twice.v1",
    "phoenix-1.8-bandit/join_twice.v2",
    "phoenix-1.8-bandit/leave.v1",
    "phoenix-1.8-bandit/leave.v2",
    "phoenix-1.8-bandit/heartbeat.v1",
    "phoenix-1.8-bandit/heartbeat.v2",
    "phoenix-1.8-bandit/channel_crash.v1",
    "phoenix-1.8-bandit/channel_crash.v2",
    "phoenix-1.8-bandit/unknown_event.v1",
    "phoenix-1.8-bandit/unknown_event.v2",
    "phoenix-1.8-bandit/channel_stop.v1",
    "phoenix-1.8-bandit/channel_stop.v2",
    "phoenix-1.8-bandit/channel_stop_other.v1",
    "phoenix-1.8-bandit/channel_stop_other.v2",
    "phoenix-1.8-bandit/channel_stop_reply.v1",
    "phoenix-1.8-bandit/channel_stop_reply.v2",
    "phoenix-1.8-bandit/channel_stop_shutdown.v1",
    "phoenix-1.8-bandit/channel_stop_shutdown.v2",
    "phoenix-1.8-bandit/push_stale_join_ref.v2",
    "phoenix-1.8-bandit/reply_kinds.v1",
    "phoenix-1.8-bandit/reply_kinds.v2",
    "phoenix-1.8-bandit/slow_reply.v1",
    "phoenix-1.8-bandit/slow_reply.v2",
    "phoenix-1.8-bandit/noreply.v1",
    "phoenix-1.8-bandit/noreply.v2",
    "phoenix-1.8-bandit/broadcast.v1",
    "phoenix-1.8-bandit/broadcast.v2",
    "phoenix-1.8-bandit/kick.v1",
    "phoenix-1.8-bandit/kick.v2",
    "phoenix-1.8-bandit/restart_graceful",
    "microcontroller-server/mc_metadata.novsn",
    "microcontroller-server/mc_metadata.v1",
    "microcontroller-server/mc_metadata.v2",
    "microcontroller-server/mc_upload.v1",
    "microcontroller-server/mc_upload.v2",
    "microcontroller-server/mc_control.v1",
    "microcontroller-server/mc_control.v2",
    "microcontroller-server/mc_kick.v1",
    "microcontroller-server/mc_kick.v2",
    "microcontroller-server/mc_integer_refs.v1",
    "microcontroller-server/mc_integer_refs.v2",
    "microcontroller-server/mc_faults",
};

struct replay {
    struct rig rig;
    FILE *out;
    char *topics[RIG_CHANNELS];
    unsigned topic_count;
};

static const char *text_of(const cJSON *line, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));

    return text ? text : "";
}

static const cJSON *part(const cJSON *message, int index, const char *name)
{
    return cJSON_IsArray(message) ? cJSON_GetArrayItem(message, index)
                                  : cJSON_GetObjectItemCaseSensitive(message, name);
}

static struct rig_channel *channel_of(struct replay *r, const char *topic)
{
    for (unsigned i = 0; i < r->topic_count; i++)
        if (strcmp(r->topics[i], topic) == 0)
            return &r->rig.channels[i];
    return NULL;
}

static void join(struct replay *r, const char *topic, const char *payload)
{
    struct rig_channel *ch = channel_of(r, topic);
    unsigned index;

    if (ch && ch->channel && ch->channel->state == PHX_CH_PAUSED) {
        rig_pass(&r->rig, ch->channel->due - r->rig.now);
        return;
    }
    if (ch && ch->channel) {
        fprintf(r->out, "  (joined already)\n");
        return;
    }
    index = ch ? (unsigned)(ch - r->rig.channels) : r->topic_count;
    assert_true(index < RIG_CHANNELS);
    if (!ch) {
        r->topics[r->topic_count] = strdup(topic);
        assert_non_null(r->topics[r->topic_count++]);
    }
    if (rig_join_with(&r->rig, index, r->topics[index], payload))
        fprintf(r->out, "  (join not possible)\n");
}

static void push(struct replay *r, const char *topic, const char *event, const char *payload,
                 unsigned long ref)
{
    struct rig_channel *ch = channel_of(r, topic);
    int error = PHX_ERR_NOT_JOINED;

    if (ch && ch->channel)
        error = rig_push(&r->rig, (unsigned)(ch - r->rig.channels), event, payload, ref);
    if (error)
        fprintf(r->out, "  (push not possible: %s)\n", phx_error_text((enum phx_error)error));
}

static void ask(struct replay *r, const cJSON *message)
{
    const char *topic = cJSON_GetStringValue(part(message, 2, "topic"));
    const char *event = cJSON_GetStringValue(part(message, 3, "event"));
    const char *ref_text = cJSON_GetStringValue(part(message, 1, "ref"));
    unsigned long ref = ref_text ? strtoul(ref_text, NULL, 10) : 0;
    char *payload = cJSON_PrintUnformatted(part(message, 4, "payload"));
    struct rig_channel *ch = topic ? channel_of(r, topic) : NULL;

    if (ref)
        r->rig.machine->last_ref = ref - 1;
    if (!topic || !event)
        fprintf(r->out, "  (not a message)\n");
    else if (ref_text && ref == 0)
        fprintf(r->out, "  (ref \"%s\" is none that we could send)\n", ref_text);
    else if (strcmp(topic, "phoenix") == 0 && strcmp(event, "heartbeat") == 0)
        phx_machine_probe(r->rig.machine, r->rig.now);
    else if (strcmp(event, "phx_join") == 0)
        join(r, topic, payload);
    else if (strcmp(event, "phx_leave") != 0)
        push(r, topic, event, payload, ref);
    else if (ch && ch->channel) {
        phx_machine_leave(ch->channel, r->rig.now);
        ch->channel = NULL;
    }
    cJSON_free(payload);
}

/* What came out, where something did, is what the recorded client sent. */
static void compare(struct replay *r, const cJSON *recorded, const char *recorded_text)
{
    struct phx_send *send;

    while ((send = phx_machine_next(r->rig.machine, r->rig.now)) != NULL) {
        cJSON *sent = cJSON_ParseWithLength(phx_send_text(send), send->len);
        bool same = cJSON_Compare(sent, recorded, true);
        fprintf(r->out, same ? "> %.*s\n" : "> %.*s   (recorded: %s)\n", (int)send->len,
                phx_send_text(send), recorded_text);
        cJSON_Delete(sent);
        free(send);
    }
}

static void flush(struct replay *r)
{
    fwrite(r->rig.log, 1, r->rig.log_len, r->out);
    r->rig.log_len = 0;
    r->rig.log[0] = '\0';
}

static void play_line(struct replay *r, const cJSON *line)
{
    const char *dir = text_of(line, "dir"), *text = text_of(line, "text");
    bool is_text = strcmp(text_of(line, "opcode"), "text") == 0 &&
                   !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "truncated"));

    if (strcmp(dir, "send") == 0 && is_text) {
        cJSON *message = cJSON_Parse(text);
        ask(r, message);
        flush(r);
        compare(r, message, text);
        cJSON_Delete(message);
    } else if (strcmp(dir, "recv") == 0 && is_text) {
        fprintf(r->out, "< %s\n", text);
        rig_server(&r->rig, text);
        flush(r);
    } else if (strcmp(dir, "close") == 0 && strcmp(text_of(line, "from"), "server") == 0 &&
               phx_machine_is_connected(r->rig.machine)) {
        fprintf(r->out, "< close\n");
        rig_close(&r->rig,
                  (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(line, "code")));
        flush(r);
    } else if (strcmp(dir, "http") == 0 && strcmp(text_of(line, "what"), "response") == 0 &&
               !phx_machine_is_connected(r->rig.machine)) {
        rig_connect_again(&r->rig);
        flush(r);
    }
}

static void play(struct replay *r, const char *name)
{
    char path[200], *buffer = malloc(LINE_MAX_BYTES);
    bool v1 = strstr(name, ".v1") || strstr(name, ".novsn");
    FILE *file;

    snprintf(path, sizeof path, "../vectors/transcripts/%s.jsonl", name);
    file = fopen(path, "r");
    if (!file)
        fail_msg("%s is missing", path);
    fprintf(r->out, "== %s\n", name);
    rig_init(&r->rig, v1 ? PHX_V1 : PHX_V2);
    rig_connect(&r->rig);
    flush(r);
    r->topic_count = 0;
    while (buffer && fgets(buffer, LINE_MAX_BYTES, file)) {
        cJSON *line = cJSON_Parse(buffer);
        assert_non_null(line);
        play_line(r, line);
        cJSON_Delete(line);
    }
    while (r->topic_count > 0)
        free(r->topics[--r->topic_count]);
    rig_deinit(&r->rig);
    fclose(file);
    free(buffer);
}

static void play_all(FILE *out)
{
    struct replay *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->out = out;
    for (size_t i = 0; i < sizeof recordings / sizeof recordings[0]; i++)
        play(r, recordings[i]);
    free(r);
}

static void recordings_lead_to_the_expected_events(void **state)
{
    static char expected[LINE_MAX_BYTES], actual[LINE_MAX_BYTES], scenario[200];
    FILE *file = fopen(EXPECTED, "r"), *out = tmpfile();
    int number = 0;

    (void)state;
    assert_non_null(file);
    assert_non_null(out);
    play_all(out);
    rewind(out);
    while (fgets(actual, sizeof actual, out)) {
        number++;
        if (strncmp(actual, "== ", 3) == 0)
            snprintf(scenario, sizeof scenario, "%.*s", (int)strcspn(actual, "\n"), actual);
        if (!fgets(expected, sizeof expected, file))
            expected[0] = '\0';
        if (strcmp(actual, expected) != 0)
            fail_msg("%s, line %d\nexpected: %s     got: %s", scenario, number, expected, actual);
    }
    assert_null(fgets(expected, sizeof expected, file));
    fclose(out);
    fclose(file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings_lead_to_the_expected_events),
    };
    FILE *out;

    if (argc > 1 && strcmp(argv[1], "write") == 0) {
        out = fopen(EXPECTED, "w");
        if (!out)
            return 1;
        play_all(out);
        return fclose(out) != 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
