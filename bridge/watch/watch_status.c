/*
 * The picture as JSON for `mcu-bridge status`, and the verdict: what of the configuration is not
 * up. How it is shown is status.c's.
 */
#include "watch_text.h"

#include <stdio.h>
#include <string.h>

static bool is_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void member(struct watch_text *text, const char *key, const char *value)
{
    watch_put(text, "\"");
    watch_put(text, key);
    watch_put(text, "\":");
    if (value == NULL)
        watch_put(text, "null");
    else
        watch_put_json(text, value);
    watch_put(text, ",");
}

static void number(struct watch_text *text, const char *key, uint64_t value)
{
    watch_put(text, "\"");
    watch_put(text, key);
    watch_put(text, "\":");
    watch_put_whole(text, value);
    watch_put(text, ",");
}

/* Puts what ends a list of members or elements in place of the last comma. */
static void end(struct watch_text *text, const char *with)
{
    if (!text->failed && text->n > 0 && text->at[text->n - 1] == ',')
        text->n--;
    watch_put(text, with);
}

/* -- What is down. */

static const char *lane_trouble(const struct watch_lane *lane)
{
    if (lane->port == NULL)
        return "its board is not there";
    if (lane->has_server && lane->server != WATCH_CHANNEL_JOINED)
        return "its channel is not joined";
    if (lane->has_hub && !lane->hub_joined)
        return "it is not joined at NervesHub";
    return NULL;
}

static const char *lane_why(const struct watch_lane *lane)
{
    bool is_hub = lane->port != NULL && lane->has_hub && !lane->hub_joined &&
                  (!lane->has_server || lane->server == WATCH_CHANNEL_JOINED);
    return is_hub && is_text(lane->hub_trouble) ? lane->hub_trouble : lane->error;
}

/* A port is as good as the MCUs: one that is not there may be the reason why a board is missing,
 * and is a spare one when none is. A board that is not served, because it
 * is refused or floods, needs somebody. */
static const char *port_trouble(const struct watch_port *port, bool boards_missing)
{
    switch (port->state) {
    case WATCH_LINK_CLOSED:
        return boards_missing ? "not open" : NULL;
    case WATCH_LINK_LENT:
        return boards_missing ? "lent to a flasher" : NULL;
    case WATCH_LINK_HELD:
        return "its board is not served";
    case WATCH_LINK_ASKING:
    case WATCH_LINK_SERVING:
    case WATCH_LINK_COUNT:
        break;
    }
    return NULL;
}

static bool boards_missing(const struct watch *watch)
{
    size_t there = 0;
    for (size_t i = 0; i < watch->lane_count; i++)
        there += watch->lanes[i].port != NULL;
    return there < watch->lane_count;
}

static void tell(void (*down)(void *user, const char *line), void *user, const char *kind,
                 const char *name, const char *what, const char *why)
{
    char line[3 * WATCH_ERROR_MAX];
    snprintf(line, sizeof line, "%s %.100s: %s%s%.150s%s", kind, name, what,
             is_text(why) ? " (" : "", is_text(why) ? why : "", is_text(why) ? ")" : "");
    down(user, line);
}

static void each_down(const struct watch *watch, void (*down)(void *user, const char *line),
                      void *user)
{
    if (watch->process.stopping)
        down(user, "the bridge is stopping");
    if (watch->process.has_spool && watch->process.spool.failing)
        down(user, "spool: it cannot be written; boards keep their readings meanwhile (is the disk "
                   "full?)");
    if (watch->process.has_spool && watch->process.spool.faulty > 0)
        down(user,
             "spool: some boards' readings cannot be stored by a fault of mcu-bridge: its log "
             "says which");
    bool missing = boards_missing(watch);
    for (size_t i = 0; i < watch->port_count; i++) {
        const char *what = port_trouble(&watch->ports[i], missing);
        if (what != NULL)
            tell(down, user, "port", watch->ports[i].name, what, watch->ports[i].trouble);
    }
    for (size_t i = 0; i < watch->lane_count; i++) {
        const char *what = lane_trouble(&watch->lanes[i]);
        if (what != NULL)
            tell(down, user, "MCU", watch->lanes[i].name, what, lane_why(&watch->lanes[i]));
    }
}

struct verdict {
    struct watch_text *text;
    bool is_good;
};

