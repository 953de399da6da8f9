/*
 * mp_sim.h - a serial line with two ends under a virtual clock: speed, latency, and every fault a
 * line can have, from one seed. Nothing sleeps; a run with the same seed is the same run.
 */
#ifndef MP_SIM_H
#define MP_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One end: the functions of mp_link, mp_device or mp_host behind one shape. A NULL `output` is an
 * end that is switched off. */
struct sim_end {
    void *user;
    void (*bytes)(void *user, const uint8_t *bytes, size_t n, uint64_t now_us);
    uint32_t (*poll)(void *user, uint64_t now_us);
    size_t (*output)(void *user, uint8_t *out, size_t cap, uint64_t now_us);
};

/* Probabilities: `ber` for each bit, the next four for each byte, the last two for each frame. */
struct sim_faults {
    double ber;
    double flip;   /* one bit of the byte */
    double drop;   /* the byte is gone */
    double insert; /* a random byte comes before it */
    double burst;  /* this and the next 20 bytes become random */
    double repeat; /* the frame comes twice */
    double swap;   /* the frame comes after its successor */
};

struct sim_byte {
    uint64_t at_ns;
    uint8_t value;
};

/* One direction. */
struct sim_line {
    struct sim_faults faults;
    uint32_t baud;
    uint32_t latency_us;
    uint32_t grain_us;  /* bytes come in lumps, at multiples of this; 0: as they are */
    uint32_t grain_ppm; /* by a timer that is so much slower than the line's clock */
    uint32_t jitter_us; /* each frame up to this later, in order */
    double stall;       /* probability for each delimiter to hold up the line, ... */
    uint32_t stall_us;  /* ... for up to so long */
    bool cut;           /* what is sent vanishes */
    /* Counted. */
    uint64_t bytes, damaged;
    /* The line's own. */
    uint64_t free_ns;
    uint64_t last_ns; /* when the newest byte under way arrives */
    uint64_t bits_to_error;
    struct sim_byte *queue;
    size_t head, count, cap;
    uint8_t frame[1024], held[1024];
    size_t frame_len, held_len;
    unsigned burst_left;
};

struct sim {
    struct sim_end end[2];
    struct sim_line line[2]; /* line[i] carries what end[i] sends */
    uint64_t now_ns;
    uint64_t poll_ns[2];
    uint64_t random;
};

void sim_init(struct sim *sim, uint64_t seed, uint32_t baud, uint32_t latency_us);
void sim_free(struct sim *sim);
void sim_faults(struct sim *sim, const struct sim_faults *faults); /* both directions */

uint64_t sim_now_us(const struct sim *sim);
uint64_t sim_random(struct sim *sim);
bool sim_chance(struct sim *sim, double probability);

/* Lets `us` of virtual time pass. */
void sim_run(struct sim *sim, uint64_t us);

/* Runs until `done` says so or `us` have passed; returns whether it did. Asked after every event.
 */
bool sim_until(struct sim *sim, bool (*done)(void *user), void *user, uint64_t us);

/* An end was exchanged or told something from outside: ask it again when it wants to be called. */
void sim_touch(struct sim *sim, int end);

#endif
