/*
 * mp_pair.h - two links on a simulated line, kept busy, and watched: order, no repeat, no loss of
 * what was safe, no command out of its session. Whatever breaks a rule is written to `broken`.
 */
#ifndef MP_PAIR_H
#define MP_PAIR_H

#include "mp_fast.h"
#include "mp_sim.h"

#define PAIR_LIVES 64

enum { PAIR_DEVICE, PAIR_HOST };

enum pair_payload { PAIR_RANDOM, PAIR_ZEROS, PAIR_ONES, PAIR_SAW };

struct pair_options {
    size_t body;               /* bytes of a message: 16 to MP_BODY_MAX */
    uint32_t up_interval_us;   /* a reading so often; 0: as many as fit; UINT32_MAX: none */
    uint32_t down_interval_us; /* a command so often; UINT32_MAX: none */
    uint32_t once_interval_us; /* a best-effort message so often; UINT32_MAX: none */
    uint32_t safe_us;          /* the host takes so long to make readings safe; 0: at once */
    size_t device_tx;          /* bytes of the device's memory for sending; 0: 4096 */
    size_t rx;                 /* bytes of memory for receiving at both ends; 0: 8192 */
    enum pair_payload payload;
    uint16_t silence_ms;
};

struct pair {
    struct sim sim;
    struct pair_options options;
    struct mp_link link[2];
    struct mp_link_host host;
    struct mp_link_stats stats[2];
    struct mp_fast fast; /* the host's */
    uint8_t tx[2][8192], rx[2][16384];
    uint64_t next_up_us, next_down_us, next_once_us, commit_us;
    bool quiet; /* generates nothing more */
    /* The device, by its lives between two restarts. */
    unsigned life;
    uint32_t sent[PAIR_LIVES];      /* messages taken by mp_link_send */
    uint32_t told_safe[PAIR_LIVES]; /* as io.safe said */
    uint32_t command_next;
    uint32_t device_nonce;
    uint32_t once_sent;
    /* The host's disk, which outlives its restarts, by lives of the device. */
    uint32_t stored[PAIR_LIVES];
    /* The host. */
    uint32_t host_next; /* reading expected */
    unsigned host_life; /* life of the device that it hears */
    bool host_knows;    /* host_life and host_next count */
    uint32_t host_nonce;
    uint32_t command_seq; /* commands sent in this session */
    uint32_t once_next;   /* lowest best-effort number still possible in this session */
    uint64_t delivered, commands, onces, bytes_delivered;
    unsigned ups, downs[8];
    uint64_t last_up_us;
    /* Latency of readings, from mp_link_send to delivery. */
    uint32_t *latency_us;
    size_t latency_count, latency_cap;
    char broken[200]; /* the first broken rule; empty: none */
};

void pair_init(struct pair *pair, const struct pair_options *options, uint64_t seed, uint32_t baud,
               uint32_t latency_us);
void pair_free(struct pair *pair);

/* Power off and on, with nothing said. */
void pair_restart(struct pair *pair, int end);

/* Stops generating, heals the line, and lets what is under way arrive. Checks that all of it did
 * and that the link came to rest. Returns whether no rule was broken in all of the run. */
bool pair_settle(struct pair *pair);

#endif
