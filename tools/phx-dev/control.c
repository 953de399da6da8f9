/*
 * What a test or a person with curl may ask and order. A POST must say application/json, come to a
 * loopback Host and carry no Origin, so that no web page can move a motor. Faults are in
 * control_fault.c.
 */
#include "control.h"

#include "control_fault.h"
#include "control_nerves.h"
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_EVENT = 200 };

static int refuse(struct buf *answer, int status, const char *why)
{
    answer->len = 0;
    buf_str(answer, "{\"error\":");
    json_write_string(answer, slice_of(why));
    buf_str(answer, "}");
    return status;
}

static int answer_count(struct buf *answer, const char *name, size_t count)
{
    buf_printf(answer, "{\"%s\":%zu}", name, count);
    return 200;
}

/* -- who may POST */

static bool is_loopback(struct slice host)
{
    struct slice rest = host;
    if (host.len > 0 && host.data[0] == '[') {
        return host.len >= 5 && memcmp(host.data, "[::1]", 5) == 0 &&
               (host.len == 5 || host.data[5] == ':');
    }
    struct slice name = slice_next(&rest, ':');
    char text[64];
    if (name.len == 0 || name.len >= sizeof text) {
        return false;
    }
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    struct sockaddr_in address;
    bool loopback_ip = uv_ip4_addr(text, 0, &address) == 0 && strncmp(text, "127.", 4) == 0;
    return loopback_ip || strcasecmp(text, "localhost") == 0;
}

static bool is_json(struct slice type)
{
    struct slice name = slice_trim(slice_next(&type, ';'));
    return name.len == 16 && strncasecmp(name.data, "application/json", 16) == 0;
}

/* 0, or the status of the refusal. */
static int check_post(const struct http_request *request, struct buf *answer)
{
    if (http_header(request, "origin").data != NULL) {
        return refuse(answer, 403,
                      "requests with an Origin header are refused: no web page may do this");
    }
    if (!is_loopback(http_header(request, "host"))) {
        return refuse(answer, 403,
                      "the Host header must name this machine: localhost, 127.x.x.x or [::1]");
    }
    if (!is_json(http_header(request, "content-type"))) {
        return refuse(answer, 403, "the content-type must be application/json");
    }
    return 0;
}

/* -- GET */

static int get_readings(struct server *server, const struct http_request *request,
                        struct buf *answer)
{
    struct buf after = {0};
    long id = 0;
    bool ok = true;
    if (http_query(request->query, "after", &after)) {
        struct json number = {.type = JSON_INT, .text = {after.data, after.len}};
        ok = after.len > 0 && json_is_number_text(number.text) &&
             json_int(&number, 0, INT32_MAX, &id);
    }
    buf_deinit(&after);
    if (!ok) {
        return refuse(answer, 400, "after: expected a whole number, the id of a reading");
    }
    readings_write(&server->readings, (uint64_t)id, answer);
    return 200;
}

static int get_sockets(struct server *server, const struct http_request *request,
                       struct buf *answer)
{
    const char *comma = "";
    (void)request;
    buf_str(answer, "{\"sockets\":[");
    for (struct peer *p = server->peers; p != NULL; p = p->next) {
        if (!p->ended) {
            buf_str(answer, comma);
            peer_write(p, answer);
            comma = ",";
        }
    }
    buf_str(answer, "]}");
    return 200;
}

/* What stands behind "/nerves/". */
static struct slice nerves_what(const struct http_request *request)
{
    struct slice parts[3];
    return http_path_parts(request->path, parts, 3) == 2 ? parts[1] : (struct slice){0};
}

static int quote_error(int status, struct buf *answer)
{
    if (status == 200) {
        return 200;
    }
    char *why = copy_bytes(buf_all(answer).data, answer->len);
    refuse(answer, status, why);
    free(why);
    return status == 404 ? 400 : status;
}

static int get_nerves(struct server *server, const struct http_request *request, struct buf *answer)
{
    return quote_error(control_nerves_get(server, request, nerves_what(request), answer), answer);
}

static int get_health(struct server *server, const struct http_request *request, struct buf *answer)
{
    (void)server;
    (void)request;
    buf_str(answer, "{\"status\":\"ok\"}");
    return 200;
}

/* -- POST */

struct order {
    struct server *server;
    const struct http_request *request;
    struct slice argument; /* the path's second part, if the route takes one */
    const struct json *body;
};

