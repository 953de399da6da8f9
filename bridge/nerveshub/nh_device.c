/*
 * The wiring of one NervesHub identity: libphx's callbacks in, payloads of nh_message.c and
 * nh_talk.c out. It decides when a channel is joined and what a server's word means; what an update
 * does is left to nh_update.c, where the board's bytes come from to the caller.
 */
#include "nh_device.h"

#include "nh_auth.h"
#include "phx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONSOLE_JOIN  "{\"console_version\":\"2.0.0\",\"device_api_version\":\"2.3.0\"}"
#define LINE_MAX      400
#define LINGER_MS     1000
#define CLOCK_WAIT_MS 100 /* before the attempt that signs by the server's clock */

struct nh_device {
    struct nh_device_io io;
    char *identifier, *key, *secret;
    bool certificate;
    uint32_t rejoin_min_ms;
    struct phx_socket *socket;
    struct phx_channel *device, *console, *extensions; /* NULL: not asked for */
    struct nh_clock clock;
    char *firmware; /* of the board, packed; NULL: not known */
    bool auto_reverted;
    unsigned attached; /* a bit for each extension */
    struct nh_log_limit limit;
    struct nh_console typed_back;
};

static void say(const struct nh_device *d, bool bad, const char *text)
{
    if (d->io.say != NULL)
        d->io.say(d->io.user, bad, text);
}

static int64_t unix_s(const struct nh_device *d)
{
    return d->io.unix_us(d->io.user) / 1000000;
}

static bool is(struct phx_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static bool push(struct phx_channel *channel, const char *event, const char *payload)
{
    return channel != NULL && payload != NULL &&
           phx_push(channel, event, (struct phx_text){payload, strlen(payload)}, 0, NULL) == PHX_OK;
}

static bool push_made(struct phx_channel *channel, const char *event, char *payload)
{
    bool pushed = push(channel, event, payload);
    free(payload);
    return pushed;
}

/* -- Connecting. */

static bool sign(const struct nh_device *d, struct nh_headers *headers)
{
    char fresh[NH_SECRET_MAX] = "";
    const char *secret = d->io.secret != NULL ? fresh : d->secret;
    bool good = (d->io.secret == NULL || d->io.secret(d->io.user, fresh)) &&
                nh_sign(NH_ALG, d->key, secret, d->identifier, nh_clock_now(&d->clock, unix_s(d)),
                        headers) == 0;
    explicit_bzero(fresh, sizeof(fresh));
    return good;
}

static bool on_credentials(void *user, struct phx_credentials *to)
{
    struct nh_device *d = user;
    struct nh_headers headers;
    if (d->certificate)
        return true;
    if (!sign(d, &headers))
        return false;
    return phx_add_header(to, NH_HEADER_ALG, NH_ALG) == PHX_OK &&
           phx_add_header(to, NH_HEADER_KEY, d->key) == PHX_OK &&
           phx_add_header(to, NH_HEADER_TIME, headers.time) == PHX_OK &&
           phx_add_header(to, NH_HEADER_SIGNATURE, headers.token) == PHX_OK;
}

static bool on_retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    struct nh_device *d = user;
    if (why->http_status != 401 || d->certificate)
        return true;
    if (nh_clock_refused(&d->clock, unix_s(d), why->server_time_s)) {
        *wait_ms = CLOCK_WAIT_MS;
        say(d, false, "this machine's clock and the server's differ: signing by the server's");
    } else {
        say(d, true, "the server refuses the key, its secret or the identifier");
    }
    return true;
}

/* As of now. NULL: the firmware is not known, or out of memory. */
static char *join_payload(struct nh_device *d)
{
    struct nh_firmware firmware;
    struct nh_join join = {
        .firmware = &firmware,
        .downloading_uuid = d->io.downloading != NULL ? d->io.downloading(d->io.user) : NULL,
        .auto_reverted = d->auto_reverted,
    };
    if (d->firmware == NULL)
        return NULL;
    nh_firmware_unpack(d->firmware, &firmware);
    return nh_encode_join(&join);
}

