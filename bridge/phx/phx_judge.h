/*
 * phx_judge.h - the one classifier of ends: from what a transport saw of an attempt or a connection
 * to what happened, for the machine and in words for people.
 */
#ifndef PHX_JUDGE_H
#define PHX_JUDGE_H

#include "phx_machine.h"

/* How far an attempt came. */
enum phx_stage {
    PHX_STAGE_RESOLVE, /* the host name had no address */
    PHX_STAGE_CONNECT, /* no connection, or no TLS on it */
    PHX_STAGE_REQUEST, /* the request went out */
    PHX_STAGE_OPEN,    /* messages could go both ways */
};

/* What a transport saw; what it does not know is 0, NULL or empty. */
struct phx_sight {
    enum phx_stage stage;
    bool tls;
    const char *host, *ca_file;
    int verify_error; /* X509_V_ERR of OpenSSL, of the server's certificate */
    int http_status;
    struct phx_text retry_after, date, location; /* headers of that answer */
    int close_code;
    struct phx_text close_reason;
    const char *detail; /* of the transport or the resolver, for people */
    int64_t now_s;      /* wall clock, seconds since 1970 */
};

/* Sets all of *end. Its text is one line of printable characters, and holds nothing of a query. */
void phx_judge(const struct phx_sight *sight, struct phx_end *end);

/* A Retry-After header as milliseconds from now: a number of seconds, or a date, which counts from
 * the answer's own Date if there is one, so that a wrong clock here does not matter. 0: absent,
 * neither of the two, or past. */
uint32_t phx_judge_retry_after(struct phx_text value, struct phx_text date, int64_t now_s);

/* An HTTP date such as "Sun, 06 Nov 1994 08:49:37 GMT" in seconds since 1970; 0: not one. */
int64_t phx_judge_date(struct phx_text value);

#endif
