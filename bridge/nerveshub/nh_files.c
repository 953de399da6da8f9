/*
 * Who wants which firmware file, and who waits for what: one download for all who want the same,
 * one check after the other. The work itself is nh_download.c's and nh_check.c's; what a board's
 * update makes of the answers is nh_update.c's.
 */
#include "nh_files.h"

#include "fw/fw_archive.h"
#include "nh_check.h"
#include "nh_curl.h"
#include "nh_download.h"
#include "nh_holders.h"
#include "nh_keep.h"
#include "nh_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#define FILE_MAX_DEFAULT  (64u << 20)
#define IMAGE_MAX_DEFAULT (16u << 20)
#define RETRY_MS_DEFAULT  1000
#define TRIES_DEFAULT     8
#define STALL_S_DEFAULT   60
#define MEMO_COUNT        16
#define PRUNE_MS          200 /* at most once in so long: a thousand boards may change at once */

/* One download; it may stand idle, since its thread may not have ended yet. */
struct fetch {
    struct fetch *next;
    struct nh_files *files;
    struct nh_download *download;
    char uuid[NH_UUID_TEXT];
};

struct job {
    uv_work_t work;
    struct job *next;
    struct nh_files *files;
    struct nh_claim *claim; /* NULL: nobody waits for it any more */
    struct nh_check check;
};

struct nh_claim {
    struct nh_claim *next;
    struct nh_files *files;
    struct nh_holder *holder;
    struct nh_claim_events events;
    struct fetch *fetch; /* that it waits for */
    struct job *job;     /* that it waits for */
    bool fetched;        /* to be told */
    bool no_memory;      /* to be told, of a check */
    bool for_good;
    char why[NH_WHY_MAX]; /* "": the file is there */
};

/* One answer of nh_store_find. */
struct memo {
    size_t length;
    uint8_t image[NH_IMAGE_ID_MAX];
    char prefer[NH_UUID_TEXT];
    bool found;
    struct nh_firmware firmware;
};

struct nh_files {
    struct nh_files_options options;
    char folder[NH_FILE_PATH_MAX];
    char *ca_file, *proxy;
    int lock; /* the folder, held against another program */
    uv_async_t news;
    uv_timer_t pruning; /* runs when something may be of no use any more */
    unsigned handles;   /* of the loop, not closed yet */
    struct nh_holders holders;
    struct fetch *fetches;
    struct nh_claim *claims;
    struct job *jobs; /* the first is the one that runs */
    bool checking, closing;
    struct memo memos[MEMO_COUNT];
    unsigned next_memo;
};

/* -- Keeping and throwing away. */

static enum nh_need need_of(void *user, const char *uuid, bool image)
{
    const struct nh_files *f = user;
    for (const struct fetch *t = f->fetches; t != NULL; t = t->next)
        if (strcmp(t->uuid, uuid) == 0)
            return NH_NEED_NOW;
    for (const struct job *j = f->jobs; j != NULL; j = j->next)
        if (strcmp(j->check.uuid, uuid) == 0)
            return NH_NEED_NOW;
    return nh_holders_need(&f->holders, uuid, image);
}

static void forget_memos(struct nh_files *f)
{
    for (size_t i = 0; i < MEMO_COUNT; i++)
        f->memos[i].length = 0;
}

static bool is_wanted(const struct nh_files *f, const struct fetch *fetch)
{
    for (const struct nh_claim *c = f->claims; c != NULL; c = c->next)
        if (c->fetch == fetch)
            return true;
    return false;
}

static void drop_idle_fetches(struct nh_files *f)
{
    for (struct fetch **at = &f->fetches; *at != NULL;) {
        struct fetch *t = *at;
        if (is_wanted(f, t) || nh_download_is_busy(t->download)) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        nh_download_free(t->download);
        free(t);
    }
}

static void on_prune(uv_timer_t *timer)
{
    struct nh_files *f = timer->data;
    drop_idle_fetches(f);
    if (nh_keep_prune(f->folder, need_of, f))
        forget_memos(f);
}

static void prune(struct nh_files *f)
{
    if (!uv_is_active((uv_handle_t *)&f->pruning))
        uv_timer_start(&f->pruning, on_prune, PRUNE_MS, 0);
}

