/*
 * The person at NervesHub's console of a device: what is typed goes to the device, what the device
 * prints comes by app_nerves.c.
 */
#include "app_nerves.h"

static struct slice device_of(const struct channel *ch)
{
    static const size_t prefix = sizeof NERVES_USER_TOPIC - 1;
    struct slice topic = channel_topic(ch);
    return (struct slice){topic.data + prefix, topic.len - prefix};
}

static void user_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    const struct nerves_client *c = channel_app_ctx(ch);
    (void)payload;
    if (nerves_device_find(c->nerves, device_of(ch)) != NULL) {
        return;
    }
    result->status = JOIN_ERROR;
    buf_str(&result->response, "{\"reason\":\"no such device\"}");
}

static void user_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    static const char *const TYPED[] = {"dn",        "window_size",    "restart", "file-data/start",
                                        "file-data", "file-data/stop", NULL};
    const struct nerves_client *c = channel_app_ctx(ch);
    const struct nerves_device *device = nerves_device_find(c->nerves, device_of(ch));
    size_t i = 0;
    while (TYPED[i] != NULL && !json_is_text(event, TYPED[i])) {
        i++;
    }
    if (TYPED[i] == NULL || device == NULL) {
        channel_stop(ch, STOP_CRASH);
        return;
    }
    struct buf text = {0};
    json_write(&text, payload);
    struct broadcast what = {slice_of("console"), TYPED[i], buf_all(&text), false};
    c->nerves->deliver(c->nerves->deliver_ctx, device, &what);
    buf_deinit(&text);
    channel_reply(ch, "ok", "{}");
}

static const struct channel_app user_app = {
    .pattern = NERVES_USER_TOPIC "*", .join = user_join, .handle_in = user_in};

const struct channel_app *const nerves_user_apps[] = {&user_app, NULL};