static long controller_of(const struct order *order)
{
    struct json number = {.type = JSON_INT, .text = order->argument};
    long id = 0;
    return json_is_number_text(order->argument) && json_int(&number, 1, INT32_MAX, &id) ? id : 0;
}

static int post_control(const struct order *order, struct buf *answer)
{
    char topic[64];
    struct buf payload = {0};
    long id = controller_of(order);
    if (id == 0) {
        return refuse(answer, 400, "expected /control/ID with a controller id");
    }
    if (!json_is(json_get(order->body, "control"), JSON_ARRAY)) {
        return refuse(answer, 400, "expected {\"control\":[{\"NAME\":VALUE}]}");
    }
    snprintf(topic, sizeof topic, "microcontroller:v1:%ld", id);
    json_write(&payload, order->body);
    struct slice text = {payload.data, payload.len};
    struct broadcast what = {slice_of(topic), "control_update", text, false};
    size_t reached = server_broadcast(order->server, &what, NULL);
    log_event(&order->server->options.log, "control", id, text);
    buf_deinit(&payload);
    return answer_count(answer, "received", reached);
}

static int post_kick(const struct order *order, struct buf *answer)
{
    char socket_id[64];
    long id = controller_of(order);
    if (id == 0) {
        return refuse(answer, 400, "expected /kick/ID with a controller id");
    }
    snprintf(socket_id, sizeof socket_id, "microcontroller:%ld", id);
    log_event(&order->server->options.log, "kick", id, (struct slice){0});
    return answer_count(answer, "kicked", server_kick(order->server, socket_id));
}

static int post_reset(const struct order *order, struct buf *answer)
{
    readings_reset(&order->server->readings);
    order->server->faults = (struct faults){0};
    buf_str(answer, "{\"reset\":true}");
    return 200;
}

static int post_nerves(const struct order *order, struct buf *answer)
{
    return quote_error(control_nerves_post(order->server, order->argument, order->body, answer),
                       answer);
}

static int post_fault(const struct order *order, struct buf *answer)
{
    struct buf error = {0};
    size_t affected = 0;
    if (!control_fault(order->server, order->body, &affected, &error)) {
        int status = refuse(answer, 400, error.data);
        buf_deinit(&error);
        return status;
    }
    return answer_count(answer, "affected", affected);
}

/* As SIGTERM does, once this answer is out. */
static int post_stop(const struct order *order, struct buf *answer)
{
    (void)order;
    uv_kill(uv_os_getpid(), SIGTERM);
    buf_str(answer, "{\"stopping\":true}");
    return 200;
}

static bool event_name_ok(const struct buf *event)
{
    for (size_t i = 0; i < event->len; i++) {
        unsigned char c = (unsigned char)event->data[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
            return false;
        }
    }
    return event->len > 0 && event->len <= MAX_EVENT;
}

/* What the query of a broadcast says; the caller deinits both. */
static bool broadcast_query(const struct order *order, struct buf *topic, struct buf *event)
{
    http_query(order->request->query, "topic", topic);
    http_query(order->request->query, "event", event);
    return topic->len > 0 && event_name_ok(event);
}

static int post_broadcast(const struct order *order, struct buf *answer)
{
    struct buf topic = {0};
    struct buf event = {0};
    struct buf payload = {0};
    bool ok = broadcast_query(order, &topic, &event);
    if (ok) {
        json_write(&payload, order->body);
        struct broadcast what = {buf_all(&topic), event.data, buf_all(&payload), false};
        answer_count(answer, "received", server_broadcast(order->server, &what, NULL));
    }
    buf_deinit(&topic);
    buf_deinit(&event);
    buf_deinit(&payload);
    return ok ? 200 : refuse(answer, 400, "expected /broadcast?topic=TOPIC&event=EVENT");
}

/* Pairs of hexadecimal digits, as http_decode takes them behind '%'. */
static void decode_hex(struct slice hex, struct buf *out)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char escaped[3] = {'%', hex.data[i], hex.data[i + 1]};
        http_decode(out, (struct slice){escaped, sizeof escaped});
    }
}

/* On a real server a binary broadcast raises as soon as a V1 socket has joined the topic. */
static bool v1_has_joined(const struct server *server, struct slice topic)
{
    const struct peer *p = server->peers;
    while (p != NULL && !peer_is_v1_subscriber(p, topic)) {
        p = p->next;
    }
    return p != NULL;
}

