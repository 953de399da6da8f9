/*
 * HTTP long polling. What a message does is socket.c's; here is which session a request belongs to,
 * what waits for its next poll, and how long an answer takes where a real server takes its time: a
 * poll without messages, a malformed message, a session that is dead.
 */
#include "longpoll.h"

#include "longpoll_token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_LINES = 100,       /* of one POST; the rest is dropped without a word */
    DEAD_PART = 5,         /* a session is looked for during this part of a poll */
    MAX_BUFFERED = 100000, /* messages that nobody fetches: the session dies */
    MAX_BUFFERED_BYTES = 256 * 1024 * 1024,
};
#define TWO_WEEKS_MS INT64_C(1209600000)

struct message {
    struct message *next;
    bool binary;
    struct buf data;
};

struct longpoll {
    struct peer peer; /* first, so that the peer is the long poll */
    uv_timer_t timer;
    unsigned char id[LONGPOLL_ID_BYTES];
    struct buf token;
    struct message *messages;
    struct message **last;
    size_t count;
    size_t bytes;
    struct held *listener; /* the poll under way */
    int64_t polled_ms;
};

struct held {
    uv_timer_t timer;
    struct session *session; /* NULL: its connection is gone */
    struct longpoll *poll;   /* whose listener it is; NULL: nobody's */
    struct buf body;         /* the answer when the time is up */
};

/* -- time */

