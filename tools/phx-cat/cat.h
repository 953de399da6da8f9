/*
 * cat.h - phx-cat: one socket, some topics; what comes is printed, what is read is pushed.
 */
#ifndef PHX_CAT_H
#define PHX_CAT_H

#include "phx.h"

#include <stdio.h>
#include <uv.h>

#define CAT_TOPICS_MAX 100 /* of one socket; a Phoenix server allows no more by default */
#define CAT_LINES_MAX  32  /* headers and parameters, each */

/* How the program ends. */
enum cat_exit {
    CAT_OK = 0,
    CAT_REFUSED = 1, /* --quit: a push was refused or not answered */
    CAT_USAGE = 2,
    CAT_UNREACHED = 3, /* --once: no connection, or a topic could not be joined */
};

struct cat_options {
    struct phx_socket_options socket;
    const char *topics[CAT_TOPICS_MAX];
    size_t topic_count;
    const char *join_payload;
    const char *headers[CAT_LINES_MAX]; /* "Name: value" */
    size_t header_count;
    const char *header_files[CAT_LINES_MAX]; /* files of such lines, read at every attempt */
    size_t header_file_count;
    const char *params[CAT_LINES_MAX]; /* "name=value" */
    size_t param_count;
    bool once;       /* the first end of the connection, or of an attempt, ends the program */
    bool quit;       /* the end of the input does, when all pushes are answered */
    bool quiet;      /* nothing on standard error but errors */
    uint32_t for_ms; /* ends after so long; 0: never */
};

/* A topic that was joined. */
struct cat_topic {
    struct cat *cat;
    const char *name;
    struct phx_channel *channel;
};

struct cat {
    const struct cat_options *options;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct phx_context *context;
    struct phx_socket *socket;
    struct cat_topic topics[CAT_TOPICS_MAX];
    size_t joined;   /* topics that are */
    size_t waiting;  /* pushes without a reply */
    unsigned pushes; /* numbered from 1 */
    bool input_ended, ending;
    enum cat_exit exit;
};

/* Runs until it ends; returns how. */
enum cat_exit cat_run(const struct cat_options *options);

/* -- Between its files. */

/* cat_input.c: reads standard input and pushes. Nothing is read before cat_input_start. */
void cat_input_start(struct cat *cat);
/* cat.c */
/* `topic` NULL: the only one. `payload` is JSON, or bytes when `binary`. */
void cat_push(struct cat *cat, const char *topic, const char *event, struct phx_text payload,
              bool binary);
void cat_input_done(struct cat *cat);
/* One line of complaint on standard error. */
void cat_say(const struct cat *cat, bool error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* cat_print.c: one JSON line on standard output. */
void cat_print_message(const char *topic, struct phx_text event, struct phx_text payload,
                       bool binary);
void cat_print_reply(const char *topic, unsigned push, const struct phx_push_result *result);

#endif