static int post_broadcast_bin(const struct order *order, struct buf *answer)
{
    struct buf topic = {0};
    struct buf event = {0};
    struct buf hex = {0};
    struct buf data = {0};
    int status = 200;
    if (!broadcast_query(order, &topic, &event) ||
        !http_query(order->request->query, "hex", &hex)) {
        status = refuse(answer, 400, "expected /broadcast_bin?topic=TOPIC&event=EVENT&hex=DATA");
    } else if (v1_has_joined(order->server, buf_all(&topic))) {
        status = refuse(answer, 500, "a V1 socket has joined this topic");
    } else {
        decode_hex(buf_all(&hex), &data);
        struct broadcast what = {buf_all(&topic), event.data, buf_all(&data), true};
        answer_count(answer, "received", server_broadcast(order->server, &what, NULL));
    }
    buf_deinit(&topic);
    buf_deinit(&event);
    buf_deinit(&hex);
    buf_deinit(&data);
    return status;
}

static int post_kick_id(const struct order *order, struct buf *answer)
{
    struct buf id = {0};
    if (!http_query(order->request->query, "id", &id) || id.len == 0) {
        buf_deinit(&id);
        return refuse(answer, 400, "expected /kick_id?id=ID");
    }
    answer_count(answer, "kicked", server_kick(order->server, id.data));
    buf_deinit(&id);
    return 200;
}

/* -- routes */

static const struct {
    const char *name;
    bool argument; /* a second part of the path */
    bool lab;
    int (*get)(struct server *server, const struct http_request *request, struct buf *answer);
    int (*post)(const struct order *order, struct buf *answer);
} ROUTES[] = {
    {"readings", false, false, get_readings, NULL},
    {"sockets", false, false, get_sockets, NULL},
    {"healthz", false, false, get_health, NULL},
    {"control", true, false, NULL, post_control},
    {"kick", true, false, NULL, post_kick},
    {"reset", false, false, NULL, post_reset},
    {"fault", false, false, NULL, post_fault},
    {"stop", false, false, NULL, post_stop},
    {"nerves", true, false, get_nerves, post_nerves},
    {"broadcast", false, true, NULL, post_broadcast},
    {"broadcast_bin", false, true, NULL, post_broadcast_bin},
    {"kick_id", false, true, NULL, post_kick_id},
};
enum { ROUTE_COUNT = sizeof ROUTES / sizeof *ROUTES };

static size_t find_route(const struct server *server, const struct slice *parts, size_t count)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (count == (ROUTES[i].argument ? 2 : 1) && slice_eq(parts[0], ROUTES[i].name) &&
            (server->options.lab || !ROUTES[i].lab)) {
            return i;
        }
    }
    return ROUTE_COUNT;
}

static int run_post(struct order *order, size_t route, struct slice body, struct buf *answer)
{
    struct json_doc doc;
    int status = check_post(order->request, answer);
    if (status != 0) {
        return status;
    }
    if (json_parse(&doc, body.len > 0 ? body.data : "{}", body.len > 0 ? body.len : 2) != 0) {
        return refuse(answer, 400, "the body is not JSON");
    }
    order->body = doc.root;
    if (doc.root->type != JSON_OBJECT) {
        status = refuse(answer, 400, "expected a JSON object");
    } else {
        status = ROUTES[route].post(order, answer);
    }
    json_deinit(&doc);
    return status;
}

int control_handle(struct server *server, const struct http_request *request, struct slice body,
                   struct buf *answer)
{
    struct slice parts[3];
    size_t count = http_path_parts(request->path, parts, 3);
    size_t route = find_route(server, parts, count);
    if (route == ROUTE_COUNT) {
        return 404;
    }
    if (slice_eq(request->method, "GET") && ROUTES[route].get != NULL) {
        return ROUTES[route].get(server, request, answer);
    }
    if (slice_eq(request->method, "POST") && ROUTES[route].post != NULL) {
        struct order order = {server, request, count > 1 ? parts[1] : (struct slice){0}, NULL};
        return run_post(&order, route, body, answer);
    }
    return refuse(answer, 405, ROUTES[route].get != NULL ? "expected GET" : "expected POST");
}