static void set_payload(struct nh_device *d)
{
    char *payload = join_payload(d);
    if (payload != NULL && d->device != NULL)
        phx_channel_set_payload(d->device, payload);
    free(payload);
}

static void lost(struct nh_device *d)
{
    d->attached = 0;
    if (d->io.left != NULL)
        d->io.left(d->io.user);
    set_payload(d); /* of the join that follows by itself */
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct nh_device *d = user;
    bool asked = why->cause == PHX_CAUSE_ASKED;
    bool explained = why->http_status == 401 && !d->certificate; /* by on_retry */
    if ((why->was_connected || !asked) && !explained)
        say(d, !asked, why->text);
    if (why->was_connected && d->device != NULL)
        lost(d);
}

/* -- The channel `device`. */

static void on_joined(void *user, struct phx_text response)
{
    struct nh_device *d = user;
    (void)response;
    if (d->io.joined != NULL)
        d->io.joined(d->io.user);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct nh_device *d = user;
    char line[LINE_MAX];
    snprintf(line, sizeof(line), "the server refuses the join: %.*s, again in %u ms",
             (int)(response.len < 200 ? response.len : 200), response.at, (unsigned)retry_ms);
    say(d, true, line);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct nh_device *d = user;
    (void)retry_ms;
    say(d, crashed,
        crashed ? "the channel crashed on the server" : "the server closed the channel");
    lost(d);
}

static void take_offer(struct nh_device *d, struct phx_text payload)
{
    struct nh_offer *offer = malloc(sizeof(*offer));
    enum nh_offer_verdict verdict =
        offer != NULL ? nh_decode_offer(payload.at, payload.len, offer) : NH_OFFER_BAD;
    if (verdict == NH_OFFER_BAD)
        say(d, true, "an update was offered in a shape that nothing can be made of");
    if (verdict == NH_OFFER_GOOD && d->io.offer != NULL)
        d->io.offer(d->io.user, offer);
    free(offer);
}

static void join_extensions(struct nh_device *d);

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    struct nh_device *d = user;
    if (is(event, "update"))
        take_offer(d, payload);
    else if (is(event, "reboot") && d->io.reboot != NULL)
        d->io.reboot(d->io.user);
    else if (is(event, "identify") && d->io.identify != NULL)
        d->io.identify(d->io.user);
    else if (is(event, "extensions:get"))
        join_extensions(d);
    else if (is(event, "scripts/run"))
        push_made(d->device, "scripts/run", nh_encode_script_refused(payload.at, payload.len));
    else if (is(event, "archive"))
        say(d, false, "an archive was offered: microcontrollers take none, it is passed over");
}

static struct phx_channel *join(struct nh_device *d, const char *topic, const char *payload,
                                const struct phx_channel_events *events)
{
    struct phx_channel *channel = NULL;
    struct phx_channel_options options = {
        .topic = topic, .join_payload = payload, .rejoin_min_ms = d->rejoin_min_ms};
    return phx_join(d->socket, &options, events, &channel) == PHX_OK ? channel : NULL;
}

/* -- The channel `console`. */

static void on_console(void *user, struct phx_text event, struct phx_text payload)
{
    struct nh_device *d = user;
    unsigned rows;
    unsigned columns;
    if (is(event, "dn") && d->io.typed != NULL) {
        size_t n;
        char *bytes = nh_decode_console(payload.at, payload.len, &n);
        if (bytes != NULL)
            d->io.typed(d->io.user, bytes, n);
        free(bytes);
    } else if (is(event, "window_size") && d->io.window != NULL &&
               nh_decode_window(payload.at, payload.len, &rows, &columns)) {
        d->io.window(d->io.user, rows, columns);
    } else if (is(event, "file-data/start")) {
        say(d, false, "a file was sent to the console: microcontrollers take none");
    }
}