bool nh_files_find(struct nh_files *f, const uint8_t *image, size_t length, const char *prefer,
                   struct nh_firmware *firmware)
{
    if (length == 0 || length > NH_IMAGE_ID_MAX)
        return false;
    struct memo *memo = NULL;
    for (size_t i = 0; i < MEMO_COUNT && memo == NULL; i++)
        if (f->memos[i].length == length && memcmp(f->memos[i].image, image, length) == 0 &&
            strcmp(f->memos[i].prefer, prefer) == 0)
            memo = &f->memos[i];
    if (memo == NULL) {
        memo = &f->memos[f->next_memo++ % MEMO_COUNT];
        *memo = (struct memo){.length = length};
        memcpy(memo->image, image, length);
        snprintf(memo->prefer, sizeof(memo->prefer), "%s", prefer);
        memo->found = nh_store_find(f->folder, image, length, prefer, &memo->firmware);
    }
    if (memo->found)
        *firmware = memo->firmware;
    return memo->found;
}

/* -- Telling. */

static void wake(struct nh_files *f)
{
    uv_async_send(&f->news);
}

static void set_fetched(struct nh_claim *c, const char *why, bool for_good)
{
    c->fetch = NULL;
    c->fetched = true;
    c->for_good = for_good;
    snprintf(c->why, sizeof(c->why), "%s", why != NULL ? why : "");
    wake(c->files);
}

static struct nh_claim *first_to_tell(struct nh_files *f)
{
    struct nh_claim *c = f->claims;
    while (c != NULL && !c->fetched && !c->no_memory)
        c = c->next;
    return c;
}

static void tell(struct nh_claim *c)
{
    static const struct nh_firmware none;
    char why[NH_WHY_MAX];
    memcpy(why, c->why, sizeof(why));
    if (c->no_memory) {
        c->no_memory = false;
        c->events.checked(c->events.user, "out of memory for a check", false, &none, "");
        return;
    }
    c->fetched = false;
    c->events.fetched(c->events.user, why[0] != '\0' ? why : NULL, c->for_good);
}

static void on_news(uv_async_t *async)
{
    struct nh_files *f = async->data;
    for (struct nh_claim *c; (c = first_to_tell(f)) != NULL;) {
        tell(c);
    }
}

/* -- Fetching. */

static void on_percent(void *user, unsigned percent)
{
    struct fetch *t = user;
    for (struct nh_claim *c = t->files->claims; c != NULL; c = c->next)
        if (c->fetch == t && c->events.percent != NULL)
            c->events.percent(c->events.user, percent);
}

static void on_done(void *user, const char *why, bool for_good)
{
    struct fetch *t = user;
    for (struct nh_claim *c = t->files->claims; c != NULL; c = c->next)
        if (c->fetch == t)
            set_fetched(c, why, for_good);
    prune(t->files);
}

static struct nh_download *new_download(struct nh_files *f, struct fetch *t)
{
    const struct nh_files_options *o = &f->options;
    struct nh_download_options options = {
        .folder = f->folder,
        .ca_file = f->ca_file,
        .proxy = f->proxy,
        .file_max = o->file_max,
        .keep_free = o->keep_free,
        .allow_http = o->allow_http,
        .tries = o->tries,
        .retry_ms = o->retry_ms,
        .stall_seconds = o->stall_s,
    };
    struct nh_download_events events = {t, on_percent, on_done};
    return nh_download_new(o->loop, &options, &events);
}

static struct fetch *fetch_of(struct nh_files *f, const char *uuid)
{
    struct fetch *t = f->fetches;
    while (t != NULL && strcmp(t->uuid, uuid) != 0)
        t = t->next;
    if (t != NULL || (t = calloc(1, sizeof(*t))) == NULL)
        return t;
    t->files = f;
    snprintf(t->uuid, sizeof(t->uuid), "%s", uuid);
    t->download = new_download(f, t);
    if (t->download == NULL) {
        free(t);
        return NULL;
    }
    t->next = f->fetches;
    f->fetches = t;
    return t;
}

static bool stands(const struct nh_files *f, const char *uuid)
{
    char path[NH_FILE_PATH_MAX];
    return nh_firmware_path(f->folder, uuid, "fw", path, sizeof(path)) && access(path, R_OK) == 0;
}

