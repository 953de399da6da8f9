/*
 * The table of sockets and the decision on an upgrade: everything before the WebSocket handshake
 * itself, which is session.c's.
 */
#include "mounts.h"

#include "app_lab.h"
#include "app_nerves.h"
#include "auth_token.h"

#include <stdlib.h>
#include <string.h>

const char JSON_BAD_REQUEST[] = "{\"errors\":{\"detail\":\"Bad Request\"}}";
const char JSON_SERVER_ERROR[] = "{\"errors\":{\"detail\":\"Internal Server Error\"}}";

enum {
    SMALL_FRAME = 1000,
    SHORT_IDLE_MS = 3000,
    SHORT_POLL_MS = 2000,
    SHORT_TOKEN_MS = 4000,
    MAX_PARTS = 8
};

#define USER(path_)     .path = path_, .connect = CONNECT_USER, .apps = user_channel_apps
#define LAB_USER(path_) USER(path_), .lab = true

static const struct mount MOUNTS[] = {
    {.path = "/microcontrollers/websocket",
     .connect = CONNECT_MC,
     .apps = mc_channel_apps,
     .max_frame = MOUNT_MAX_FRAME},
    {USER("/socket/websocket"), .max_frame = MOUNT_MAX_FRAME},
    {.path = "/device_socket/websocket",
     .connect = CONNECT_ANY,
     .apps = device_channel_apps,
     .max_frame = MOUNT_MAX_FRAME},
    {LAB_USER("/socket_short/websocket"), .max_frame = MOUNT_MAX_FRAME, .idle_ms = SHORT_IDLE_MS,
     .poll_ms = SHORT_POLL_MS, .token_age_ms = SHORT_TOKEN_MS},
    {LAB_USER("/socket_small/websocket"), .max_frame = SMALL_FRAME},
    {LAB_USER("/socket_z/websocket"), .max_frame = MOUNT_MAX_FRAME, .compress = true},
    {LAB_USER("/socket_v1only/websocket"), .max_frame = MOUNT_MAX_FRAME, .v1_only = true},
    {LAB_USER("/socket_eh/websocket"), .max_frame = MOUNT_MAX_FRAME, .error_handler = true},
    {LAB_USER("/socket_sub/websocket"), .max_frame = MOUNT_MAX_FRAME, .protocol = "lab.v1"},
    {LAB_USER("/socket_origin/websocket"), .max_frame = MOUNT_MAX_FRAME,
     .origin = "allowed.example"},
    {LAB_USER("/socket_auth/websocket"), .max_frame = MOUNT_MAX_FRAME, .auth_token = true},
    {LAB_USER("/socket_auth_sub/websocket"), .max_frame = MOUNT_MAX_FRAME, .auth_token = true,
     .protocol = "lab.v1"},
    {LAB_USER("/custom/ws/*"), .max_frame = MOUNT_MAX_FRAME},
};

static const struct mount NERVES_MOUNTS[] = {
    {.path = "/device-socket/websocket",
     .connect = CONNECT_NERVES,
     .apps = nerves_channel_apps,
     .v2_only = true,
     .compress = true,
     .max_frame = MOUNT_MAX_FRAME},
    {.path = "/user/websocket",
     .connect = CONNECT_NERVES_USER,
     .apps = nerves_user_apps,
     .v2_only = true,
     .origin = "no.page.is.let.in",
     .max_frame = MOUNT_MAX_FRAME},
    {.path = "/socket/websocket",
     .connect = CONNECT_NERVES,
     .apps = nerves_channel_apps,
     .v2_only = true,
     .compress = true,
     .max_frame = MOUNT_MAX_FRAME},
};

/* -- paths */

static bool path_matches(const char *pattern, const struct slice *parts, size_t count)
{
    struct slice rest = slice_of(pattern + 1);
    for (size_t i = 0; i < count; i++) {
        if (rest.len == 0) {
            return false;
        }
        struct slice want = slice_next(&rest, '/');
        bool any = want.len == 1 && want.data[0] == '*';
        bool same = want.len == parts[i].len && memcmp(want.data, parts[i].data, want.len) == 0;
        if (!any && !same) {
            return false;
        }
    }
    return rest.len == 0;
}

static const struct mount *find(const struct slice *parts, size_t count, bool lab)
{
    for (size_t i = 0; i < sizeof MOUNTS / sizeof *MOUNTS; i++) {
        if ((lab || !MOUNTS[i].lab) && path_matches(MOUNTS[i].path, parts, count)) {
            return &MOUNTS[i];
        }
    }
    return NULL;
}

