/*
 * cmd_upload.c - brings a file into a board's store, tells how far it is, and what the board runs
 * then. What is under way and where it goes on is mp_bulk_host's.
 */
#define _DEFAULT_SOURCE
#include "commands.h"
#include "mp_image.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (64u << 20)
#define STALL_US  20000000u /* a board that restarts may be away for so long */
#define START_US  40000000u /* and if the new image hangs, until it was taken back */

struct upload {
    struct request request;
    struct mp_bulk_host bulk;
    uint8_t *image;
    uint32_t size;
    uint32_t resumed_at; /* where this run began */
    uint64_t started_us, moved_us;
    bool begun, ended, shown;
    enum mp_status status;
    uint8_t image_id[MP_IMAGE_ID_MAX]; /* of the file */
    uint8_t image_id_len;              /* 0: not known */
    uint32_t epoch;                    /* of the board when it had committed */
};

static bool read_image(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    const struct upload *upload = user;
    memcpy(out, upload->image + offset, n);
    return true;
}

static double kib_per_second(const struct upload *upload, uint32_t stored)
{
    double seconds = (double)(session_now() - upload->started_us) / 1e6;
    double bytes = stored > upload->resumed_at ? stored - upload->resumed_at : 0;
    return seconds > 0 ? bytes / 1024 / seconds : 0;
}

static void on_progress(void *user, uint32_t stored, uint32_t size)
{
    struct upload *upload = user;
    upload->moved_us = session_now();
    if (!upload->begun && stored > 0)
        fprintf(stderr, "goes on at byte %u of %u\n", stored, size);
    if (!upload->begun)
        upload->resumed_at = stored;
    upload->begun = true;
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%3u %%  %.1f KiB/s ", (unsigned)(100ull * stored / size),
            kib_per_second(upload, stored));
    upload->shown = true;
}

static void on_done(void *user, enum mp_status status)
{
    struct upload *upload = user;
    upload->ended = true;
    upload->status = status;
    upload->epoch = mp_link_peer(&upload->request.session.host.link)->epoch;
}

static uint32_t step(void *user)
{
    struct upload *upload = user;
    return mp_bulk_host_poll(&upload->bulk, session_now());
}

static bool has_ended(void *user)
{
    const struct upload *upload = user;
    return upload->ended || session_now() - upload->moved_us > STALL_US;
}

/* Returns 0, or -1 after telling what is wrong. */
static int load(struct upload *upload, const char *path)
{
    struct stat about;
    FILE *file = fopen(path, "rb");
    int result = -1;
    if (!file || fstat(fileno(file), &about)) {
        fprintf(stderr, "mcu-tool: %s: %s\n", path, strerror(errno));
    } else if (!S_ISREG(about.st_mode) || about.st_size == 0 || about.st_size > IMAGE_MAX) {
        fprintf(stderr, "mcu-tool: %s: expected a file of 1 byte to %u MiB\n", path,
                IMAGE_MAX >> 20);
    } else {
        upload->size = (uint32_t)about.st_size;
        upload->image = malloc(upload->size);
        if (upload->image && fread(upload->image, 1, upload->size, file) == upload->size)
            result = 0;
        else
            fprintf(stderr, "mcu-tool: %s: cannot be read\n", path);
    }
    if (file)
        fclose(file);
    return result;
}

static void begin(struct upload *upload)
{
    struct mp_bulk_host_io io = {
        .user = upload, .read = read_image, .progress = on_progress, .done = on_done};
    struct mp_sha256 sha;
    uint8_t hash[MP_SHA256_BYTES];
    mp_sha256_begin(&sha);
    mp_sha256_add(&sha, upload->image, upload->size);
    mp_sha256_end(&sha, hash);
    upload->image_id_len = mp_image_find_id(upload->image, upload->size, upload->image_id);
    upload->started_us = upload->moved_us = session_now();
    upload->request.bulk = &upload->bulk;
    upload->request.session.user = upload;
    upload->request.session.step = step;
    mp_bulk_host_start(&upload->bulk, &upload->request.session.host, upload->size, hash, &io);
}

/* -- What runs then. */

static bool runs_it(const struct upload *upload)
{
    const struct mp_peer *peer = mp_link_peer(&upload->request.session.host.link);
    return peer->image_len == upload->image_id_len &&
           memcmp(peer->image, upload->image_id, upload->image_id_len) == 0;
}

static bool has_restarted(void *user)
{
    const struct upload *upload = user;
    return upload->request.ready &&
           mp_link_peer(&upload->request.session.host.link)->epoch != upload->epoch;
}

/* Without an image id in the file there is nothing to tell it by. */
static int watch_it_start(struct upload *upload)
{
    struct session *sessions[] = {&upload->request.session};
    const struct session *session = sessions[0];
    if (upload->image_id_len == 0)
        return TOOL_OK;
    if (!runs_it(upload) &&
        !session_run(sessions, 1, session_now() + START_US, has_restarted, upload)) {
        if (upload->request.ready) {
            printf("the board has not restarted; it may run it from its next start on\n");
            return TOOL_OK;
        }
        fprintf(stderr, "mcu-tool: upload: %s\n",
                session->gone ? session->why : "the board has not come back; see mcu-tool monitor");
        return TOOL_REFUSED;
    }
    if (!runs_it(upload)) {
        fprintf(stderr, "mcu-tool: upload: the board runs its old image again: the new one did "
                        "not start, and was taken back\n");
        return TOOL_REFUSED;
    }
    printf("the board runs it: %s %s\n", session->host.description.product,
           session->host.description.version);
    return TOOL_OK;
}

static void explain(const struct upload *upload)
{
    const struct session *session = &upload->request.session;
    if (!upload->ended)
        fprintf(stderr, "mcu-tool: upload: %s after %u of %u bytes; the same command goes on\n",
                session->gone ? session->why : "the board does not answer any more",
                upload->bulk.stored, upload->size);
    else if (upload->status == MP_STATUS_TOO_LARGE && upload->bulk.limit > 0)
        fprintf(stderr, "mcu-tool: upload: %s: %u bytes, and there is room for %u\n",
                mp_status_text(upload->status), upload->size, upload->bulk.limit);
    else
        fprintf(stderr, "mcu-tool: upload: %s\n", mp_status_text(upload->status));
}

static int finish(struct upload *upload, const char *path)
{
    if (upload->shown)
        fputc('\n', stderr);
    if (!upload->ended || upload->status != MP_STATUS_DONE) {
        explain(upload);
        return TOOL_REFUSED;
    }
    printf("%s: %u bytes stored, %.1f KiB/s\n", path, upload->size,
           kib_per_second(upload, upload->size));
    fflush(stdout);
    return watch_it_start(upload);
}

int cmd_upload(int argc, char **argv)
{
    struct options options;
    static struct upload upload;
    struct session *sessions[] = {&upload.request.session};
    if (options_read(&options, argc, argv, "bw", 2, 2))
        return TOOL_USAGE;
    const char *path = options.words[1];
    int status = load(&upload, path) ? TOOL_USAGE : TOOL_OK;
    if (status == TOOL_OK)
        status = request_open(&upload.request, options.words[0], &options);
    if (status == TOOL_OK) {
        begin(&upload);
        session_run(sessions, 1, SESSION_FOREVER, has_ended, &upload);
        status = finish(&upload, path);
        session_close(&upload.request.session);
    }
    free(upload.image);
    return status;
}