void nh_claim_fetch(struct nh_claim *c, const struct nh_offer *offer)
{
    struct nh_files *f = c->files;
    struct fetch *before = c->fetch;
    if (before != NULL && strcmp(before->uuid, offer->firmware.uuid) != 0)
        nh_claim_stop(c);
    c->fetched = false;
    if (stands(f, offer->firmware.uuid)) {
        set_fetched(c, NULL, false);
        return;
    }
    struct fetch *t = fetch_of(f, offer->firmware.uuid);
    if (t == NULL) {
        set_fetched(c, "out of memory for a download", false);
        return;
    }
    /* The same board's second word for it has a newer address. */
    bool begin = t == before || !is_wanted(f, t);
    c->fetch = t;
    if (begin)
        nh_download_start(t->download, offer);
}

void nh_claim_stop(struct nh_claim *c)
{
    struct fetch *t = c->fetch;
    c->fetch = NULL;
    c->fetched = false;
    if (t != NULL && !is_wanted(c->files, t))
        nh_download_stop(t->download);
}

/* -- Checking. */

static void finish(struct nh_files *f);

static void on_check(uv_work_t *work)
{
    struct job *job = work->data;
    nh_check_run(&job->check);
}

static void run_next(struct nh_files *f);

static void on_checked(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct nh_files *f = job->files;
    struct nh_claim *c = job->claim;
    const struct nh_check *check = &job->check;
    (void)status;
    f->jobs = job->next;
    f->checking = false;
    forget_memos(f);
    if (c != NULL) {
        c->job = NULL;
        c->events.checked(c->events.user, check->good ? NULL : check->why, check->for_good,
                          &check->meta, check->image);
    }
    free(job);
    if (f->closing)
        finish(f);
    else
        run_next(f);
}

static void run_next(struct nh_files *f)
{
    if (f->checking || f->jobs == NULL)
        return;
    f->checking = uv_queue_work(f->options.loop, &f->jobs->work, on_check, on_checked) == 0;
}

/* Nobody waits for it any more; one that runs ends by itself. */
static void leave_job(struct nh_claim *c)
{
    struct nh_files *f = c->files;
    struct job *job = c->job;
    c->job = NULL;
    if (job == NULL)
        return;
    job->claim = NULL;
    if (job == f->jobs && f->checking)
        return;
    struct job **at = &f->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    free(job);
}

void nh_claim_check(struct nh_claim *c, const char *uuid, const char *resource)
{
    struct nh_files *f = c->files;
    struct job *job = calloc(1, sizeof(*job)), **last = &f->jobs;
    leave_job(c);
    c->no_memory = job == NULL;
    if (job == NULL) {
        wake(f);
        return;
    }
    job->work.data = job;
    job->files = f;
    job->claim = c;
    job->check.options = &f->options;
    snprintf(job->check.uuid, sizeof(job->check.uuid), "%s", uuid);
    snprintf(job->check.resource, sizeof(job->check.resource), "%s",
             resource != NULL ? resource : "");
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    c->job = job;
    run_next(f);
}

/* -- Claims. */

struct nh_claim *nh_claim_new(struct nh_files *f, const char *name,
                              const struct nh_claim_events *events)
{
    char id[NH_UUID_TEXT];
    struct nh_claim *c = calloc(1, sizeof(*c));
    nh_board_id(name, id);
    if (c == NULL || (c->holder = nh_holders_get(&f->holders, id)) == NULL) {
        free(c);
        return NULL;
    }
    c->files = f;
    c->events = *events;
    c->next = f->claims;
    f->claims = c;
    return c;
}

void nh_claim_drop(struct nh_claim *c)
{
    if (c == NULL)
        return;
    struct nh_claim **at = &c->files->claims;
    nh_claim_stop(c);
    leave_job(c);
    while (*at != c) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = c->next;
    free(c);
}

void nh_claim_hold(struct nh_claim *c, const char *runs, const char *before, const char *coming)
{
    const char *const now[NH_HOLD_COUNT] = {runs, before, coming};
    for (int i = 0; i < NH_HOLD_COUNT; i++) {
        if (strcmp(c->holder->uuid[i], now[i]) == 0)
            continue;
        snprintf(c->holder->uuid[i], NH_UUID_TEXT, "%s", now[i]);
        prune(c->files);
    }
}

/* -- Life. */

