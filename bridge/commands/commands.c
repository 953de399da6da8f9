/*
 * What a control update becomes. Whether the connection it came over is fresh is the lane's
 * knowledge, reading the update the profile's, the deadline within the MCU the protocol's.
 *
 *   asked -> checked -> waiting -> sent -> done | refused | unanswered
 *              |           |- replaced, expired, discarded
 *              '- unknown, wrong type, out of range, stale, no MCU
 */
#include "commands.h"

#include <math.h>
#include <string.h>

#define ANSWER_GRACE_MS       2000 /* beyond the deadline, for the way back */
#define SEND_RETRY_MS         20   /* while the link has no room or no clock yet */
#define FAILSAFE_PAUSE_MS     500  /* between tries; doubling to... */
#define FAILSAFE_PAUSE_MAX_MS 30000

const char *commands_outcome_text(enum commands_outcome outcome)
{
#define COMMANDS_X(NAME, name, text) text,
    static const char *const texts[] = {COMMANDS_OUTCOMES(COMMANDS_X)};
#undef COMMANDS_X
    return outcome < COMMANDS_OUTCOME_COUNT ? texts[outcome] : "unknown outcome";
}

const char *commands_outcome_name(enum commands_outcome outcome)
{
#define COMMANDS_X(NAME, name, text) name,
    static const char *const names[] = {COMMANDS_OUTCOMES(COMMANDS_X)};
#undef COMMANDS_X
    return outcome < COMMANDS_OUTCOME_COUNT ? names[outcome] : "unknown";
}

void commands_init(struct commands *commands, const struct commands_config *config,
                   const struct commands_io *io)
{
    *commands = (struct commands){.config = *config, .io = *io};
}

/* 0 is nobody's. */
static uint32_t next_number(struct commands *commands)
{
    if (++commands->last_number == 0)
        commands->last_number = 1;
    return commands->last_number;
}

/* -- Reports. */

static void report(struct commands *commands, struct commands_report *it)
{
    if (!it->failsafe)
        commands->counts[it->outcome]++;
    else if (it->outcome == COMMANDS_DONE)
        commands->failsafe_done++;
    else
        commands->failsafe_failed++;
    commands->io.ended(commands->io.user, it);
}

static void report_waiting(struct commands *commands, size_t control, enum commands_outcome outcome)
{
    struct commands_waiting *waiting = &commands->waiting[control];
    const struct mp_host_control *described = &commands->description->controls[control];
    waiting->is_set = false;
    report(commands,
           &(struct commands_report){
               .number = waiting->number,
               .name = described->name,
               .value = mp_value_to_physical(described->type, described->exponent, waiting->value),
               .outcome = outcome,
               .control = described,
           });
}

static void tell_on_way(struct commands *commands, const struct mp_host_control *control,
                        union mp_value value, uint32_t number, bool failsafe, bool sent)
{
    const struct commands_report it = {
        .number = number,
        .name = control->name,
        .value = mp_value_to_physical(control->type, control->exponent, value),
        .failsafe = failsafe,
        .control = control,
    };
    if (commands->io.on_way != NULL)
        commands->io.on_way(commands->io.user, &it, sent);
}

static void report_unsendable(struct commands *commands, const char *name, double value,
                              enum commands_outcome outcome, const struct mp_host_control *control)
{
    report(commands, &(struct commands_report){.number = commands->last_number,
                                               .name = name,
                                               .value = value,
                                               .outcome = outcome,
                                               .control = control});
}

static void failsafe_again(struct commands_waiting *waiting, uint64_t now_ms)
{
    waiting->failsafe_at_ms = now_ms + waiting->failsafe_pause_ms;
    waiting->failsafe_pause_ms *= 2;
    if (waiting->failsafe_pause_ms > FAILSAFE_PAUSE_MAX_MS)
        waiting->failsafe_pause_ms = FAILSAFE_PAUSE_MAX_MS;
}

/* A fail-safe that did not work is tried again and told once. */
static bool failsafe_ended(struct commands *commands, const struct commands_sent *sent,
                           enum commands_outcome outcome, uint64_t now_ms)
{
    struct commands_waiting *waiting = &commands->waiting[sent->control];
    if (outcome == COMMANDS_DONE) {
        waiting->failsafe_due = false;
        return true;
    }
    failsafe_again(waiting, now_ms);
    bool first = !waiting->failsafe_reported;
    waiting->failsafe_reported = true;
    return first;
}

static void end_sent(struct commands *commands, struct commands_sent *sent,
                     enum commands_outcome outcome, enum mp_status status, uint64_t now_ms)
{
    const struct mp_host_control *control = &commands->description->controls[sent->control];
    sent->used = false;
    if (sent->failsafe && !failsafe_ended(commands, sent, outcome, now_ms))
        return;
    report(commands,
           &(struct commands_report){
               .number = sent->number,
               .name = control->name,
               .value = mp_value_to_physical(control->type, control->exponent, sent->value),
               .outcome = outcome,
               .status = status,
               .failsafe = sent->failsafe,
               .took_ms = (uint32_t)(now_ms - sent->asked_ms),
               .control = control,
           });
}

