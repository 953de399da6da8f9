/*
 * A run of either way: begun, told how far it is, ended once, on the loop. How a file gets into a
 * board is flasher_in_band.c's and flasher_command.c's.
 *
 *   IDLE --start--> RUNNING --flasher_done--> ENDED --next turn of the loop--> IDLE, events.done
 */
#include "flasher_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 100

enum state { IDLE, RUNNING, ENDED };

struct flasher {
    struct loop *loop;
    struct flasher_events events;
    const struct flasher_way *way;
    void *way_state;
    uv_timer_t timer; /* RUNNING: each LOOK_MS; ENDED: at once */
    enum state state;
    int percent; /* as last told; -1: not yet */
    bool touched, well, for_good;
    char *why; /* of the end that is to be told; NULL: well, or out of memory for it */
};

static void tell_done(struct flasher *flasher)
{
    char *why = flasher->why;
    const char *said = why != NULL ? why : "out of memory for the reason";
    flasher->why = NULL;
    flasher->way->clear(flasher->way_state);
    flasher->state = IDLE;
    uv_timer_stop(&flasher->timer);
    flasher->events.done(flasher->events.user, flasher->well ? NULL : said, flasher->for_good);
    free(why);
}

static void on_time(uv_timer_t *timer)
{
    struct flasher *flasher = timer->data;
    switch (flasher->state) {
    case RUNNING:
        flasher->way->look(flasher->way_state, loop_now_ms(flasher->loop));
        break;
    case ENDED:
        tell_done(flasher);
        break;
    case IDLE:
        break;
    }
}

void flasher_touches(struct flasher *flasher)
{
    flasher->touched = true;
}

bool flasher_has_touched(const struct flasher *flasher)
{
    return flasher->touched;
}

void flasher_progress(struct flasher *flasher, unsigned percent)
{
    if (flasher->state != RUNNING || (int)percent <= flasher->percent)
        return;
    flasher->percent = (int)percent;
    flasher->events.progress(flasher->events.user, percent);
}

void flasher_done(struct flasher *flasher, const char *why, bool for_good)
{
    if (flasher->state != RUNNING)
        return;
    flasher->state = ENDED;
    flasher->well = why == NULL;
    flasher->for_good = for_good;
    flasher->why = why != NULL ? strdup(why) : NULL;
    uv_timer_start(&flasher->timer, on_time, 0, 0);
}

struct flasher *flasher_new(const struct flasher_options *options,
                            const struct flasher_events *events, char *why, size_t why_cap)
{
    struct flasher *flasher = calloc(1, sizeof *flasher);
    if (flasher == NULL) {
        snprintf(why, why_cap, "out of memory");
        return NULL;
    }
    flasher->loop = options->loop;
    flasher->events = *events;
    flasher->way = options->words != NULL ? &flasher_by_command : &flasher_in_band;
    flasher->way_state = options->words != NULL
                             ? flasher_by_command_open(flasher, options, why, why_cap)
                             : flasher_in_band_open(flasher, options, why, why_cap);
    if (flasher->way_state == NULL) {
        free(flasher);
        return NULL;
    }
    uv_timer_init(&flasher->loop->uv, &flasher->timer);
    flasher->timer.data = flasher;
    return flasher;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void flasher_free(struct flasher *flasher)
{
    if (flasher == NULL)
        return;
    flasher->state = IDLE;
    flasher->way->clear(flasher->way_state);
    flasher->way->close(flasher->way_state);
    free(flasher->why);
    flasher->why = NULL;
    uv_close((uv_handle_t *)&flasher->timer, on_closed);
}

int flasher_start(struct flasher *flasher, struct port *port, const char *file, char *why,
                  size_t why_cap)
{
    if (flasher->state != IDLE) {
        snprintf(why, why_cap, "a firmware is being flashed already; wait until that has ended");
        return -1;
    }
    flasher->state = RUNNING;
    flasher->touched = false;
    flasher->percent = -1;
    if (flasher->way->start(flasher->way_state, port, file, why, why_cap) != 0) {
        flasher->state = IDLE;
        return -1;
    }
    if (flasher->state == RUNNING)
        uv_timer_start(&flasher->timer, on_time, LOOK_MS, LOOK_MS);
    return 0;
}

bool flasher_is_running(const struct flasher *flasher)
{
    return flasher->state != IDLE;
}

void flasher_board(struct flasher *flasher, struct port *port)
{
    if (flasher->state == RUNNING)
        flasher->way->board(flasher->way_state, port);
}

void flasher_board_lost(struct flasher *flasher)
{
    if (flasher->state == RUNNING)
        flasher->way->board_lost(flasher->way_state);
}

void flasher_stop(struct flasher *flasher)
{
    if (flasher->state == RUNNING)
        flasher->way->stop(flasher->way_state);
}