static int64_t now_of(const struct server *server)
{
    return (int64_t)uv_now(server->loop);
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t window_ms(const struct server *server, const struct mount *mount)
{
    return mount->poll_ms > 0 ? mount->poll_ms : server->options.poll_ms;
}

/* -- answers */

static void answer(struct session *s, struct slice body)
{
    session_answer(s, &(struct http_response){.status = 200,
                                              .type = "application/json; charset=utf-8",
                                              .cache = "no-store",
                                              .extra = "access-control-allow-origin: *\r\n",
                                              .body = body});
}

static void answer_bare(struct session *s, int status, const char *extra, const char *body)
{
    struct buf lines = {0};
    buf_str(&lines, status >= 500 ? "" : "access-control-allow-origin: *\r\n");
    buf_str(&lines, extra != NULL ? extra : "");
    session_answer(s, &(struct http_response){
                          .status = status,
                          .type = body[0] == '{' ? "application/json; charset=utf-8" : NULL,
                          .extra = lines.data,
                          .body = slice_of(body),
                          .close = status >= 500});
    buf_deinit(&lines);
}

static void on_held_closed(uv_handle_t *handle)
{
    struct held *held = handle->data;
    buf_deinit(&held->body);
    free(held);
}

static void drop_held(struct held *held)
{
    if (held->poll != NULL) {
        held->poll->listener = NULL;
    }
    held->session = NULL;
    uv_close((uv_handle_t *)&held->timer, on_held_closed);
}

static void on_time_up(uv_timer_t *timer)
{
    struct held *held = timer->data;
    struct session *s = held->session;
    struct buf body = held->body;
    held->body = (struct buf){0};
    drop_held(held);
    answer(s, buf_all(&body));
    buf_deinit(&body);
}

void longpoll_gone(struct held *held)
{
    drop_held(held);
}

/* The present request is answered with body, which is taken over, in so many milliseconds. */
static struct held *hold(struct session *s, struct buf *body, int64_t ms)
{
    struct held *held = must_calloc(1, sizeof *held);
    held->session = s;
    held->body = *body;
    *body = (struct buf){0};
    uv_timer_init(session_server(s)->loop, &held->timer);
    held->timer.data = held;
    uv_timer_start(&held->timer, on_time_up, (uint64_t)ms, 0);
    session_hold(s, held);
    return held;
}

static void hold_text(struct session *s, const char *text, int64_t ms)
{
    struct buf body = {0};
    buf_str(&body, text);
    hold(s, &body, ms);
}

/* -- a session */

static void free_messages(struct longpoll *poll)
{
    while (poll->messages != NULL) {
        struct message *m = poll->messages;
        poll->messages = m->next;
        buf_deinit(&m->data);
        free(m);
    }
    poll->last = &poll->messages;
    poll->count = poll->bytes = 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct longpoll *poll = handle->data;
    peer_deinit(&poll->peer);
    free_messages(poll);
    buf_deinit(&poll->token);
    free(poll);
}

/* A poll under way is not released by it, as on a real server. */
static void die(struct longpoll *poll)
{
    if (uv_is_closing((uv_handle_t *)&poll->timer)) {
        return;
    }
    if (poll->listener != NULL) {
        poll->listener->poll = NULL;
        poll->listener = NULL;
    }
    peer_end(&poll->peer);
    uv_close((uv_handle_t *)&poll->timer, on_poll_closed);
}

static void write_session(const struct longpoll *poll, int status, struct buf *out)
{
    const char *comma = "";
    buf_str(out, "{\"messages\":[");
    for (const struct message *m = poll->messages; m != NULL && status == 200; m = m->next) {
        buf_str(out, comma);
        json_write_string(out, buf_all(&m->data));
        comma = ",";
    }
    buf_printf(out, "],\"status\":%d,\"token\":\"%s\"}", status, poll->token.data);
}

static bool has_binary(const struct longpoll *poll)
{
    const struct message *m = poll->messages;
    while (m != NULL && !m->binary) {
        m = m->next;
    }
    return m != NULL;
}

/* A binary message cannot be told, and stays where it is. */
static void flush(struct longpoll *poll, struct session *s)
{
    struct buf body = {0};
    if (has_binary(poll)) {
        answer_bare(s, 500, NULL, JSON_SERVER_ERROR);
        return;
    }
    write_session(poll, 200, &body);
    free_messages(poll);
    answer(s, buf_all(&body));
    buf_deinit(&body);
}

static void on_timer(uv_timer_t *timer);

static int64_t dies_at(const struct longpoll *poll)
{
    return poll->polled_ms + window_ms(poll->peer.server, poll->peer.mount) * 3 / 2;
}

static void set_timer(struct longpoll *poll)
{
    int64_t at = dies_at(poll), wanted = socket_deadline(poll->peer.socket);
    if (poll->peer.ended) {
        return;
    }
    if (poll->listener != NULL && poll->messages != NULL) {
        at = 0;
    } else if (wanted >= 0 && wanted < at) {
        at = wanted;
    }
    int64_t wait = at - now_of(poll->peer.server);
    uv_timer_start(&poll->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct longpoll *poll = timer->data;
    socket_run(poll->peer.socket, now_of(poll->peer.server));
    if (poll->listener != NULL && poll->messages != NULL) {
        struct session *s = poll->listener->session;
        drop_held(poll->listener);
        flush(poll, s);
    } else if (dies_at(poll) <= now_of(poll->peer.server)) {
        die(poll);
    }
    set_timer(poll);
}

static void poll_send(struct peer *p, bool binary, const char *data, size_t n)
{
    struct longpoll *poll = (struct longpoll *)p;
    if (p->ended) {
        return;
    }
    struct message *m = must_calloc(1, sizeof *m);
    m->binary = binary;
    buf_add(&m->data, data, n);
    *poll->last = m;
    poll->last = &m->next;
    poll->bytes += n;
    if (++poll->count > MAX_BUFFERED || poll->bytes > MAX_BUFFERED_BYTES) {
        die(poll);
    } else if (p->socket != NULL) {
        set_timer(poll);
    }
}

static void poll_close(struct peer *p, int code)
{
    (void)code;
    die((struct longpoll *)p);
}

static void poll_cut(struct peer *p)
{
    die((struct longpoll *)p);
}

/* A connection that breaks is no end of the session: the poll under way goes. */
static void poll_drop(struct peer *p)
{
    struct longpoll *poll = (struct longpoll *)p;
    if (poll->listener != NULL) {
        session_cut(poll->listener->session);
    }
}

static const struct peer_ops poll_ops = {"longpoll", poll_send, poll_close, poll_cut, poll_drop};

static struct longpoll *new_poll(struct session *s, const struct mount *mount)
{
    struct longpoll *poll = must_calloc(1, sizeof *poll);
    struct server *server = session_server(s);
    poll->last = &poll->messages;
    poll->polled_ms = now_of(server);
    poll->peer.ops = &poll_ops;
    poll->peer.server = server;
    poll->peer.mount = mount;
    poll->peer.number = ++server->sessions_ever;
    uv_timer_init(server->loop, &poll->timer);
    poll->timer.data = poll;
    if (RAND_bytes(poll->id, sizeof poll->id) != 1) {
        abort();
    }
    longpoll_token_write(poll->id, clock_ms(), &poll->token);
    return poll;
}

/* -- requests */

struct request {
    struct session *session;
    const struct mount *mount;
    const struct http_request *http;
    struct slice body;
};

/* The session of the request's token. NULL: none, and *wait tells how long a real server looks for
 * it. */
static struct longpoll *find(const struct request *r, int64_t *wait)
{
    struct server *server = session_server(r->session);
    int64_t age = r->mount->token_age_ms > 0 ? r->mount->token_age_ms : TWO_WEEKS_MS;
    unsigned char id[LONGPOLL_ID_BYTES];
    struct buf token = {0};
    *wait = 0;
    if (!http_query(r->http->query, "token", &token)) {
        buf_slice(&token, http_header(r->http, "x-phoenix-longpoll-token"));
    }
    enum longpoll_token good = longpoll_token_read(buf_all(&token), clock_ms(), age, id);
    buf_deinit(&token);
    if (good != TOKEN_GOOD) {
        return NULL;
    }
    for (struct peer *p = server->peers; p != NULL; p = p->next) {
        if (p->ops == &poll_ops && p->mount == r->mount && !p->ended &&
            memcmp(((struct longpoll *)p)->id, id, sizeof id) == 0) {
            return (struct longpoll *)p;
        }
    }
    *wait = window_ms(server, r->mount) / DEAD_PART;
    return NULL;
}

/* What a client without a session is told, after so long. */
static void begin(const struct request *r, int64_t wait)
{
    struct server *server = session_server(r->session);
    struct connect_result connect;
    struct buf body = {0};
    if (session_fault(r->session, FAULT_LONGPOLL)) {
        return;
    }
    mount_connect(&(struct connect_request){.mount = r->mount,
                                            .http = r->http,
                                            .keys = &server->keys,
                                            .like = server->options.like,
                                            .longpoll = true},
                  &connect);
    if (connect.status == 101) {
        struct longpoll *poll = new_poll(r->session, r->mount);
        peer_open(&poll->peer, session_conn(r->session), r->http, &connect);
        write_session(poll, 410, &body);
        set_timer(poll);
    } else if (connect.status == 403 || connect.extra != NULL || connect.body[0] != '{') {
        buf_printf(&body, "{\"status\":403}");
    }
    if (body.len == 0) {
        answer_bare(r->session, connect.status, NULL, connect.body);
    } else if (wait > 0) {
        hold(r->session, &body, wait);
    } else {
        answer(r->session, buf_all(&body));
    }
    buf_deinit(&body);
    buf_deinit(&connect.id);
    buf_deinit(&connect.token);
}

static void listen_to(struct longpoll *poll, struct session *s)
{
    struct buf body = {0};
    poll->polled_ms = now_of(poll->peer.server);
    if (poll->listener != NULL) {
        poll->listener->poll = NULL; /* it waits in vain, as on a real server */
        poll->listener = NULL;
    }
    if (poll->messages != NULL) {
        flush(poll, s);
    } else {
        write_session(poll, 204, &body);
        poll->listener = hold(s, &body, window_ms(poll->peer.server, poll->peer.mount));
        poll->listener->poll = poll;
    }
    set_timer(poll);
}

static void on_get(const struct request *r)
{
    int64_t wait;
    struct longpoll *poll = find(r, &wait);
    if (poll != NULL) {
        listen_to(poll, r->session);
    } else {
        begin(r, wait);
    }
}

/* -- POST */

/* Hands over one line of a batch. False: a binary one that is not base64, over which the request
 * stumbles, not the session. */
static bool take_line(struct longpoll *poll, struct slice line)
{
    int64_t now = now_of(poll->peer.server);
    if (line.len > 0 && line.data[0] == '[') {
        socket_on_text(poll->peer.socket, line.data, line.len, now);
        return true;
    }
    char *text = copy_bytes(line.data, line.len);
    unsigned char *bytes = must_calloc(line.len + 1, 1);
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)line.len);
    size_t padding = 0;
    while (padding < line.len && text[line.len - 1 - padding] == '=') {
        padding++;
    }
    bool good = n >= 0 && line.len % 4 == 0 && padding <= 2 && (size_t)n >= padding;
    if (good) {
        socket_on_binary(poll->peer.socket, (const char *)bytes, (size_t)n - padding, now);
    }
    free(text);
    free(bytes);
    return good;
}

