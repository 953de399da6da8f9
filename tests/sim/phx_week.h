/*
 * phx_week.h - the server of phx_week.c, the network to it, and what is still to happen, in order.
 */
#ifndef PHX_WEEK_H
#define PHX_WEEK_H

#include "phx.h"

#define WEEK_START_MS 1000000u

enum event_kind {
    EV_OPENED,  /* the connection stands */
    EV_TEXT,    /* a message reaches the client */
    EV_CLOSED,  /* the end reaches the client: a close code, or an HTTP status */
    EV_WRITE,   /* the client's network takes a message */
    EV_LIVE,    /* the caller does something */
    EV_SERVER,  /* the server goes on with what it has got */
    EV_WEATHER, /* something goes wrong */
};

struct event {
    uint64_t at, order;
    enum event_kind kind;
    unsigned conn; /* 0: of none */
    int code;
    uint32_t asked_ms; /* Retry-After */
    char *text;        /* the taker's to free */
    size_t len;
};

struct week_totals {
    unsigned attempts, ends, joins, pushes, replies, lost, late, calms;
};

struct week {
    uint64_t now, seed, random;
    struct {
        unsigned id; /* 0: none */
        bool open;
    } conn;
};

void week_begin(struct week *week, uint64_t seed, enum phx_vsn vsn);
void week_end(void);
unsigned week_draw(unsigned below);
/* phx_week.c's: once in `n` in bad times. */
bool week_fault(unsigned n);

/* Of the connection that there is now, except EV_WRITE, EV_LIVE and EV_WEATHER. `text` is copied.
 */
void week_schedule(uint64_t after_ms, enum event_kind kind, const char *text, size_t len);
uint64_t week_next_at(void); /* UINT64_MAX: nothing */
struct event week_take(void);
void week_put_back(struct event *event, uint64_t at); /* in the order in which they come back */

void week_server_attempt(void);
void week_server_gets(const char *text, size_t len);
void week_server_closes(int code, uint64_t after_ms);
void week_server_forgets(void); /* there is no connection any more */
void week_server_event(const struct event *event);
bool week_server_has(const char *topic); /* a channel */

#endif
