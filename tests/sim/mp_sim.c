/*
 * The simulated line. It moves bytes and damages them; it knows frames only by their delimiters, to
 * repeat or swap them.
 */
#include "mp_sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BURST_BYTES 20
#define NEVER       UINT64_MAX

uint64_t sim_random(struct sim *sim)
{
    uint64_t z = (sim->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double unit(struct sim *sim)
{
    return (double)(sim_random(sim) >> 11) * 0x1p-53;
}

bool sim_chance(struct sim *sim, double probability)
{
    return probability > 0 && unit(sim) < probability;
}

static void plan_bit_error(struct sim *sim, struct sim_line *line)
{
    double ber = line->faults.ber;
    double gap = ber > 0 ? floor(log1p(-unit(sim)) / log1p(-ber)) : 1e18;
    line->bits_to_error = gap < 1e18 ? (uint64_t)gap : (uint64_t)1e18;
}

void sim_init(struct sim *sim, uint64_t seed, uint32_t baud, uint32_t latency_us)
{
    memset(sim, 0, sizeof *sim);
    sim->random = seed;
    for (int i = 0; i < 2; i++) {
        sim->line[i].baud = baud;
        sim->line[i].latency_us = latency_us;
        plan_bit_error(sim, &sim->line[i]);
    }
}

void sim_free(struct sim *sim)
{
    free(sim->line[0].queue);
    free(sim->line[1].queue);
}

void sim_faults(struct sim *sim, const struct sim_faults *faults)
{
    for (int i = 0; i < 2; i++) {
        sim->line[i].faults = *faults;
        plan_bit_error(sim, &sim->line[i]);
    }
}

uint64_t sim_now_us(const struct sim *sim)
{
    return sim->now_ns / 1000;
}

void sim_touch(struct sim *sim, int end)
{
    sim->poll_ns[end] = sim->now_ns;
}

/* -- Bytes under way. */

static void arrive(struct sim_line *line, uint64_t at_ns, uint8_t value)
{
    uint64_t grain_ns =
        line->grain_us * 1000ull + line->grain_us * (uint64_t)line->grain_ppm / 1000;
    if (line->count == line->cap) {
        size_t cap = line->cap == 0 ? 4096 : 2 * line->cap;
        struct sim_byte *queue = malloc(cap * sizeof *queue);
        if (queue == NULL)
            abort();
        for (size_t i = 0; i < line->count; i++)
            queue[i] = line->queue[(line->head + i) % line->cap];
        free(line->queue);
        line->queue = queue;
        line->cap = cap;
        line->head = 0;
    }
    if (grain_ns > 0)
        at_ns = (at_ns + grain_ns - 1) / grain_ns * grain_ns;
    line->queue[(line->head + line->count++) % line->cap] =
        (struct sim_byte){.at_ns = at_ns, .value = value};
}

static void arrive_all(struct sim_line *line, uint64_t at_ns, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        arrive(line, at_ns, bytes[i]);
}

/* A frame is whole: it goes on its way, twice, or is held until the next one has passed. */
static void pass_frame(struct sim *sim, struct sim_line *line, uint64_t at_ns)
{
    bool hold = line->held_len == 0 && sim_chance(sim, line->faults.swap);
    if (hold) {
        memcpy(line->held, line->frame, line->frame_len);
        line->held_len = line->frame_len;
    } else {
        arrive_all(line, at_ns, line->frame, line->frame_len);
        if (sim_chance(sim, line->faults.repeat))
            arrive_all(line, at_ns, line->frame, line->frame_len);
        arrive_all(line, at_ns, line->held, line->held_len);
        line->held_len = 0;
    }
    line->frame_len = 0;
}

static void deliver(struct sim *sim, struct sim_line *line, uint64_t at_ns, uint8_t value)
{
    bool by_frame = line->faults.repeat > 0 || line->faults.swap > 0 || line->held_len > 0;
    if (!by_frame && line->frame_len == 0) {
        arrive(line, at_ns, value);
        return;
    }
    line->frame[line->frame_len++] = value;
    if (value == 0 || line->frame_len == sizeof line->frame)
        pass_frame(sim, line, at_ns);
}

static uint8_t with_bit_errors(struct sim *sim, struct sim_line *line, uint8_t value)
{
    uint64_t bit = 0;
    while (bit + line->bits_to_error < 8) {
        bit += line->bits_to_error;
        value = (uint8_t)(value ^ (1u << bit));
        bit++;
        plan_bit_error(sim, line);
    }
    if (bit < 8)
        line->bits_to_error -= 8 - bit;
    return value;
}

/* What drivers and busy machines add to whole frames; nothing overtakes. */
static uint64_t delayed(struct sim *sim, struct sim_line *line, uint8_t value, uint64_t at_ns)
{
    if (value == 0 && line->jitter_us > 0)
        at_ns += sim_random(sim) % (line->jitter_us * 1000ull);
    if (value == 0 && sim_chance(sim, line->stall))
        at_ns += sim_random(sim) % (line->stall_us * 1000ull);
    if (at_ns < line->last_ns)
        at_ns = line->last_ns;
    line->last_ns = at_ns;
    return at_ns;
}

static void transmit(struct sim *sim, struct sim_line *line, uint8_t value)
{
    const struct sim_faults *faults = &line->faults;
    uint8_t sent = value;
    line->free_ns = sim->now_ns + 10000000000ull / line->baud;
    uint64_t at_ns = delayed(sim, line, value, line->free_ns + line->latency_us * 1000ull);
    line->bytes++;
    if (line->cut)
        return;
    if (faults->ber > 0)
        value = with_bit_errors(sim, line, value);
    if (sim_chance(sim, faults->flip))
        value = (uint8_t)(value ^ (1u << (sim_random(sim) % 8)));
    if (line->burst_left == 0 && sim_chance(sim, faults->burst))
        line->burst_left = BURST_BYTES;
    if (line->burst_left > 0) {
        line->burst_left--;
        value = (uint8_t)sim_random(sim);
    }
    if (sim_chance(sim, faults->insert))
        deliver(sim, line, at_ns, (uint8_t)sim_random(sim));
    line->damaged += value != sent;
    if (!sim_chance(sim, faults->drop))
        deliver(sim, line, at_ns, value);
}

/* -- The clock. */

static void pull(struct sim *sim, int i)
{
    struct sim_line *line = &sim->line[i];
    uint8_t byte;
    if (line->free_ns <= sim->now_ns && sim->end[i].output != NULL &&
        sim->end[i].output(sim->end[i].user, &byte, 1, sim_now_us(sim)) == 1)
        transmit(sim, line, byte);
}

static void poll_end(struct sim *sim, int i)
{
    struct sim_end *end = &sim->end[i];
    if (end->output == NULL) {
        sim->poll_ns[i] = NEVER;
        return;
    }
    uint32_t wait = end->poll(end->user, sim_now_us(sim));
    sim->poll_ns[i] = wait == UINT32_MAX ? NEVER : sim->now_ns + (wait == 0 ? 1 : wait) * 1000ull;
}

static void receive(struct sim *sim, int i)
{
    struct sim_line *line = &sim->line[i];
    struct sim_end *end = &sim->end[1 - i];
    bool any = false;
    while (line->count > 0 && line->queue[line->head].at_ns <= sim->now_ns) {
        uint8_t byte = line->queue[line->head].value;
        line->head = (line->head + 1) % line->cap;
        line->count--;
        any = true;
        if (end->output != NULL)
            end->bytes(end->user, &byte, 1, sim_now_us(sim));
    }
    if (any)
        poll_end(sim, 1 - i);
}

static uint64_t next_event(const struct sim *sim)
{
    uint64_t next = NEVER;
    for (int i = 0; i < 2; i++) {
        const struct sim_line *line = &sim->line[i];
        if (sim->poll_ns[i] < next)
            next = sim->poll_ns[i];
        if (line->free_ns > sim->now_ns && line->free_ns < next)
            next = line->free_ns;
        if (line->count > 0 && line->queue[line->head].at_ns < next)
            next = line->queue[line->head].at_ns;
    }
    return next;
}

static bool step(struct sim *sim, uint64_t until_ns)
{
    pull(sim, 0);
    pull(sim, 1);
    uint64_t next = next_event(sim);
    if (next > until_ns) {
        sim->now_ns = until_ns;
        return false;
    }
    if (next > sim->now_ns)
        sim->now_ns = next;
    for (int i = 0; i < 2; i++)
        receive(sim, i);
    for (int i = 0; i < 2; i++)
        if (sim->poll_ns[i] <= sim->now_ns)
            poll_end(sim, i);
    return true;
}

void sim_run(struct sim *sim, uint64_t us)
{
    uint64_t until_ns = sim->now_ns + us * 1000;
    while (step(sim, until_ns))
        ;
}

bool sim_until(struct sim *sim, bool (*done)(void *user), void *user, uint64_t us)
{
    uint64_t until_ns = sim->now_ns + us * 1000;
    while (!done(user))
        if (!step(sim, until_ns))
            return done(user);
    return true;
}
