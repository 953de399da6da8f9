/*
 * spool_rig.h - a spool without a thread in a folder of its own, through the VFS "fault", and what
 * it told.
 */
#ifndef SPOOL_RIG_H
#define SPOOL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spool/spool.h"

#include <sys/types.h>

#define URL          "ws://server/socket/websocket"
#define RIG_ROWS_MAX 64

extern const uint8_t rig_key_a[SPOOL_KEY_BYTES], rig_key_b[SPOOL_KEY_BYTES];
extern char rig_path[128];
/* Of the changes of files (or the reads) that come now, so many work, then so many fail. */
extern uint32_t rig_before, rig_failing;

struct rig_told {
    unsigned bound, changed, committed, settled, rows, loaded;
    bool end;
    uint64_t ids[RIG_ROWS_MAX];
    char texts[RIG_ROWS_MAX][32];
    uint32_t upto[RIG_ROWS_MAX];
    uint64_t last_id; /* ids are to grow; 0 for another stream */
};
extern struct rig_told rig_told;
extern const struct spool_events rig_events;

/* For each test. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Forgets what was told. */
struct spool *rig_open_spool(void);
struct spool *rig_open_with(uint64_t max_age_ms);
struct spool_stream *rig_open_stream(struct spool *spool, const uint8_t *key);
void rig_bind_to(struct spool *spool, struct spool_stream *stream, const uint8_t *key,
                 const char *topic);
/* A group of two readings; `next`: the device's mark. */
void rig_add(struct spool_stream *stream, const char *text, uint32_t next);
void rig_add_at(struct spool_stream *stream, const char *text, uint32_t next, uint64_t at_us);
/* Into rig_told. */
void rig_load(struct spool *spool, struct spool_stream *stream, uint64_t after);
/* The groups loaded last, with spaces between them. */
void rig_assert_texts(const char *expected);

/* How many files are called like the spool's with `pattern` behind it. */
unsigned rig_files_like(const char *pattern);
void rig_overwrite(off_t at, const char *bytes, size_t n);
void rig_run_sql(const char *sql);
/* Where the table begins in the file, from 1 on. */
unsigned rig_root_page(const char *table);

#endif
