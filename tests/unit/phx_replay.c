/*
 * phx_replay.c - plays a recorded connection. What the recorded client sent is asked of the
 * machine, and must come out as the same JSON; what the server answered is fed byte for byte. What
 * is right is said by phx_replay_test.c.
 */
#define _GNU_SOURCE

#include "phx_replay.h"

#include "phx_core.h"
#include "phx_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE_MAX_BYTES (1 << 18)
#define SHOWN          100

const char *replay_text(const cJSON *line, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));

    return text ? text : "";
}

static int number_of(const cJSON *line, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, name);

    return cJSON_IsNumber(item) ? item->valueint : 0;
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

static void add_alias(struct replay *r, const char *theirs, unsigned long ours)
{
    struct alias *alias = &r->aliases[r->alias_count];

    if (!theirs || theirs[strspn(theirs, "0123456789")] == '\0' || strlen(theirs) > 8)
        return;
    assert_true(r->alias_count < ALIASES);
    snprintf(alias->theirs, sizeof alias->theirs, "\"%s\"", theirs);
    snprintf(alias->ours, sizeof alias->ours, "\"%lu\"", ours);
    r->alias_count++;
}

/* The text with our join_refs, good until the next call. */
static const char *with_ours(const struct replay *r, const char *text)
{
    static char rooms[2][LINE_MAX_BYTES];
    unsigned turn = 0;

    for (unsigned i = 0; i < r->alias_count; i++) {
        char *out = rooms[turn++ % 2];
        const char *theirs = r->aliases[i].theirs, *found;
        size_t n = 0;
        while ((found = strstr(text, theirs)) != NULL) {
            memcpy(out + n, text, (size_t)(found - text));
            n += (size_t)(found - text);
            memcpy(out + n, r->aliases[i].ours, strlen(r->aliases[i].ours));
            n += strlen(r->aliases[i].ours);
            text = found + strlen(theirs);
        }
        memcpy(out + n, text, strlen(text) + 1);
        text = out;
    }
    return text;
}

/* The payload as it stands in the text, which may not be JSON at all: then NULL. To be freed. */
static char *raw_payload(const char *text)
{
    struct phx_json_walk walk;
    struct phx_text key, value;
    int index = 0;

    if (!phx_json_valid(phx_text_of(text)) || !phx_json_walk(&walk, phx_text_of(text)))
        return NULL;
    while (phx_json_next(&walk, &key, &value) == PHX_JSON_ITEM)
        if (walk.object ? phx_json_is(key, "payload") : index++ == 4)
            return strndup(value.at, value.len);
    return strdup("null");
}

/* The recorded client joined a topic that it had joined: for the machine that is another channel,
 * of which the server knows no leave. */
static void forget(struct replay *r, struct rig_channel *ch)
{
    struct phx_send *send;

    phx_machine_leave(ch->channel, r->rig.now);
    ch->channel = NULL;
    while ((send = phx_machine_next(r->rig.machine, r->rig.now)) != NULL)
        free(send);
    r->rig.machine->last_ref--;
    fprintf(r->out, "  (joins a joined topic)\n");
}