static void add_line(void *user, const char *line)
{
    struct verdict *verdict = user;
    verdict->is_good = false;
    watch_put(verdict->text, line);
    watch_put(verdict->text, "\n");
}

bool watch_health(struct watch_text *text, const struct watch *watch)
{
    struct verdict verdict = {text, true};
    each_down(watch, add_line, &verdict);
    return verdict.is_good;
}

static void add_element(void *user, const char *line)
{
    struct verdict *verdict = user;
    verdict->is_good = false;
    watch_put_json(verdict->text, line);
    watch_put(verdict->text, ",");
}

/* -- The JSON. */

static void put_port(struct watch_text *text, const struct watch_port *port)
{
    watch_put(text, "{");
    member(text, "name", port->name);
    member(text, "path", port->path);
    member(text, "state", watch_link_text(port->state));
    member(text, "error", is_text(port->trouble) ? port->trouble : NULL);
    number(text, "bad_frames", port->bad_frames);
    number(text, "retransmits", port->resent);
    end(text, "},");
}

static void put_commands(struct watch_text *text, const struct watch_lane *lane)
{
    uint64_t other = 0;
    for (size_t i = 0; i < COMMANDS_OUTCOME_COUNT; i++)
        if (i != COMMANDS_DONE)
            other += lane->outcomes[i];
    watch_put(text, "\"commands\":{");
    number(text, "done", lane->outcomes[COMMANDS_DONE]);
    number(text, "not_done", other);
    end(text, "},");
}

static void put_hub(struct watch_text *text, const struct watch_lane *lane)
{
    if (!lane->has_hub)
        return;
    watch_put(text, "\"nerveshub\":{");
    member(text, "state", lane->hub_joined ? "joined" : "not joined");
    member(text, "uuid", is_text(lane->hub_uuid) ? lane->hub_uuid : NULL);
    member(text, "version", is_text(lane->hub_version) ? lane->hub_version : NULL);
    member(text, "update", lane->hub_stage);
    member(text, "update_uuid", is_text(lane->hub_coming) ? lane->hub_coming : NULL);
    if (lane->hub_percent != WATCH_NONE)
        number(text, "update_percent", lane->hub_percent);
    number(text, "updates", lane->hub_updated);
    number(text, "updates_failed", lane->hub_failed);
    member(text, "trouble", is_text(lane->hub_trouble) ? lane->hub_trouble : NULL);
    end(text, "},");
}

static void put_lane(struct watch_text *text, const struct watch_lane *lane)
{
    watch_put(text, "{");
    member(text, "name", lane->name);
    member(text, "device", lane->port != NULL ? lane->device : NULL);
    member(text, "port", lane->port);
    member(text, "path", lane->path);
    member(text, "link", lane->port != NULL ? "up" : "down");
    member(text, "server", lane->has_server ? watch_channel_text(lane->server) : NULL);
    number(text, "readings_in", lane->received);
    number(text, "readings_out", lane->replied);
    number(text, "waiting", lane->waiting);
    number(text, "on_disk", lane->spooled == WATCH_NONE ? 0 : lane->spooled);
    watch_put(text, "\"oldest_unsent_s\":");
    if (lane->oldest_us == WATCH_NONE)
        watch_put(text, "null");
    else
        watch_put_micro(text, lane->oldest_us);
    watch_put(text, ",");
    put_commands(text, lane);
    put_hub(text, lane);
    member(text, "error", is_text(lane->error) ? lane->error : NULL);
    if (is_text(lane->error))
        number(text, "error_age_s", lane->error_age_ms / 1000);
    end(text, "},");
}

void watch_status(struct watch_text *text, const struct watch *watch)
{
    struct verdict verdict = {text, true};
    watch_put(text, "{");
    member(text, "version", watch->process.version);
    number(text, "uptime_s", watch->process.uptime_ms / 1000);
    watch_put(text, "\"down\":[");
    each_down(watch, add_element, &verdict);
    end(text, "],\"ports\":[");
    for (size_t i = 0; i < watch->port_count; i++)
        put_port(text, &watch->ports[i]);
    end(text, "],\"mcus\":[");
    for (size_t i = 0; i < watch->lane_count; i++)
        put_lane(text, &watch->lanes[i]);
    end(text, "]}\n");
}
