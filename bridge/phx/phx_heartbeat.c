/*
 * phx_heartbeat.c - heartbeats of a socket: when they go, what their replies prove, and when their
 * absence ends the connection. What follows such an end is in phx_machine.c.
 */
#include "phx_core.h"

#include <stdio.h>

/* It overtakes what is queued, and so says nothing about that. */
static bool send_heartbeat(struct phx_machine *m, uint64_t now)
{
    struct phx_frame_out frame = {
        .ref = m->last_ref + 1,
        .topic = phx_text_of("phoenix"),
        .event = phx_text_of("heartbeat"),
        .payload = phx_text_of("{}"),
    };
    struct phx_send *send = phx_machine_encode(m, &frame);
    uint64_t unsent = phx_queue_least_ref(&m->queue);

    if (!send)
        return false;
    m->heartbeat_covers = unsent <= m->last_ref ? unsent - 1 : m->last_ref;
    if (m->heartbeat_ref == 0) {
        m->heartbeat_oldest = m->last_ref + 1;
        m->heartbeat_asked = now;
    }
    m->heartbeat_ref = ++m->last_ref;
    m->heartbeat_sent = now;
    phx_queue_put_first(&m->queue, send);
    m->io.want_write(m->io.user);
    return true;
}

bool phx_machine_is_joining(const struct phx_machine *m)
{
    for (const struct phx_channel *channel = m->channels; channel; channel = channel->next)
        if (phx_channel_is_asking(channel))
            return true;
    return false;
}

bool phx_machine_is_doubtful(const struct phx_machine *m, uint64_t now)
{
    uint64_t third = m->settings.heartbeat_timeout_ms / 3;

    if (m->state != PHX_UP)
        return false;
    return m->heartbeat_ref ? now - m->heartbeat_asked > third : now > m->due + third;
}

static void wait_for_reply(struct phx_machine *m, uint64_t limit)
{
    m->heartbeat_limit = limit;
    phx_machine_set_state(m, PHX_UP, limit);
}

/* One overtaken by a probe says nothing new but that the server lives. */
static void on_overtaken_reply(struct phx_machine *m, uint64_t ref, uint64_t now)
{
    m->heartbeat_oldest = ref + 1;
    m->heartbeat_asked = m->heartbeat_sent;
    if (m->state == PHX_UP)
        wait_for_reply(m, now + m->settings.heartbeat_timeout_ms);
}

void phx_heartbeat_reply(struct phx_machine *m, const struct phx_frame *frame, uint64_t now)
{
    if (m->heartbeat_ref == 0 || frame->ref > m->heartbeat_ref || frame->ref < m->heartbeat_oldest)
        return;
    if (frame->ref < m->heartbeat_ref) {
        on_overtaken_reply(m, frame->ref, now);
        return;
    }
    m->heartbeat_ref = 0;
    m->heard_ref = m->heartbeat_covers;
    if (m->state == PHX_UP)
        phx_machine_set_state(m, PHX_UP, m->heartbeat_sent + m->settings.heartbeat_ms);
    for (struct phx_channel *channel = m->channels; channel; channel = channel->next)
        phx_channel_heard(channel, now);
    if (m->events.heartbeat)
        m->events.heartbeat(m->events.user);
}

/* A server answers nothing while an application's join runs, for however long. To give up at the
 * usual time would end that join and start it again, for ever; so each such end makes the next one
 * come later. */
static void heartbeat_late(struct phx_machine *m, uint64_t now)
{
    uint64_t patience = m->patience_ms, more = m->settings.heartbeat_timeout_ms;
    char text[80];
    bool joining = phx_machine_is_joining(m);

    if (joining && now < m->heartbeat_limit + patience) {
        phx_machine_set_state(m, PHX_UP, m->heartbeat_limit + patience);
        return;
    }
    if (joining) {
        patience = patience * 2 > more ? patience * 2 : more;
        m->patience_ms = patience < PHX_PATIENCE_MAX_MS ? (uint32_t)patience : PHX_PATIENCE_MAX_MS;
    }
    snprintf(text, sizeof text, "no reply to a heartbeat within %llu ms",
             (unsigned long long)(now - m->heartbeat_asked));
    phx_machine_give_up(m, PHX_CAUSE_HEARTBEAT, text, now);
}

void phx_heartbeat_due(struct phx_machine *m, uint64_t now)
{
    if (m->heartbeat_ref)
        heartbeat_late(m, now);
    else if (send_heartbeat(m, now))
        wait_for_reply(m, now + m->settings.heartbeat_timeout_ms);
    else
        phx_machine_give_up(m, PHX_CAUSE_HEARTBEAT, "out of memory for a heartbeat", now);
}

/* One under way is overtaken: its reply may have been on the way for long. It is still what the
 * time-out counts from, or probes could put that off for ever. */
void phx_machine_probe(struct phx_machine *m, uint64_t now)
{
    bool waiting = m->heartbeat_ref != 0;

    if (m->state == PHX_UP && send_heartbeat(m, now) && !waiting)
        wait_for_reply(m, now + m->settings.heartbeat_timeout_ms);
}

void phx_machine_ask(struct phx_machine *m, uint64_t now)
{
    uint64_t due = m->due;

    if (m->state == PHX_UP && m->heartbeat_ref == 0 && send_heartbeat(m, now))
        wait_for_reply(m, due + m->settings.heartbeat_timeout_ms);
}
