/*
 * From UUID.fw to UUID-N.image: the file is judged by fw_file.c, once as a whole and once while the
 * image is taken out; the image must hold a build id, since nothing else could prove later that it
 * runs. Whether the firmware is for the board is nh_update.c's to say.
 */
#include "nh_check.h"

#include "fw/fw_image.h"
#include "nh_download.h"
#include "nh_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void refuse(struct nh_check *c, bool for_good, const char *what)
{
    snprintf(c->why, sizeof(c->why), "%s", what);
    c->for_good = for_good;
}

/* -- The file. */

/* A file that is refused is fetched again: its uuid covers neither its data nor its signature, so
 * the next one of the same uuid may be good. */
static bool judged_good(struct nh_check *c, const char *path, enum fw_verdict verdict)
{
    switch (verdict) {
    case FW_GOOD:
        return true;
    case FW_UNREADABLE:
        c->for_good = access(path, F_OK) != 0;
        if (c->for_good)
            refuse(c, true, "its file is not kept here");
        return false;
    case FW_DAMAGED:
    case FW_UNSIGNED:
    case FW_FOREIGN:
    case FW_TOO_LARGE:
        unlink(path);
        c->for_good = verdict == FW_TOO_LARGE;
        return false;
    }
    return false;
}

static void copy_text(char *out, const char *text)
{
    snprintf(out, NH_TEXT_MAX, "%s", text);
}

static void take_meta(struct nh_check *c, const struct fw_meta *meta)
{
    c->meta = (struct nh_firmware){0};
    snprintf(c->meta.uuid, sizeof(c->meta.uuid), "%s", meta->uuid);
    copy_text(c->meta.product, meta->product);
    copy_text(c->meta.version, meta->version);
    copy_text(c->meta.platform, meta->platform);
    copy_text(c->meta.architecture, meta->architecture);
    copy_text(c->meta.author, meta->author);
    copy_text(c->meta.description, meta->description);
    copy_text(c->meta.vcs_identifier, meta->vcs_identifier);
    copy_text(c->meta.misc, meta->misc);
}

/* -- Which resource. */

static bool looks_like_image(const char *name)
{
    static const char *const endings[] = {".bin", ".hex", ".img", ".elf"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (length >= 4 && strcmp(name + length - 4, endings[i]) == 0)
            return true;
    return false;
}

static bool matches(const struct nh_check *c, const struct fw_meta *meta, size_t i)
{
    const char *name = meta->resources[i].name;
    if (c->resource[0] != '\0')
        return strcmp(name, c->resource) == 0;
    return meta->resource_count == 1 || looks_like_image(name);
}

static const struct fw_resource *choose(struct nh_check *c, const struct fw_meta *meta)
{
    const struct fw_resource *found = NULL;
    size_t count = 0;
    for (size_t i = 0; i < meta->resource_count; i++)
        if (matches(c, meta, i)) {
            found = &meta->resources[i];
            count++;
        }
    if (count == 1 && found->length > 0)
        return found;
    if (count == 1)
        refuse(c, true, "the image in the firmware file is empty");
    else if (count > 1)
        refuse(c, true, "the firmware file holds several images: say which one with `resource`");
    else if (c->resource[0] != '\0')
        snprintf(c->why, sizeof(c->why), "the firmware file has no resource \"%.100s\"",
                 c->resource);
    else
        refuse(c, true, "nothing in the firmware file looks like an image: name it *.bin or *.hex");
    c->for_good = true;
    return NULL;
}

/* -- The image. */

struct image_file {
    int fd;
    int error;
};

static int take_bytes(void *user, const uint8_t *bytes, size_t n)
{
    struct image_file *file = user;
    while (n > 0) {
        ssize_t done = write(file->fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            file->error = done < 0 ? errno : ENOSPC;
            return -1;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

static bool has_room(const struct nh_check *c, uint64_t bytes)
{
    struct statvfs disk;
    return statvfs(c->options->folder, &disk) != 0 ||
           (uint64_t)disk.f_bavail * disk.f_frsize >= c->options->keep_free + bytes;
}

static bool extract_to(struct nh_check *c, const char *path, const struct fw_resource *resource,
                       const char *part)
{
    struct fw_meta again;
    struct image_file file = {.fd = -1};
    struct fw_sink sink = {resource->name, &file, take_bytes};
    if (has_room(c, resource->length))
        file.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    else
        errno = ENOSPC;
    if (file.fd < 0) {
        snprintf(c->why, sizeof(c->why), "the image cannot be stored: %s", strerror(errno));
        return false;
    }
    bool done = judged_good(c, path,
                            fw_check(path, &c->options->keys, c->options->image_max, &sink, &again,
                                     c->why)) &&
                strcmp(again.uuid, c->uuid) == 0 && fsync(file.fd) == 0;
    if (file.error != 0) {
        snprintf(c->why, sizeof(c->why), "the image cannot be stored: %s", strerror(file.error));
        c->for_good = false;
    }
    close(file.fd);
    return done;
}

static bool extract(struct nh_check *c, const char *path, const struct fw_meta *meta,
                    const struct fw_resource *resource)
{
    char part[NH_FILE_PATH_MAX];
    int n = snprintf(c->image, sizeof(c->image), "%s/%s-%u.image", c->options->folder, c->uuid,
                     (unsigned)(resource - meta->resources));
    if (n < 0 || (size_t)n >= sizeof(c->image) ||
        !nh_firmware_path(c->options->folder, c->uuid, "image.new", part, sizeof(part))) {
        refuse(c, true, "the folder's name is too long");
        return false;
    }
    bool done = extract_to(c, path, resource, part) && rename(part, c->image) == 0;
    if (!done)
        unlink(part);
    if (!done && c->why[0] == '\0')
        snprintf(c->why, sizeof(c->why), "the image cannot be stored: %s", strerror(errno));
    return done;
}

static bool remember_id(struct nh_check *c)
{
    struct fw_image image;
    uint8_t id[FW_IMAGE_ID_MAX];
    if (fw_image_load(c->image, &image, c->why) != 0) {
        c->for_good = true;
        return false;
    }
    size_t length = fw_image_id(&image, id);
    fw_image_free(&image);
    if (length == 0) {
        refuse(c, true,
               "the image holds no build id, so nothing could prove that it runs: link it with "
               "--build-id");
        return false;
    }
    if (nh_store_firmware(c->options->folder, &c->meta, id, length))
        return true;
    refuse(c, false, "what the firmware is cannot be written down: is the disk full?");
    return false;
}

void nh_check_run(struct nh_check *c)
{
    char path[NH_FILE_PATH_MAX];
    struct fw_meta meta;
    c->good = c->for_good = false;
    c->why[0] = '\0';
    if (!nh_firmware_path(c->options->folder, c->uuid, "fw", path, sizeof(path))) {
        refuse(c, true, "its file is not kept here");
        return;
    }
    if (!judged_good(c, path,
                     fw_check(path, &c->options->keys, c->options->image_max, NULL, &meta, c->why)))
        return;
    take_meta(c, &meta);
    if (strcmp(meta.uuid, c->uuid) != 0) {
        unlink(path);
        refuse(c, true, "the file holds another firmware than the server named");
        return;
    }
    const struct fw_resource *resource = choose(c, &meta);
    c->good = resource != NULL && extract(c, path, &meta, resource) && remember_id(c);
}