/* -- The channel `extensions`. */

static void tell(struct nh_device *d, unsigned bits, const char *word)
{
    for (unsigned i = 0; i < NH_EXTENSIONS; i++) {
        char event[32];
        snprintf(event, sizeof(event), "%s:%s", nh_extension_name((enum nh_extension)i), word);
        if ((bits >> i & 1) != 0)
            push(d->extensions, event, "{}");
    }
}

static void on_extensions_joined(void *user, struct phx_text response)
{
    struct nh_device *d = user;
    d->attached = nh_decode_extensions(response.at, response.len);
    tell(d, d->attached, "attached");
}

static void on_extension(void *user, struct phx_text event, struct phx_text payload)
{
    struct nh_device *d = user;
    if (is(event, "health:check") && d->io.health != NULL) {
        char *value = d->io.health(d->io.user);
        push_made(d->extensions, "health:report", value != NULL ? nh_encode_health(value) : NULL);
        free(value);
    } else if (is(event, "attach")) {
        unsigned more = nh_decode_extensions(payload.at, payload.len) & ~d->attached;
        d->attached |= more;
        tell(d, more, "attached");
    } else if (is(event, "detach")) {
        unsigned fewer = nh_decode_extensions(payload.at, payload.len) & d->attached;
        tell(d, fewer, "detached");
        d->attached &= ~fewer;
    }
}

static void on_extensions_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct nh_device *d = user;
    (void)crashed;
    (void)retry_ms;
    d->attached = 0;
}

static void join_extensions(struct nh_device *d)
{
    struct phx_channel_events events = {.user = d,
                                        .joined = on_extensions_joined,
                                        .ended = on_extensions_ended,
                                        .message = on_extension};
    if (d->extensions == NULL)
        d->extensions = join(d, NH_TOPIC_EXTENSIONS, NH_EXTENSIONS_JOIN, &events);
}

/* -- Life. */

static char *copied(const char *text)
{
    return strdup(text != NULL ? text : "");
}

struct nh_device *nh_device_new(struct phx_context *context,
                                const struct nh_device_options *options,
                                const struct nh_device_io *io)
{
    struct nh_device *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->io = *io;
    d->identifier = copied(options->identifier);
    d->key = copied(options->key);
    d->secret = copied(options->secret);
    d->certificate = options->cert_file != NULL;
    d->rejoin_min_ms = options->rejoin_min_ms;
    struct phx_socket_options socket = {
        .url = options->url,
        .ca_file = options->ca_file,
        .proxy = options->proxy,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
        .backoff_min_ms = options->backoff_min_ms,
        .backoff_max_ms = options->backoff_max_ms,
    };
    struct phx_socket_events events = {.user = d,
                                       .credentials = on_credentials,
                                       .retry = on_retry,
                                       .disconnected = on_disconnected};
    if (d->identifier != NULL && d->key != NULL && d->secret != NULL)
        d->socket = phx_socket_new(context, &socket, &events);
    if (d->socket == NULL || phx_socket_connect(d->socket) != PHX_OK) {
        if (d->socket != NULL)
            say(d, true, phx_socket_error(d->socket));
        nh_device_free(d);
        return NULL;
    }
    if (options->at_rest) /* nothing has gone out yet: this was to have the options judged */
        phx_socket_disconnect(d->socket, 0);
    return d;
}

void nh_device_free(struct nh_device *d)
{
    if (d == NULL)
        return;
    if (d->socket != NULL)
        phx_socket_free(d->socket);
    nh_console_free(&d->typed_back);
    free(d->firmware);
    free(d->identifier);
    free(d->key);
    if (d->secret != NULL)
        explicit_bzero(d->secret, strlen(d->secret));
    free(d->secret);
    free(d);
}

