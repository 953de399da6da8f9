/*
 * The run of phx-cat: connect, join, print, push, end. Options are main.c's.
 */
#include "cat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define LINE_BYTES 4096
#define LINGER_MS  1000

void cat_say(const struct cat *cat, bool error, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list rest;
    va_start(rest, format);
    vsnprintf(line, sizeof(line), format, rest);
    va_end(rest);
    if (!cat->options->quiet || error)
        fprintf(stderr, "phx-cat: %s\n", line);
}

/* -- The end. */

static void on_closed(void *user)
{
    struct cat *cat = user;
    uv_stop(cat->loop);
}

/* What is queued leaves first. */
static void end(struct cat *cat, enum cat_exit how)
{
    if (cat->ending)
        return;
    cat->ending = true;
    cat->exit = how;
    if (phx_socket_is_connected(cat->socket))
        phx_socket_disconnect(cat->socket, LINGER_MS);
    else
        phx_context_close(cat->context, on_closed, cat);
}

static void end_when_done(struct cat *cat)
{
    if (cat->options->quit && cat->input_ended && cat->waiting == 0)
        end(cat, cat->exit);
}

void cat_input_done(struct cat *cat)
{
    cat->input_ended = true;
    end_when_done(cat);
}

/* -- Pushes. */

static struct cat_topic *find_topic(struct cat *cat, const char *name)
{
    for (size_t i = 0; i < cat->options->topic_count; i++)
        if (strcmp(cat->topics[i].name, name) == 0)
            return &cat->topics[i];
    return NULL;
}

/* A push's token is its number. */
void cat_push(struct cat *cat, const char *topic, const char *event, struct phx_text payload,
              bool binary)
{
    struct cat_topic *to = topic != NULL ? find_topic(cat, topic) : &cat->topics[0];
    if (topic == NULL && cat->options->topic_count > 1) {
        cat_say(cat, true, "which topic? With more than one, give {\"topic\":...}");
        return;
    }
    if (to == NULL || to->channel == NULL) {
        cat_say(cat, true, "%s is none of the topics of this run", topic);
        return;
    }
    unsigned number = ++cat->pushes;
    void *token = (void *)(uintptr_t)number;
    int error = binary ? phx_push_binary(to->channel, event, payload, 0, token)
                       : phx_push(to->channel, event, payload, 0, token);
    if (error != PHX_OK) {
        cat_say(cat, true, "push %u: %s", number, phx_error_text(error));
        cat->exit = CAT_REFUSED;
        return;
    }
    cat->waiting++;
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct cat_topic *topic = user;
    struct cat *cat = topic->cat;
    cat_print_reply(topic->name, (unsigned)(uintptr_t)token, result);
    cat->waiting--;
    if (result->end != PHX_PUSH_REPLY || !result->ok)
        cat->exit = CAT_REFUSED;
    end_when_done(cat);
}

/* -- Topics. */

static void on_joined(void *user, struct phx_text response)
{
    struct cat_topic *topic = user;
    struct cat *cat = topic->cat;
    cat_say(cat, false, "joined %s: %.*s", topic->name, (int)response.len, response.at);
    if (++cat->joined >= cat->options->topic_count)
        cat_input_start(cat);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct cat_topic *topic = user;
    struct cat *cat = topic->cat;
    cat_say(cat, true, "the server refused %s: %.*s%s", topic->name, (int)response.len, response.at,
            cat->options->once ? "" : "; trying again");
    (void)retry_ms;
    if (cat->options->once)
        end(cat, CAT_UNREACHED);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct cat_topic *topic = user;
    struct cat *cat = topic->cat;
    cat_say(cat, true, "%s %s; joining again in %u ms", topic->name,
            crashed ? "crashed on the server" : "was closed by the server", (unsigned)retry_ms);
    if (cat->options->once)
        end(cat, CAT_UNREACHED);
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    const struct cat_topic *topic = user;
    cat_print_message(topic->name, event, payload, false);
}

static void on_binary(void *user, struct phx_text event, struct phx_text bytes)
{
    const struct cat_topic *topic = user;
    cat_print_message(topic->name, event, bytes, true);
}

static void join(struct cat *cat, size_t index)
{
    struct cat_topic *topic = &cat->topics[index];
    *topic = (struct cat_topic){.cat = cat, .name = cat->options->topics[index]};
    struct phx_channel_options options = {
        .topic = topic->name,
        .join_payload = cat->options->join_payload,
        .max_held = PHX_PUSHES_MAX,
    };
    const struct phx_channel_events events = {
        .user = topic,
        .joined = on_joined,
        .refused = on_refused,
        .ended = on_ended,
        .message = on_message,
        .binary = on_binary,
        .push_end = on_push_end,
    };
    int error = phx_join(cat->socket, &options, &events, &topic->channel);
    if (error == PHX_OK)
        return;
    topic->channel = NULL;
    cat_say(cat, true, "%s: %s", topic->name, phx_error_text(error));
    cat->exit = CAT_USAGE;
}