static bool take_batch(struct longpoll *poll, struct slice body)
{
    bool more = true;
    for (int lines = 0; more && lines < MAX_LINES && !poll->peer.ended; lines++) {
        more = memchr(body.data, '\n', body.len) != NULL;
        struct slice line = slice_next(&body, '\n');
        if (line.len > 0 && line.data[line.len - 1] == '\r') {
            line.len--;
        }
        if (!take_line(poll, line)) {
            return false;
        }
    }
    return true;
}

static void publish(const struct request *r, struct longpoll *poll)
{
    struct server *server = session_server(r->session);
    bool good = true;
    if (slice_eq(http_header(r->http, "content-type"), "application/x-ndjson")) {
        good = take_batch(poll, r->body);
    } else {
        socket_on_text(poll->peer.socket, r->body.data, r->body.len, now_of(server));
    }
    if (!good) {
        answer_bare(r->session, 500, NULL, JSON_SERVER_ERROR);
    } else if (poll->peer.ended) {
        hold_text(r->session, "{\"status\":408}", window_ms(server, r->mount));
    } else {
        answer(r->session, slice_of("{\"status\":200}"));
    }
    if (!poll->peer.ended) {
        socket_run(poll->peer.socket, now_of(server));
        set_timer(poll);
    }
}

static void on_post(const struct request *r)
{
    int64_t wait;
    struct longpoll *poll = find(r, &wait);
    if (poll != NULL) {
        publish(r, poll);
    } else if (wait > 0) {
        hold_text(r->session, "{\"status\":410}", wait);
    } else {
        answer(r->session, slice_of("{\"status\":410}"));
    }
}

static void on_options(const struct request *r)
{
    struct buf extra = {0};
    struct slice asked = http_header(r->http, "access-control-request-headers");
    if (asked.data != NULL) {
        buf_str(&extra, "access-control-allow-headers: ");
        buf_slice(&extra, asked);
        buf_str(&extra, "\r\n");
    }
    buf_str(&extra, "access-control-allow-methods: get, post, options\r\n"
                    "access-control-max-age: 3600\r\n");
    answer_bare(r->session, 200, extra.data, "");
    buf_deinit(&extra);
}

void longpoll_request(struct session *s, const struct mount *mount,
                      const struct http_request *request, struct slice body)
{
    struct request r = {s, mount, request, body};
    bool get = slice_eq(request->method, "GET");
    bool post = slice_eq(request->method, "POST");
    if (slice_eq(request->method, "OPTIONS")) {
        on_options(&r);
    } else if (!get && !post) {
        answer_bare(s, 400, NULL, "");
    } else if (!mount_origin_ok(mount, request)) {
        answer(s, slice_of("{\"status\":403}"));
    } else if (get) {
        on_get(&r);
    } else {
        on_post(&r);
    }
}