/* -- The MCU and the channel come and go. */

static void drop_waiting(struct commands *commands, enum commands_outcome outcome)
{
    if (commands->description == NULL)
        return;
    for (size_t i = 0; i < commands->description->control_count; i++)
        if (commands->waiting[i].is_set)
            report_waiting(commands, i, outcome);
}

void commands_on_mcu(struct commands *commands, const struct mp_description *description,
                     bool (*holds)(void *user, const char *control), void *user, uint64_t now_ms)
{
    commands_on_mcu_gone(commands, now_ms);
    commands->description = description;
    memset(commands->waiting, 0, sizeof commands->waiting);
    for (size_t i = 0; i < description->control_count; i++)
        commands->waiting[i].hold = holds(user, description->controls[i].name);
    commands->loss_dealt_with = false;
    if (!commands->channel_up && !commands->channel_was_up)
        commands->lost_ms = now_ms;
}

void commands_on_mcu_gone(struct commands *commands, uint64_t now_ms)
{
    drop_waiting(commands, COMMANDS_MCU_LOST);
    for (size_t i = 0; i < COMMANDS_SENT_MAX; i++)
        if (commands->sent[i].used)
            end_sent(commands, &commands->sent[i], COMMANDS_MCU_LOST, MP_STATUS_DONE, now_ms);
    commands->description = NULL;
}

void commands_on_channel(struct commands *commands, bool up, uint64_t now_ms)
{
    if (commands->channel_up == up)
        return;
    commands->channel_up = up;
    commands->loss_dealt_with = false;
    if (up) {
        commands->channel_was_up = true;
        for (size_t i = 0; i < MP_HOST_CONTROLS_MAX; i++)
            commands->waiting[i].failsafe_due = false;
        return;
    }
    commands->lost_ms = now_ms;
    drop_waiting(commands, COMMANDS_CHANNEL_LOST);
}

void commands_on_gap(struct commands *commands)
{
    drop_waiting(commands, COMMANDS_STALE);
}

/* -- One value. */

static size_t find_control(const struct mp_description *description, const char *name)
{
    size_t i = 0;
    while (i < description->control_count && strcmp(description->controls[i].name, name) != 0)
        i++;
    return i;
}

/* A boolean control takes true, false, 0 and 1; a number is never taken from a boolean or from
 * text, because a motor should move only when a number was meant. */
static enum commands_outcome check(const struct mp_host_control *control, enum commands_value kind,
                                   double value, union mp_value *wire)
{
    if (kind == COMMANDS_OTHER || (kind == COMMANDS_BOOL && control->type != MP_TYPE_BOOL))
        return COMMANDS_TYPE;
    if (!isfinite(value) ||
        mp_value_to_wire(control->type, control->exponent, value, wire) != MP_OK ||
        !mp_value_in_range(control->type, *wire, control->min, control->max))
        return COMMANDS_RANGE;
    if (control->type == MP_TYPE_BOOL && value != 0 && value != 1)
        return COMMANDS_RANGE;
    return COMMANDS_DONE;
}

void commands_set(struct commands *commands, const char *name, enum commands_value kind,
                  double value, bool fresh, uint64_t now_ms)
{
    next_number(commands);
    if (kind == COMMANDS_OTHER)
        value = (double)NAN;
    if (commands->description == NULL) {
        report_unsendable(commands, name, value, COMMANDS_NO_MCU, NULL);
        return;
    }
    size_t i = find_control(commands->description, name);
    if (i == commands->description->control_count) {
        report_unsendable(commands, name, value, COMMANDS_UNKNOWN, NULL);
        return;
    }
    const struct mp_host_control *control = &commands->description->controls[i];
    union mp_value wire;
    enum commands_outcome checked = check(control, kind, value, &wire);
    if (checked == COMMANDS_DONE && !fresh)
        checked = COMMANDS_STALE;
    if (checked != COMMANDS_DONE) {
        report_unsendable(commands, name, value, checked, control);
        return;
    }
    struct commands_waiting *waiting = &commands->waiting[i];
    if (waiting->is_set)
        report_waiting(commands, i, COMMANDS_REPLACED);
    waiting->value = wire;
    waiting->asked_ms = now_ms;
    waiting->number = commands->last_number;
    waiting->is_set = true;
    tell_on_way(commands, control, wire, waiting->number, false, false);
}

/* -- Sending. */

static struct commands_sent *free_sent(struct commands *commands)
{
    for (size_t i = 0; i < COMMANDS_SENT_MAX; i++)
        if (!commands->sent[i].used)
            return &commands->sent[i];
    return NULL;
}

/* One value to be sent. */
struct sending {
    size_t control;
    union mp_value value;
    uint64_t asked_ms;
    uint32_t number; /* 0: a fail-safe value, which gets its own when it leaves */
    uint32_t ttl_ms;
};

