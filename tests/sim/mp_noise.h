/*
 * mp_noise.h - frames through a damaging line into the decoder, as fast as it goes, and what came
 * out that was never sent. No link and no clock: this asks about framing and CRCs alone.
 */
#ifndef MP_NOISE_H
#define MP_NOISE_H

#include <stdbool.h>
#include <stdint.h>

enum noise_payload {
    NOISE_RANDOM,
    NOISE_ZEROS,    /* half of the bytes zero, the last eight of them always */
    NOISE_SAME,     /* one byte, another in each frame */
    NOISE_COUNTING, /* from any byte up by one */
    NOISE_INTEGERS, /* small 16-bit integers of either sign, as from a sensor at rest */
    NOISE_TEXT,     /* lower-case letters and spaces */
    NOISE_VEILS,    /* half of the bytes zeros on the line: the worst, which nobody sends */
    NOISE_TRAILING, /* random, chosen so that the frame ends in a zero on the line, before COBS */
    NOISE_COMMAND,  /* whole COMMAND messages with their CRC-32 */
};

/* How a line damages. The isolated ones give every second frame exactly one fault, on any of its
 * bytes, its delimiter included; the other frames come clean. */
enum noise_damage {
    NOISE_BIT_ERRORS,  /* each bit, at `ber` */
    NOISE_BYTES_TOO,   /* the same, and each byte dropped or doubled up with another at `ber` */
    NOISE_ONE_FLIP,    /* one bit */
    NOISE_ONE_DROP,    /* one byte is gone */
    NOISE_ONE_INSERT,  /* one byte more: 0, 1, or any, a third each */
    NOISE_ONE_BURST,   /* 20 bytes, or all to the end of the frame, become random */
    NOISE_LAST_DROP,   /* the last byte before the delimiter is gone */
    NOISE_LAST_INSERT, /* 0x01 comes there: one zero more at the end */
};

enum noise_spacing {
    NOISE_APART,  /* each frame with both of its delimiters */
    NOISE_SHARED, /* back to back */
    NOISE_MIXED,  /* either, half the time */
};

enum noise_receiver { NOISE_DEVICE, NOISE_HOST }; /* mp_frame, or mp_fast */

struct noise_case {
    const char *name;
    enum noise_receiver receiver;
    enum noise_spacing spacing;
    enum noise_payload payload;
    enum noise_damage damage;
    double ber;
    double goal; /* undetected frames per million at most */
};

struct noise_tally {
    uint64_t frames;     /* that a fault could reach: damaged ones and their neighbours */
    uint64_t hit;        /* frames of which a byte was damaged, dropped or put in */
    uint64_t faults;     /* damaged bytes */
    uint64_t lost;       /* of `frames`, not delivered */
    uint64_t undetected; /* delivered and never sent */
    uint64_t commands;   /* of those, with a right CRC-32 as well */
};

/* Sends frames, each new, until `hits` of them were hit. The same case and seed give the same
 * tally. */
void noise_run(const struct noise_case *c, uint64_t seed, uint64_t hits, struct noise_tally *tally);

/* Starts `starts` receivers, each at a random byte of a stream of equal frames whose 200 bytes all
 * are `filling`, in the body or `on_line`. Returns how many had delivered nothing after two whole
 * frames. */
uint64_t noise_lock_in(uint8_t filling, bool on_line, uint64_t seed, uint64_t starts);

#endif
