/*
 * profile_rules.h - a profile made of what the configuration says, for servers that need no code of
 * their own: `custom`, and `device` as a set of defaults (topic device:MAC, event new_msg, the
 * readings as an object).
 *
 * Templates, for the topic and the join payload:
 *   {name}    the MCU's name in the configuration
 *   {device}  its identity, which must be of A-Z a-z 0-9 . _ - alone
 *   {hex}     its identity in hex, whatever it is
 *   {mac}     its identity as 12 hex digits in lower case: 6 bytes, or such text; {MAC} in upper
 * case A board fills in nothing but these, so it can name no other topic than its own.
 */
#ifndef PROFILE_RULES_H
#define PROFILE_RULES_H

#include "profile_control.h"
#include "profile_write.h"

#define PROFILE_KINDS_MAX 64

/* All texts are kept by pointer. NULL where nothing is set. */
struct profile_rules {
    const char *topic;        /* needed */
    const char *join_payload; /* JSON; NULL: {} */
    enum profile_credential credential;
    const char *credential_name; /* of the header or parameter */
    const char *upload_event;    /* needed */
    enum profile_shape upload_shape;
    const char *control_event; /* NULL: no controls come */
    enum profile_control_shape control_shape;
    const char *kinds; /* the kinds of reading that the server knows, by spaces; NULL: any */
    bool command_events;
};

struct profile_ruled {
    struct profile profile;
    struct profile_rules rules;
};

/* Makes a profile of that name. Returns NULL, or what is wrong with the rules: which one, and what
 * is expected (constant text). */
const char *profile_rules_make(const char *name, const struct profile_rules *rules,
                               struct profile_ruled *ruled);

#endif