static void join(struct replay *r, const char *topic, const char *payload)
{
    struct rig_channel *ch = channel_of(r, topic);
    unsigned index;

    if (ch && ch->channel && ch->channel->state == PHX_CH_PAUSED) {
        assert_int_equal(phx_machine_set_payload(ch->channel, payload), PHX_OK);
        rig_pass(&r->rig, ch->channel->due - r->rig.now);
        return;
    }
    if (ch && ch->channel)
        forget(r, ch);
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

static void ask(struct replay *r, const cJSON *message, const char *text)
{
    const char *topic = cJSON_GetStringValue(part(message, 2, "topic"));
    const char *event = cJSON_GetStringValue(part(message, 3, "event"));
    const char *ref_text = cJSON_GetStringValue(part(message, 1, "ref"));
    unsigned long ref = ref_text ? strtoul(ref_text, NULL, 10) : 0;
    char *payload = raw_payload(text);
    struct rig_channel *ch = topic ? channel_of(r, topic) : NULL;

    if (ref)
        r->rig.machine->last_ref = ref - 1;
    if (!payload)
        fprintf(r->out, "  (not JSON)\n");
    else if (!topic || !event)
        fprintf(r->out, "  (not a message)\n");
    else if (ref_text && ref == 0)
        fprintf(r->out, "  (ref \"%s\" is none that we could send)\n", ref_text);
    else if (strcmp(topic, "phoenix") == 0 && strcmp(event, "heartbeat") == 0)
        phx_machine_probe(r->rig.machine, r->rig.now);
    else if (strcmp(event, "phx_join") == 0) {
        add_alias(r, cJSON_GetStringValue(part(message, 0, "join_ref")), ref);
        join(r, topic, payload);
    } else if (strcmp(event, "phx_leave") != 0)
        push(r, topic, event, payload, ref);
    else if (ch && ch->channel) {
        phx_machine_leave(ch->channel, r->rig.now);
        ch->channel = NULL;
    }
    free(payload);
}

static struct phx_text from_hex(const char *hex, char *room)
{
    size_t n = strlen(hex) / 2;
    char digits[3] = {0};

    for (size_t i = 0; i < n; i++) {
        memcpy(digits, hex + 2 * i, 2);
        room[i] = (char)strtoul(digits, NULL, 16);
    }
    return (struct phx_text){room, n};
}

/* A binary push of the recorded client: its names, then its payload. */
static void ask_binary(struct replay *r, struct phx_text bytes)
{
    const unsigned char *lengths = (const unsigned char *)bytes.at + 1;
    char names[4][256] = {{0}};
    size_t at = 5;
    struct rig_channel *ch;
    int error = PHX_ERR_NOT_JOINED;

    if (bytes.len < 5 || bytes.at[0] != 0)
        return;
    for (int i = 0; i < 4; i++) {
        if (at + lengths[i] > bytes.len)
            return;
        memcpy(names[i], bytes.at + at, lengths[i]);
        at += lengths[i];
    }
    ch = channel_of(r, names[2]);
    r->rig.machine->last_ref = strtoul(names[1], NULL, 10) - 1;
    if (ch && ch->channel)
        error = rig_push_binary(&r->rig, (unsigned)(ch - r->rig.channels), names[3],
                                (struct phx_text){bytes.at + at, bytes.len - at},
                                strtoul(names[1], NULL, 10));
    if (error)
        fprintf(r->out, "  (push not possible: %s)\n", phx_error_text((enum phx_error)error));
}

static void write_hex(FILE *out, struct phx_text bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        fprintf(out, "%02x", (unsigned char)bytes.at[i]);
}

static void compare_binary(struct replay *r, struct phx_text recorded)
{
    struct phx_send *send;

    while ((send = phx_machine_next(r->rig.machine, r->rig.now)) != NULL) {
        struct phx_text sent = {phx_send_text(send), send->len};
        fprintf(r->out, "> ");
        write_hex(r->out, sent);
        if (!phx_text_equal(sent, recorded)) {
            fprintf(r->out, "   (recorded: ");
            write_hex(r->out, recorded);
            fprintf(r->out, ")");
        }
        fprintf(r->out, "\n");
        free(send);
    }
}

/* Long ones only in part: they are in the recording. */
static void write_line(FILE *out, const char *mark, const char *text, size_t len)
{
    size_t shown = len > SHOWN ? SHOWN : len;

    while (shown < len && ((unsigned char)text[shown] & 0xC0) == 0x80)
        shown--;
    fprintf(out, "%s %.*s%s\n", mark, (int)shown, text, shown < len ? "..." : "");
}

/* What came out, where something did, is what the recorded client sent. */
static void compare(struct replay *r, const cJSON *recorded, const char *recorded_text)
{
    struct phx_send *send;

    while ((send = phx_machine_next(r->rig.machine, r->rig.now)) != NULL) {
        cJSON *sent = cJSON_ParseWithLength(phx_send_text(send), send->len);
        bool same = cJSON_Compare(sent, recorded, true);
        if (same)
            write_line(r->out, ">", phx_send_text(send), send->len);
        else
            fprintf(r->out, "> %.*s   (recorded: %s)\n", (int)send->len, phx_send_text(send),
                    recorded_text);
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

/* ---- one line of a connection ---- */

static void on_send(struct replay *r, const cJSON *line)
{
    const char *opcode = replay_text(line, "opcode"), *text = replay_text(line, "text");
    static char room[LINE_MAX_BYTES];
    struct phx_text bytes;
    cJSON *message;

    if (strcmp(opcode, "text") == 0) {
        message = cJSON_Parse(text);
        ask(r, message, text);
        cJSON_Delete(message);
        text = with_ours(r, text);
        message = cJSON_Parse(text);
        flush(r);
        compare(r, message, text);
        cJSON_Delete(message);
    } else if (strcmp(opcode, "binary") == 0) {
        bytes = from_hex(replay_text(line, "hex"), room);
        ask_binary(r, bytes);
        flush(r);
        compare_binary(r, bytes);
    }
}

static void on_recv(struct replay *r, const cJSON *line)
{
    const char *opcode = replay_text(line, "opcode"), *text = replay_text(line, "text");
    static char room[LINE_MAX_BYTES];
    struct phx_text bytes;

    if (strcmp(opcode, "text") == 0) {
        text = with_ours(r, text);
        write_line(r->out, "<", text, strlen(text));
        rig_server(&r->rig, text);
    } else if (strcmp(opcode, "binary") == 0) {
        bytes = from_hex(replay_text(line, "hex"), room);
        fprintf(r->out, "< %s\n", replay_text(line, "hex"));
        rig_server_binary(&r->rig, bytes.at, bytes.len);
    }
    flush(r);
}

static void end(struct replay *r, const struct phx_sight *sight)
{
    struct phx_end why;

    phx_judge(sight, &why);
    fprintf(r->out, "  (%s)\n", why.text);
    rig_end(&r->rig, &why);
    flush(r);
}

static struct phx_text header(const char *response, const char *name)
{
    const char *at = strcasestr(response, name);

    if (!at)
        return (struct phx_text){NULL, 0};
    at += strlen(name);
    return (struct phx_text){at, strcspn(at, "\r\n")};
}

static void on_response(struct replay *r, const cJSON *line)
{
    int status = number_of(line, "status");
    const char *text = replay_text(line, "text");
    struct phx_sight sight = {
        .stage = PHX_STAGE_REQUEST,
        .http_status = status,
        .retry_after = header(text, "\r\nretry-after: "),
        .date = header(text, "\r\ndate: "),
        .location = header(text, "\r\nlocation: "),
    };

    if (phx_machine_is_connected(r->rig.machine))
        return;
    if (!r->rig.is_open)
        rig_pass(&r->rig, r->rig.last_wait_ms);
    if (status == 101)
        phx_machine_opened(r->rig.machine, r->rig.now);
    else
        end(r, &sight);
    flush(r);
}

static void on_close(struct replay *r, const cJSON *line)
{
    int code = number_of(line, "code");
    struct phx_sight sight = {.stage = PHX_STAGE_OPEN,
                              .close_code = code,
                              .close_reason = phx_text_of(replay_text(line, "reason"))};

    if (strcmp(replay_text(line, "from"), "client") == 0) {
        phx_machine_disconnect(r->rig.machine, 0, r->rig.now);
        flush(r);
    } else if (r->rig.is_open) {
        fprintf(r->out, "< close %d\n", code);
        end(r, &sight);
    }
}

static void on_tcp(struct replay *r, const cJSON *line)
{
    struct phx_sight sight = {.stage = phx_machine_is_connected(r->rig.machine) ? PHX_STAGE_OPEN
                                                                                : PHX_STAGE_CONNECT,
                              .detail = replay_text(line, "text")};

    if (!r->rig.is_open || strcmp(replay_text(line, "event"), "destroy-by-client") == 0)
        return;
    fprintf(r->out, "< %s\n", replay_text(line, "event"));
    end(r, &sight);
}

static void play_line(struct replay *r, const cJSON *line)
{
    const char *dir = replay_text(line, "dir");
    bool whole = !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "truncated"));

    if (!whole)
        fprintf(r->out, "  (%s: %d bytes, which the recording does not have)\n", dir,
                number_of(line, "bytes"));
    else if (strcmp(dir, "send") == 0)
        on_send(r, line);
    else if (strcmp(dir, "recv") == 0)
        on_recv(r, line);
    else if (strcmp(dir, "close") == 0)
        on_close(r, line);
    else if (strcmp(dir, "tcp") == 0)
        on_tcp(r, line);
    else if (strcmp(dir, "http") == 0 && strcmp(replay_text(line, "what"), "response") == 0)
        on_response(r, line);
}

/* ---- connections and recordings ---- */

/* The official client's recordings have no answer to its request. */
static void begin(struct replay *r, const cJSON *line)
{
    const char *text = replay_text(line, "text");
    bool answered = strncmp(text, "url ", 4) != 0;

    rig_init(&r->rig, strstr(text, "vsn=2.0.0") ? PHX_V2 : PHX_V1);
    r->rig.machine->queue.max_bytes = 1 << 20;
    r->topic_count = r->alias_count = 0;
    phx_machine_connect(r->rig.machine, r->rig.now);
    rig_pass(&r->rig, 0);
    if (!answered)
        phx_machine_opened(r->rig.machine, r->rig.now);
    flush(r);
}

static void finish(struct replay *r)
{
    while (r->topic_count > 0)
        free(r->topics[--r->topic_count]);
    rig_deinit(&r->rig);
}

/* After the recorded client closed by itself, a request is that of another one. */
static bool is_another(const struct replay *r, const cJSON *line)
{
    return strcmp(replay_text(line, "dir"), "http") == 0 &&
           strcmp(replay_text(line, "what"), "request") == 0 && !r->rig.machine->wanted;
}

/* Long polling, downloads and others are not. */
static bool is_websocket(const cJSON *line)
{
    const char *text = replay_text(line, "text");

    return strcmp(replay_text(line, "dir"), "http") != 0 || strncmp(text, "url ", 4) == 0 ||
           strcasestr(text, "upgrade: websocket") != NULL;
}

void replay_conn(struct replay *r, cJSON *const *lines, size_t count, const char *conn)
{
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(replay_text(lines[i], "conn"), conn) != 0)
            continue;
        if (!begun && !is_websocket(lines[i]))
            return;
        if (begun && is_another(r, lines[i])) {
            finish(r);
            begun = false;
        }
        if (!begun) {
            fprintf(r->out, conn[0] ? "-- %s\n" : "--%s\n", conn);
            begin(r, lines[i]);
        }
        begun = true;
        play_line(r, lines[i]);
    }
    if (begun)
        finish(r);
}
