/*
 * The profile of a bridge that has no application, only a NervesHub: nothing is asked of it, since
 * nobody connects. What NervesHub itself is told is bridge/nerveshub's.
 */
#include "profile.h"

static const char *check_credential(const struct profile *self, const char *secret)
{
    (void)self;
    (void)secret;
    return "there is no server to show it to";
}

static bool knows_kind(const struct profile *self, const char *kind)
{
    (void)self;
    (void)kind;
    return false;
}

static size_t upload_bound(const struct profile *self, const struct profile_upload *upload)
{
    (void)self;
    (void)upload;
    return 0;
}

static size_t write_upload(const struct profile *self, const struct profile_upload *upload,
                           char *out, size_t cap)
{
    (void)self;
    (void)upload;
    (void)out;
    (void)cap;
    return 0;
}

static void read_control(const struct profile *self, struct profile_text payload,
                         const struct profile_control_io *io)
{
    (void)self;
    (void)payload;
    (void)io;
}

const struct profile profile_nerveshub = {
    .name = "nerveshub",
    .credential = PROFILE_NONE,
    .check_credential = check_credential,
    .knows_kind = knows_kind,
    .upload_bound = upload_bound,
    .write_upload = write_upload,
    .read_control = read_control,
};