static void join_device(struct nh_device *d)
{
    struct phx_channel_events events = {.user = d,
                                        .joined = on_joined,
                                        .refused = on_refused,
                                        .ended = on_ended,
                                        .message = on_message};
    struct phx_channel_events console = {.user = d, .message = on_console};
    char *payload = join_payload(d);
    if (payload != NULL)
        d->device = join(d, NH_TOPIC_DEVICE, payload, &events);
    if (d->device != NULL && d->console == NULL)
        d->console = join(d, NH_TOPIC_CONSOLE, CONSOLE_JOIN, &console);
    free(payload);
}

void nh_device_rejoin(struct nh_device *d)
{
    bool was_joined = nh_device_is_joined(d);
    if (d->device != NULL)
        phx_leave(d->device);
    d->device = NULL;
    if (was_joined && d->io.left != NULL)
        d->io.left(d->io.user);
    join_device(d);
}

void nh_device_board(struct nh_device *d, const struct nh_firmware *firmware, bool auto_reverted)
{
    if (!nh_firmware_is_known(firmware))
        return;
    char *packed = nh_firmware_pack(firmware);
    if (packed == NULL) {
        say(d, true, "out of memory: the board's firmware is not told");
        return;
    }
    bool same = d->firmware != NULL && strcmp(d->firmware, firmware->uuid) == 0 &&
                (d->auto_reverted || !auto_reverted); /* once is enough */
    free(d->firmware);
    d->firmware = packed;
    d->auto_reverted = auto_reverted;
    if (same && d->device != NULL)
        set_payload(d);
    else
        nh_device_rejoin(d);
}

void nh_device_rest(struct nh_device *d)
{
    phx_socket_disconnect(d->socket, LINGER_MS);
}

const char *nh_device_wake(struct nh_device *d)
{
    return phx_socket_connect(d->socket) == PHX_OK ? NULL : phx_socket_error(d->socket);
}

bool nh_device_is_joined(const struct nh_device *d)
{
    return d->device != NULL && phx_channel_is_joined(d->device);
}

/* -- To the server. */

bool nh_device_status(struct nh_device *d, enum nh_server server, enum nh_status status,
                      const char *reason)
{
    return push_made(d->device, "status_update", nh_encode_status(server, status, reason));
}

bool nh_device_progress(struct nh_device *d, unsigned percent, enum nh_status stage)
{
    return push_made(d->device, "fwup_progress", nh_encode_progress(percent, stage));
}

bool nh_device_rebooting(struct nh_device *d)
{
    return push(d->device, "rebooting", "{}");
}

bool nh_device_log(struct nh_device *d, const char *level, const char *message, uint64_t now_ms)
{
    if ((d->attached >> NH_LOGGING & 1) == 0 || !nh_log_fits(&d->limit, now_ms))
        return false;
    return push_made(d->extensions, "logging:send",
                     nh_encode_log(level, message, d->io.unix_us(d->io.user)));
}

uint64_t nh_device_log_dropped(const struct nh_device *d)
{
    return d->limit.dropped;
}

bool nh_device_is_printing(const struct nh_device *d)
{
    return d->typed_back.length > 0 && d->console != NULL && phx_channel_is_joined(d->console);
}

size_t nh_device_print(struct nh_device *d, const char *bytes, size_t n, uint64_t now_ms)
{
    if (d->console == NULL || !phx_channel_is_joined(d->console))
        return n;
    size_t taken = nh_console_add(&d->typed_back, bytes, n, now_ms);
    if (taken < n) {
        nh_device_poll(d, now_ms);
        taken += nh_console_add(&d->typed_back, bytes + taken, n - taken, now_ms);
    }
    return taken;
}

void nh_device_poll(struct nh_device *d, uint64_t now_ms)
{
    size_t taken = 0;
    if (!nh_console_due(&d->typed_back, now_ms))
        return;
    char *payload = nh_console_payload(&d->typed_back, &taken);
    if (payload != NULL && push(d->console, "up", payload))
        nh_console_sent(&d->typed_back, taken, now_ms);
    free(payload);
}
