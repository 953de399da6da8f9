/*
 * cmd_upload.c - brings a file into a board's store, and tells how far it is. What is under way and
 * where it goes on is mp_bulk_host's.
 */
#define _DEFAULT_SOURCE
#include "commands.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (64u << 20)
#define STALL_US  20000000u /* a board that restarts may be away for so long */

struct upload {
    struct request request;
    struct mp_bulk_host bulk;
    uint8_t *image;
    uint32_t size;
    uint32_t resumed_at; /* where this run began */
    uint64_t started_us, moved_us;
    bool begun, ended, shown;
    enum mp_status status;
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
    upload->started_us = upload->moved_us = session_now();
    upload->request.bulk = &upload->bulk;
    upload->request.session.user = upload;
    upload->request.session.step = step;
    mp_bulk_host_start(&upload->bulk, &upload->request.session.host, upload->size, hash, &io);
}

static int finish(const struct upload *upload, const char *path)
{
    const struct request *request = &upload->request;
    if (upload->shown)
        fputc('\n', stderr);
    if (upload->ended && upload->status == MP_STATUS_DONE) {
        printf("%s: %u bytes stored, %.1f KiB/s\n", path, upload->size,
               kib_per_second(upload, upload->size));
        return TOOL_OK;
    }
    if (upload->ended)
        fprintf(stderr, "mcu-tool: upload: %s\n", mp_status_text(upload->status));
    else
        fprintf(stderr, "mcu-tool: upload: %s after %u of %u bytes; the same command goes on\n",
                request->session.gone ? request->session.why : "the board does not answer any more",
                upload->bulk.stored, upload->size);
    return TOOL_REFUSED;
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