/* -- The connection. */

static bool add_header(struct cat *cat, struct phx_credentials *to, const char *line,
                       const char *from)
{
    char name[128];
    size_t length = strcspn(line, ":");
    if (line[length] != ':' || length == 0 || length >= sizeof(name)) {
        cat_say(cat, true, "%s: expected \"Name: value\"", from);
        return false;
    }
    memcpy(name, line, length);
    name[length] = '\0';
    const char *value = line + length + 1;
    value += strspn(value, " \t");
    return phx_add_header(to, name, value) == PHX_OK;
}

static bool add_header_file(struct cat *cat, struct phx_credentials *to, const char *path)
{
    char line[LINE_BYTES];
    bool good = true;
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        cat_say(cat, true, "%s: %s", path, strerror(errno));
        return false;
    }
    while (good && fgets(line, sizeof(line), in) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        good = line[0] == '\0' || add_header(cat, to, line, path);
    }
    memset(line, 0, sizeof(line));
    fclose(in);
    return good;
}

static bool add_param(struct cat *cat, struct phx_credentials *to, const char *text)
{
    char name[128];
    size_t length = strcspn(text, "=");
    if (text[length] != '=' || length == 0 || length >= sizeof(name)) {
        cat_say(cat, true, "--param: expected NAME=VALUE");
        return false;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    return phx_add_param(to, name, text + length + 1) == PHX_OK;
}

static bool on_credentials(void *user, struct phx_credentials *to)
{
    struct cat *cat = user;
    bool good = true;
    for (size_t i = 0; good && i < cat->options->header_count; i++)
        good = add_header(cat, to, cat->options->headers[i], "--header");
    for (size_t i = 0; good && i < cat->options->header_file_count; i++)
        good = add_header_file(cat, to, cat->options->header_files[i]);
    for (size_t i = 0; good && i < cat->options->param_count; i++)
        good = add_param(cat, to, cat->options->params[i]);
    return good;
}

static void on_connected(void *user)
{
    struct cat *cat = user;
    cat_say(cat, false, "connected");
    if (cat->options->topic_count == 0)
        cat_input_start(cat);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct cat *cat = user;
    cat->joined = 0;
    if (cat->ending) {
        phx_context_close(cat->context, on_closed, cat);
        return;
    }
    cat_say(cat, true, "%s", why->text);
    if (cat->options->once)
        end(cat, why->was_connected ? cat->exit : CAT_UNREACHED);
}

/* What came on a topic that was not joined: some servers speak before any join. */
static void on_socket_message(void *user, const struct phx_message *message)
{
    char topic[256];
    (void)user;
    size_t n = message->topic.len < sizeof(topic) ? message->topic.len : sizeof(topic) - 1;
    memcpy(topic, message->topic.at, n);
    topic[n] = '\0';
    cat_print_message(topic, message->event, message->payload, message->binary);
}

static void on_log(void *user, int level, const char *text)
{
    if (level < LOG_DEBUG)
        cat_say(user, level <= LOG_WARNING, "%s", text);
}

static void on_timer(uv_timer_t *timer)
{
    struct cat *cat = timer->data;
    end(cat, cat->exit);
}

static bool open_socket(struct cat *cat)
{
    const struct phx_context_options context = {.max_sockets = 1, .log = on_log, .user = cat};
    const struct phx_socket_events events = {
        .user = cat,
        .credentials = on_credentials,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_socket_message,
    };
    cat->context = phx_context_open(cat->loop, &context);
    cat->socket =
        cat->context != NULL ? phx_socket_new(cat->context, &cat->options->socket, &events) : NULL;
    if (cat->socket == NULL)
        return false;
    if (phx_socket_connect(cat->socket) == PHX_OK)
        return true;
    cat_say(cat, true, "%s", phx_socket_error(cat->socket));
    return false;
}

enum cat_exit cat_run(const struct cat_options *options)
{
    static struct cat cat;
    cat.options = options;
    cat.loop = uv_default_loop();
    uv_timer_init(cat.loop, &cat.timer);
    cat.timer.data = &cat;
    if (options->for_ms > 0)
        uv_timer_start(&cat.timer, on_timer, options->for_ms, 0);
    if (!open_socket(&cat))
        return CAT_USAGE;
    for (size_t i = 0; i < options->topic_count; i++)
        join(&cat, i);
    if (cat.exit == CAT_USAGE)
        return CAT_USAGE;
    uv_run(cat.loop, UV_RUN_DEFAULT);
    return cat.exit;
}