static void set_defaults(struct nh_files_options *o)
{
    o->file_max = o->file_max != 0 ? o->file_max : FILE_MAX_DEFAULT;
    o->image_max = o->image_max != 0 ? o->image_max : IMAGE_MAX_DEFAULT;
    o->retry_ms = o->retry_ms != 0 ? o->retry_ms : RETRY_MS_DEFAULT;
    o->tries = o->tries != 0 ? o->tries : TRIES_DEFAULT;
    o->stall_s = o->stall_s != 0 ? o->stall_s : STALL_S_DEFAULT;
}

/* Makes the folder, and is the only program that uses it from now on. */
static bool take_folder(struct nh_files *f, const char *folder, char *why, size_t cap)
{
    if (nh_store_open(folder) != 0) {
        snprintf(why, cap, "the folder for firmware, %s: %s", folder,
                 errno == EPERM ? "others may enter it: chmod 700" : strerror(errno));
        return false;
    }
    f->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *whole = realpath(folder, NULL);
    bool fits = whole != NULL && strlen(whole) + NH_UUID_TEXT + 16 < sizeof(f->folder);
    if (fits)
        snprintf(f->folder, sizeof(f->folder), "%s", whole);
    free(whole);
    if (f->lock < 0 || !fits) {
        snprintf(why, cap, "the folder for firmware, %s, cannot be opened", folder);
        return false;
    }
    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0) {
        snprintf(why, cap,
                 "the folder for firmware, %s, is used by another program: give each its own",
                 folder);
        return false;
    }
    return true;
}

static void free_all(struct nh_files *f)
{
    nh_holders_free(&f->holders);
    if (f->lock >= 0)
        close(f->lock);
    free(f->ca_file);
    if (f->proxy != NULL)
        explicit_bzero(f->proxy, strlen(f->proxy));
    free(f->proxy);
    free(f);
}

static bool copy_texts(struct nh_files *f, const struct nh_files_options *options)
{
    f->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    f->proxy = options->proxy != NULL ? strdup(options->proxy) : NULL;
    return !options->ca_file == !f->ca_file && !options->proxy == !f->proxy;
}

/* At the start, not when the first update comes. */
static bool has_libraries(char *why, size_t cap)
{
    const char *reason;
    if (nh_curl(&reason) != NULL && fw_archive(&reason) != NULL)
        return true;
    snprintf(why, cap, "%s", reason);
    return false;
}

struct nh_files *nh_files_open(const struct nh_files_options *options, char *why, size_t cap)
{
    struct nh_files *f = calloc(1, sizeof(*f));
    snprintf(why, cap, "out of memory");
    if (f == NULL)
        return NULL;
    f->options = *options;
    f->lock = -1;
    set_defaults(&f->options);
    if (!copy_texts(f, options) || !has_libraries(why, cap) ||
        !take_folder(f, options->folder, why, cap) ||
        uv_async_init(options->loop, &f->news, on_news) != 0) {
        free_all(f);
        return NULL;
    }
    f->options.folder = f->folder;
    f->options.ca_file = f->ca_file;
    f->options.proxy = f->proxy;
    uv_timer_init(options->loop, &f->pruning);
    f->handles = 2;
    f->news.data = f->pruning.data = f;
    uv_unref((uv_handle_t *)&f->news);
    uv_unref((uv_handle_t *)&f->pruning);
    nh_keep_clean(f->folder);
    nh_store_records(f->folder, nh_holders_record, &f->holders);
    prune(f);
    return f;
}

void nh_files_no_boards(struct nh_files *f)
{
    nh_holders_all_left(&f->holders);
    prune(f);
}

void nh_files_board(struct nh_files *f, const char *name)
{
    char id[NH_UUID_TEXT];
    nh_board_id(name, id);
    struct nh_holder *h = nh_holders_get(&f->holders, id);
    if (h != NULL)
        h->left = false;
}

const char *nh_files_folder(const struct nh_files *f)
{
    return f->folder;
}

static void on_closed(uv_handle_t *handle)
{
    struct nh_files *f = handle->data;
    if (--f->handles == 0)
        free_all(f);
}

static void finish(struct nh_files *f)
{
    uv_close((uv_handle_t *)&f->news, on_closed);
    uv_close((uv_handle_t *)&f->pruning, on_closed);
}

void nh_files_close(struct nh_files *f)
{
    if (f == NULL)
        return;
    f->closing = true;
    while (f->fetches != NULL) {
        struct fetch *t = f->fetches;
        f->fetches = t->next;
        nh_download_free(t->download);
        free(t);
    }
    if (!f->checking)
        finish(f);
}