const struct mount *mount_find_nerves(struct slice path, bool tls)
{
    struct slice parts[MAX_PARTS];
    size_t count = http_path_parts(path, parts, MAX_PARTS);
    for (size_t i = 0; i < (tls ? 3 : 2); i++) {
        if (count == 2 && path_matches(NERVES_MOUNTS[i].path, parts, count)) {
            return &NERVES_MOUNTS[i];
        }
    }
    return NULL;
}

const struct mount *mount_find(struct slice path, bool lab)
{
    struct slice parts[MAX_PARTS];
    size_t count = http_path_parts(path, parts, MAX_PARTS);
    return count > 0 && count < MAX_PARTS ? find(parts, count, lab) : NULL;
}

const struct mount *mount_find_longpoll(struct slice path, bool lab)
{
    struct slice parts[MAX_PARTS];
    size_t count = http_path_parts(path, parts, MAX_PARTS);
    if (count != 2 || !slice_eq(parts[1], "longpoll")) {
        return NULL;
    }
    parts[1] = slice_of("websocket");
    const struct mount *mount = find(parts, count, lab);
    return mount != NULL && mount->max_frame != SMALL_FRAME ? mount : NULL;
}

/* -- checks */

/* The host of "http://host:port"; empty when there is no scheme. */
static struct slice origin_host(struct slice origin)
{
    const char *start = memmem(origin.data, origin.len, "://", 3);
    if (start == NULL) {
        return (struct slice){0};
    }
    struct slice rest = {start + 3, origin.len - (size_t)(start + 3 - origin.data)};
    return slice_next(&rest, ':');
}

bool mount_origin_ok(const struct mount *mount, const struct http_request *request)
{
    struct slice origin = http_header(request, "origin");
    if (mount->origin == NULL || origin.data == NULL) {
        return true;
    }
    struct slice host = origin.len > 0 ? origin_host(origin) : (struct slice){0};
    return host.len > 0 && slice_eq(host, mount->origin);
}

static bool has_protocol(const struct mount *mount, struct slice name)
{
    return (mount->protocol != NULL && slice_eq(name, mount->protocol)) ||
           (mount->auth_token && slice_eq(name, "phoenix"));
}

struct slice mount_protocol(const struct mount *mount, const struct http_request *request)
{
    struct slice rest = http_header(request, "sec-websocket-protocol");
    while (rest.len > 0) {
        struct slice name = slice_trim(slice_next(&rest, ','));
        if (has_protocol(mount, name)) {
            return name;
        }
    }
    return (struct slice){0};
}

/* Offering only tokens is offering nothing. */
static bool offers_protocols(const struct mount *mount, const struct http_request *request)
{
    struct slice rest = http_header(request, "sec-websocket-protocol");
    while (rest.len > 0) {
        struct slice name = slice_trim(slice_next(&rest, ','));
        if (!mount->auth_token || !auth_token_is(name)) {
            return true;
        }
    }
    return false;
}

static bool protocol_ok(const struct mount *mount, const struct http_request *request,
                        bool longpoll)
{
    bool ignored = longpoll || (mount->protocol == NULL && !mount->auth_token);
    return ignored || !offers_protocols(mount, request) ||
           mount_protocol(mount, request).data != NULL;
}

static bool take_token(const struct connect_request *request, struct connect_result *result)
{
    enum auth_token found = AUTH_NONE;
    if (request->mount->auth_token && request->longpoll) {
        struct slice token = http_header(request->http, "x-phoenix-authtoken");
        found = token.data != NULL ? AUTH_FOUND : AUTH_NONE;
        buf_slice(&result->token, token);
    } else if (request->mount->auth_token) {
        found = auth_token_of(request->http, &result->token);
    }
    result->has_token = found == AUTH_FOUND;
    if (found == AUTH_BAD) {
        result->status = 500;
        result->body = JSON_SERVER_ERROR;
    }
    return found != AUTH_BAD;
}

/* "1.0.x" or "2.0.x" with x a whole number. */
static bool parse_vsn(struct slice text, enum vsn *vsn)
{
    if (text.len < 5 || memcmp(text.data + 1, ".0.", 3) != 0) {
        return false;
    }
    struct slice patch = {text.data + 4, text.len - 4};
    if (!json_is_number_text(patch) || memchr(patch.data, '.', patch.len) != NULL ||
        patch.data[0] == '-' || memchr(patch.data, 'e', patch.len) != NULL) {
        return false;
    }
    *vsn = text.data[0] == '1' ? VSN_1 : VSN_2;
    return text.data[0] == '1' || text.data[0] == '2';
}