/* Returns MP_OK, or why not (any enum mp_error). */
static int send_one(struct commands *commands, const struct sending *it, uint64_t now_ms)
{
    struct commands_sent *sent = free_sent(commands);
    if (sent == NULL)
        return MP_ERR_FULL;
    uint16_t request;
    int error =
        commands->io.send(commands->io.user, (uint8_t)it->control, it->value, it->ttl_ms, &request);
    if (error != MP_OK)
        return error;
    *sent = (struct commands_sent){
        .value = it->value,
        .asked_ms = it->asked_ms,
        .give_up_ms = now_ms + it->ttl_ms + ANSWER_GRACE_MS,
        .number = it->number != 0 ? it->number : next_number(commands),
        .request = request,
        .control = (uint8_t)it->control,
        .used = true,
        .failsafe = it->number == 0,
    };
    tell_on_way(commands, &commands->description->controls[it->control], it->value, sent->number,
                sent->failsafe, true);
    return MP_OK;
}

/* Returns when to look again. */
static uint64_t flush_waiting(struct commands *commands, size_t i, uint64_t now_ms)
{
    struct commands_waiting *waiting = &commands->waiting[i];
    uint64_t deadline_ms = waiting->asked_ms + commands->config.ttl_ms;
    if (now_ms >= deadline_ms) {
        report_waiting(commands, i, COMMANDS_EXPIRED);
        return UINT64_MAX;
    }
    const struct sending it = {i, waiting->value, waiting->asked_ms, waiting->number,
                               (uint32_t)(deadline_ms - now_ms)};
    int error = send_one(commands, &it, now_ms);
    if (error == MP_OK)
        waiting->is_set = false;
    else if (error == MP_ERR_BAD_VALUE)
        report_waiting(commands, i, COMMANDS_RANGE);
    else
        return now_ms + SEND_RETRY_MS;
    return UINT64_MAX;
}

static uint64_t flush_failsafe(struct commands *commands, size_t i, uint64_t now_ms)
{
    struct commands_waiting *waiting = &commands->waiting[i];
    if (now_ms < waiting->failsafe_at_ms)
        return waiting->failsafe_at_ms;
    const struct sending it = {i, commands->description->controls[i].failsafe, now_ms, 0,
                               commands->config.ttl_ms};
    int error = send_one(commands, &it, now_ms);
    if (error != MP_OK) {
        failsafe_again(waiting, now_ms);
        return waiting->failsafe_at_ms;
    }
    /* Until its end is known there is no second one under way. */
    waiting->failsafe_at_ms = now_ms + commands->config.ttl_ms + (uint64_t)2 * ANSWER_GRACE_MS;
    return waiting->failsafe_at_ms;
}

static void begin_failsafe(struct commands *commands, uint64_t now_ms)
{
    for (size_t i = 0; i < commands->description->control_count; i++) {
        struct commands_waiting *waiting = &commands->waiting[i];
        waiting->failsafe_due = !waiting->hold;
        waiting->failsafe_reported = false;
        waiting->failsafe_at_ms = now_ms;
        waiting->failsafe_pause_ms = FAILSAFE_PAUSE_MS;
    }
    commands->loss_dealt_with = true;
}

static uint64_t watch_channel(struct commands *commands, uint64_t now_ms)
{
    if (commands->channel_up || commands->loss_dealt_with)
        return UINT64_MAX;
    uint64_t due_ms = commands->lost_ms + commands->config.loss_ms;
    if (now_ms < due_ms)
        return due_ms;
    begin_failsafe(commands, now_ms);
    return UINT64_MAX;
}

static uint64_t give_up_unanswered(struct commands *commands, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < COMMANDS_SENT_MAX; i++) {
        struct commands_sent *sent = &commands->sent[i];
        if (sent->used && now_ms >= sent->give_up_ms)
            end_sent(commands, sent, COMMANDS_UNANSWERED, MP_STATUS_DONE, now_ms);
        else if (sent->used && sent->give_up_ms < next_ms)
            next_ms = sent->give_up_ms;
    }
    return next_ms;
}

uint64_t commands_flush(struct commands *commands, uint64_t now_ms)
{
    if (commands->description == NULL)
        return UINT64_MAX;
    uint64_t next_ms = watch_channel(commands, now_ms);
    uint64_t at_ms;
    for (size_t i = 0; i < commands->description->control_count; i++) {
        if (commands->waiting[i].is_set) {
            at_ms = flush_waiting(commands, i, now_ms);
            next_ms = at_ms < next_ms ? at_ms : next_ms;
        }
        if (commands->waiting[i].failsafe_due) {
            at_ms = flush_failsafe(commands, i, now_ms);
            next_ms = at_ms < next_ms ? at_ms : next_ms;
        }
    }
    at_ms = give_up_unanswered(commands, now_ms);
    return at_ms < next_ms ? at_ms : next_ms;
}

void commands_on_result(struct commands *commands, uint16_t request, enum mp_status status,
                        uint64_t now_ms)
{
    for (size_t i = 0; i < COMMANDS_SENT_MAX; i++) {
        struct commands_sent *sent = &commands->sent[i];
        if (!sent->used || sent->request != request)
            continue;
        enum commands_outcome outcome = COMMANDS_REFUSED;
        if (status == MP_STATUS_DONE)
            outcome = COMMANDS_DONE;
        end_sent(commands, sent, outcome, status, now_ms);
        return;
    }
}
