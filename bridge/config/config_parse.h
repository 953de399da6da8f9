/*
 * config_parse.h - a configuration from bytes in memory. Internal to config*.c, their tests and
 * their fuzz target.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include "config_table.h"

#include <stdarg.h>

#define CONFIG_BYTES_MAX (1u << 20)
#define CONFIG_DEPTH_MAX 8 /* maps and lists within each other */

struct config_source {
    const char *name;   /* how errors call it */
    const char *folder; /* relative paths start here; NULL or "": the working directory */
    const char *bytes;
    size_t n;
    bool check_files; /* look whether the key files are there and ours alone */
    void (*report)(void *user, const char *error);
    void *user;
};

/* As config_read. Touches no file unless check_files is set. */
int config_parse(struct config *config, const struct config_source *source);

/* A place in the file, from 1; line 0: nowhere. */
struct config_mark {
    unsigned line, column;
};

/* Where the settings of one entry of a list stand. */
struct config_entry_marks {
    struct config_mark entry;                         /* line 0: no map, which was complained of */
    struct config_mark settings[CONFIG_SETTINGS_MAX]; /* by row of the table; line 0: not given */
};

struct config_error {
    struct config_mark at;
    size_t number; /* in the order of finding */
    char *text;
};

/* One run over one file. */
struct config_parsing {
    const struct config_source *source;
    struct config *config;
    struct config_error *errors; /* kept to be reported in the order of the file */
    size_t error_count;
    struct config_entry_marks *port_marks, *mcu_marks; /* beside config->ports and config->mcus */
    struct config_mark server;           /* where that section begins; line 0: not given */
    struct config_entry_marks nerveshub; /* of that section */
    struct config_port *own_lines; /* beside config->mcus: path, usb_serial, baud; freed after */
};

/* Where the setting of this row stands, or its entry when it was not given. */
struct config_mark config_mark_of(const struct config_entry_marks *marks, int row);

/* Counts and keeps `name:line:column: text`, to be reported at the end of the run. */
void config_complain(struct config_parsing *parsing, struct config_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* config_yaml.c: fills config, the marks and own_lines; complains of everything that is wrong with
 * a setting by itself. Returns false when the document is no YAML that we take: nothing was filled.
 */
bool config_yaml_walk(struct config_parsing *parsing);

/* config_check.c: complains of what is wrong between settings, and gives MCUs without an entry of
 * `ports` a port of their own. */
void config_check(struct config_parsing *parsing);

/* "none" is one, and so is what begins as a proxy does; NULL is fine. */
void config_check_proxy(struct config_parsing *parsing, struct config_mark at, const char *proxy);

/* config_nerveshub.c: the same for what the file says of NervesHub. */
void config_check_nerveshub(struct config_parsing *parsing);

/* config_secret.c: whether the file is there and nobody else may read it. */
bool config_is_private(const char *file);

/* config_secret.c: whether the file holds certificates as TLS takes them (PEM). When not, `error`
 * says why, and what to do about it. */
bool config_is_certificate(const char *file, char *error, size_t cap);

#endif