static bool negotiate_vsn(const struct connect_request *request, struct connect_result *result)
{
    struct buf text = {0};
    struct buf list = {0};
    bool ok = true;
    result->vsn = VSN_1;
    if (http_query(request->http->query, "vsn[]", &list)) {
        ok = false;
    } else if (http_query(request->http->query, "vsn", &text)) {
        ok = parse_vsn(buf_all(&text), &result->vsn) &&
             !(result->vsn == VSN_2 && request->mount->v1_only);
    }
    ok = ok && !(result->vsn == VSN_1 && request->mount->v2_only);
    bool crash = list.data != NULL && request->like == LIKE_17_COWBOY;
    result->status = ok ? 101 : crash ? 500 : 403;
    result->body = crash ? JSON_SERVER_ERROR : "";
    buf_deinit(&text);
    buf_deinit(&list);
    return ok;
}

/* -- connect */

static void connect_user(const struct connect_request *request, struct connect_result *result)
{
    struct buf wish = {0};
    struct buf user = {0};
    http_query(request->http->query, "connect", &wish);
    struct slice how = {wish.data, wish.len};
    bool handler = request->mount->error_handler;
    if (wish.len > 0 && slice_eq(how, "crash")) {
        result->status = 500;
        result->body = JSON_SERVER_ERROR;
    } else if (wish.len > 0 && slice_eq(how, "reason")) {
        result->status = handler ? 418 : 403;
        result->body = handler ? "teapot" : "";
    } else if (wish.len > 0 && slice_eq(how, "rate")) {
        result->status = handler ? 429 : 403;
        result->body = handler ? "Too many requests" : "";
        result->extra = handler ? "retry-after: 3\r\n" : NULL;
    } else if (wish.len > 0 && slice_eq(how, "error")) {
        result->status = 403;
    } else if (http_query(request->http->query, "user", &user)) {
        buf_str(&result->id, "user:");
        buf_add(&result->id, user.data, user.len);
    }
    buf_deinit(&wish);
    buf_deinit(&user);
}

static void connect_mc(const struct connect_request *request, struct connect_result *result)
{
    struct slice key = http_header(request->http, "x-api-key");
    if (key.data == NULL || !mc_keys_find(request->keys, key, &result->identity)) {
        result->status = 403;
        return;
    }
    buf_printf(&result->id, "microcontroller:%ld", result->identity.controller_id);
}

/* A certificate wins over a secret. */
static void connect_nerves(const struct connect_request *request, struct connect_result *result)
{
    struct nerves_auth auth = {.status = 101};
    if (request->cert_name[0] != '\0') {
        buf_str(&auth.identifier, request->cert_name);
    } else {
        nerves_authenticate(request->nerves, request->http, &auth);
        result->extra = auth.extra;
        result->body = auth.body;
    }
    result->status = auth.status;
    if (auth.status == 101) {
        struct slice host = http_header(request->http, "host");
        result->device = nerves_device_get(request->nerves, buf_all(&auth.identifier));
        result->status = result->device == NULL ? 503 : result->device->refused ? 401 : 101;
        buf_str(&result->id, "device_socket:");
        buf_slice(&result->id, buf_all(&auth.identifier));
        if (result->device != NULL) {
            result->device->host.len = 0;
            buf_slice(&result->device->host, host);
        }
    }
    buf_deinit(&auth.identifier);
}

static void connect_app(const struct connect_request *request, struct connect_result *result)
{
    switch (request->mount->connect) {
    case CONNECT_ANY:
    case CONNECT_NERVES_USER:
        break;
    case CONNECT_USER:
        connect_user(request, result);
        break;
    case CONNECT_MC:
        connect_mc(request, result);
        break;
    case CONNECT_NERVES:
        connect_nerves(request, result);
        break;
    }
}

void mount_connect(const struct connect_request *request, struct connect_result *result)
{
    struct buf params = {0};
    *result = (struct connect_result){.status = 403, .body = ""};
    if (!http_query_json(request->http->query, &params)) {
        result->status = 400;
        result->body = JSON_BAD_REQUEST;
    } else if (mount_origin_ok(request->mount, request->http) && take_token(request, result) &&
               protocol_ok(request->mount, request->http, request->longpoll) &&
               negotiate_vsn(request, result)) {
        connect_app(request, result);
    }
    buf_deinit(&params);
}
