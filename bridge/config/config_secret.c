/*
 * config_secret.c - reads one secret from a file that is ours alone, and asks of a file that others
 * read (a private key) whether it is, and of one with certificates whether it has any. What the
 * secret must look like beyond one printable line is its user's business; whether a certificate is
 * good, that of TLS.
 */
#define _DEFAULT_SOURCE
#include "config_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file longer than this is no secret with some white space around it. */
#define FILE_MAX (2 * CONFIG_SECRET_MAX)

static int check_owner(const char *file, int fd, char *error, size_t cap)
{
    struct stat status;
    if (fstat(fd, &status)) {
        snprintf(error, cap, "cannot look at %s: %s", file, strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(error, cap, "%s is no regular file", file);
        return -1;
    }
    /* Root may look at what is a service's own, as with --check-config before a restart. */
    if (status.st_uid != geteuid() && status.st_uid != 0 && geteuid() != 0) {
        snprintf(error, cap, "%s belongs to another user (uid %u, we are %u): chown %u %s", file,
                 (unsigned)status.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), file);
        return -1;
    }
    if (status.st_mode & 077) {
        snprintf(error, cap, "others may use %s (mode %04o): chmod 600 %s", file,
                 (unsigned)status.st_mode & 07777, file);
        return -1;
    }
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int take_line(const char *file, const char *bytes, size_t n, char *out, size_t out_cap,
                     char *error, size_t cap)
{
    while (n && is_space(bytes[n - 1]))
        n--;
    while (n && is_space(*bytes)) {
        bytes++;
        n--;
    }
    if (n == 0 || n > CONFIG_SECRET_MAX || n >= out_cap) {
        snprintf(error, cap, n ? "%s: too long for a secret" : "%s is empty", file);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)bytes[i] < 0x20 || (unsigned char)bytes[i] >= 0x7F) {
            snprintf(error, cap, "%s: expected one line of printable ASCII", file);
            return -1;
        }
    memcpy(out, bytes, n);
    out[n] = '\0';
    return 0;
}

static ssize_t read_whole(int fd, char *bytes, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, bytes + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

int config_secret(const char *file, char *out, size_t cap, char *error, size_t error_cap)
{
    char bytes[FILE_MAX + 1];
    /* O_NONBLOCK: a FIFO in that place must not hang us. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        snprintf(error, error_cap, errno == ENOENT ? "there is no file %s" : "cannot open %s: %s",
                 file, strerror(errno));
        return -1;
    }
    int result = check_owner(file, fd, error, error_cap);
    if (result == 0) {
        ssize_t n = read_whole(fd, bytes, sizeof bytes);
        if (n < 0) {
            snprintf(error, error_cap, "cannot read %s: %s", file, strerror(errno));
            result = -1;
        } else {
            result = take_line(file, bytes, (size_t)n, out, cap, error, error_cap);
        }
        explicit_bzero(bytes, sizeof bytes);
    }
    close(fd);
    return result;
}

static bool has_certificate(FILE *file)
{
    char line[80];
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "CERTIFICATE-----"))
            return true;
    return false;
}

bool config_is_certificate(const char *file, char *error, size_t cap)
{
    struct stat status;
    FILE *opened = NULL;
    if (stat(file, &status) || !S_ISREG(status.st_mode)) {
        snprintf(error, cap, "there is no file %s", file);
    } else if (!(opened = fopen(file, "re"))) {
        snprintf(error, cap, "cannot open %s: %s", file, strerror(errno));
    } else if (!has_certificate(opened)) {
        snprintf(error, cap,
                 "%s holds no certificate in PEM (-----BEGIN CERTIFICATE-----); one in DER becomes "
                 "it by: openssl x509 -inform der -in FILE -out FILE.pem",
                 file);
    } else {
        fclose(opened);
        return true;
    }
    if (opened)
        fclose(opened);
    return false;
}

bool config_is_private(const char *file)
{
    struct stat status;
    return stat(file, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 077) == 0;
}
