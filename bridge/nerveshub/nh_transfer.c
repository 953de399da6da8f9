/*
 * Fetching one file with libcurl, blocking, on a thread of its own: ask for what is missing, check
 * what comes, try again. The thread owns everything here but the three atomics.
 */
#include "nh_transfer.h"

#include "nh_curl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MOST_MS 60000u
#define CONNECT_S     30L
#define REDIRECTS     3L
#define HASH_BYTES    32
#define READ_BYTES    (64 * 1024)
#define NAP_MS        100
#define ETAG_MAX      128
#define UNTIL_SPACE   (1u << 20) /* bytes written between two looks at the free space */

/* How one request ended. */
enum outcome {
    OUTCOME_WHOLE,   /* the file is there, to be checked as a whole */
    OUTCOME_AGAIN,   /* the line or the server: try again, going on */
    OUTCOME_DROP,    /* what is on disk is not what the server has: try again from the start */
    OUTCOME_FAILED,  /* no use; `why` says it */
    OUTCOME_STOPPED, /* cancelled */
};

struct nh_transfer {
    const struct nh_download_options *options;
    struct nh_offer offer;
    void (*wake)(void *user);
    void *user;
    atomic_bool cancelled;
    atomic_uint percent;
    atomic_bool ended; /* set last: the two below are valid */
    bool for_good;
    char why[NH_TRANSFER_WHY_MAX];

    char part[4096], whole[4096];
    int fd;
    uint64_t have;      /* bytes on disk, checked as far as there are sums */
    uint64_t size;      /* of the file; 0: not known */
    EVP_MD_CTX *hash;   /* of the part that grows */
    uint64_t unchecked; /* bytes written since the free space was looked at */
    bool wrong_part, full, too_long;
    const struct nh_curl *lib;
    CURL *curl;
    char etag[ETAG_MAX], etag_now[ETAG_MAX];
};

bool nh_firmware_path(const char *folder, const char *uuid, const char *ending, char *out,
                      size_t cap)
{
    if (strlen(uuid) != NH_UUID_TEXT - 1 || strspn(uuid, "0123456789abcdef-") != NH_UUID_TEXT - 1)
        return false;
    int n = snprintf(out, cap, "%s/%s.%s", folder, uuid, ending);
    return n > 0 && (size_t)n < cap;
}

struct nh_transfer *nh_transfer_new(const struct nh_download_options *options,
                                    const struct nh_offer *offer, void (*wake)(void *user),
                                    void *user)
{
    struct nh_transfer *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->options = options;
    t->offer = *offer;
    t->wake = wake;
    t->user = user;
    t->fd = -1;
    t->size = offer->size;
    t->hash = EVP_MD_CTX_new();
    if (t->hash == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

void nh_transfer_free(struct nh_transfer *t)
{
    if (t == NULL)
        return;
    EVP_MD_CTX_free(t->hash);
    free(t);
}

void nh_transfer_cancel(struct nh_transfer *t)
{
    atomic_store(&t->cancelled, true);
}

unsigned nh_transfer_percent(struct nh_transfer *t)
{
    return atomic_load(&t->percent);
}

bool nh_transfer_ended(struct nh_transfer *t, char why[static NH_TRANSFER_WHY_MAX], bool *for_good)
{
    if (!atomic_load(&t->ended))
        return false;
    memcpy(why, t->why, NH_TRANSFER_WHY_MAX);
    *for_good = t->for_good;
    return true;
}

/* Remembers the reason and returns the outcome. */
static enum outcome because(struct nh_transfer *t, enum outcome outcome, const char *what,
                            const char *detail)
{
    snprintf(t->why, sizeof(t->why), "%s%s%s", what, detail[0] != '\0' ? ": " : "", detail);
    return outcome;
}

static enum outcome never(struct nh_transfer *t, const char *what)
{
    t->for_good = true;
    return because(t, OUTCOME_FAILED, what, "");
}

/* -- What is on disk. */

static void show_percent(struct nh_transfer *t)
{
    if (t->size == 0)
        return;
    unsigned percent = (unsigned)(t->have * 100 / t->size);
    if (atomic_exchange(&t->percent, percent) != percent)
        t->wake(t->user);
}

static void hash_begin(struct nh_transfer *t)
{
    EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL);
}

static bool hash_is(struct nh_transfer *t, const char *expected)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    char text[NH_HASH_TEXT];
    EVP_DigestFinal_ex(t->hash, sum, NULL);
    for (size_t i = 0; i < HASH_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return strcmp(text, expected) == 0;
}

/* Counts bytes as had; false: the part that they end is wrong. `bytes` never cross the end of a
 * part. */
static bool account(struct nh_transfer *t, const uint8_t *bytes, size_t n)
{
    size_t index = (size_t)(t->have / NH_PART_BYTES);
    EVP_DigestUpdate(t->hash, bytes, n);
    t->have += n;
    bool ends = t->have % NH_PART_BYTES == 0 || t->have == t->size;
    if (!ends)
        return true;
    bool right = index >= t->offer.part_count || hash_is(t, t->offer.parts[index]);
    hash_begin(t);
    return right;
}

static size_t to_part_end(const struct nh_transfer *t, size_t n)
{
    uint64_t rest = NH_PART_BYTES - t->have % NH_PART_BYTES;
    return n < rest ? n : (size_t)rest;
}

/* Cuts the file back to its last whole part. */
static bool cut_back(struct nh_transfer *t)
{
    if (t->have > 0)
        t->have = (t->have - 1) / NH_PART_BYTES * NH_PART_BYTES;
    hash_begin(t);
    return ftruncate(t->fd, (off_t)t->have) == 0 && lseek(t->fd, (off_t)t->have, SEEK_SET) >= 0;
}

static bool start_over(struct nh_transfer *t)
{
    t->have = 0;
    t->etag[0] = '\0';
    return cut_back(t);
}

/* Reads what an earlier attempt left, as far as it is right. */
static bool take_stock(struct nh_transfer *t)
{
    uint8_t *block = malloc(READ_BYTES);
    ssize_t n = 0;
    bool right = true;
    t->have = 0;
    hash_begin(t);
    while (block != NULL && right && (n = read(t->fd, block, to_part_end(t, READ_BYTES))) > 0)
        right = account(t, block, (size_t)n);
    free(block);
    if (block == NULL || n < 0)
        return false;
    if (!right || (t->size > 0 && t->have > t->size))
        return cut_back(t);
    return lseek(t->fd, (off_t)t->have, SEEK_SET) >= 0;
}

static void read_etag(struct nh_transfer *t)
{
    char path[4096];
    FILE *in =
        nh_firmware_path(t->options->folder, t->offer.firmware.uuid, "etag", path, sizeof(path))
            ? fopen(path, "r")
            : NULL;
    t->etag[0] = '\0';
    if (in != NULL) {
        if (fgets(t->etag, sizeof(t->etag), in) == NULL)
            t->etag[0] = '\0';
        fclose(in);
    }
}

static void write_etag(struct nh_transfer *t)
{
    char path[4096];
    if (!nh_firmware_path(t->options->folder, t->offer.firmware.uuid, "etag", path, sizeof(path)))
        return;
    if (t->etag_now[0] == '\0') {
        unlink(path);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, t->etag_now, strlen(t->etag_now)) < 0)
        unlink(path);
    close(fd);
}

static bool open_part(struct nh_transfer *t)
{
    const char *uuid = t->offer.firmware.uuid;
    if (!nh_firmware_path(t->options->folder, uuid, "part", t->part, sizeof(t->part)) ||
        !nh_firmware_path(t->options->folder, uuid, "fw", t->whole, sizeof(t->whole)))
        return false;
    t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return t->fd >= 0 && take_stock(t);
}

/* -- One request. */

static bool disk_has_room(struct nh_transfer *t, size_t n)
{
    struct statvfs disk;
    t->unchecked += n;
    if (t->unchecked < UNTIL_SPACE && t->have > 0)
        return true;
    t->unchecked = 0;
    return fstatvfs(t->fd, &disk) != 0 ||
           (uint64_t)disk.f_bavail * disk.f_frsize >= t->options->keep_free + UNTIL_SPACE;
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return true;
}

/* libcurl hands over what came; another number than n ends the request. */
static size_t on_bytes(char *data, size_t one, size_t n, void *user)
{
    struct nh_transfer *t = user;
    (void)one;
    if (t->have + n > t->options->file_max || (t->size > 0 && t->have + n > t->size)) {
        t->too_long = true;
        return 0;
    }
    for (size_t i = 0; i < n;) {
        size_t piece = to_part_end(t, n - i);
        if (!disk_has_room(t, piece) || !write_all(t->fd, (uint8_t *)data + i, piece)) {
            t->full = true;
            return 0;
        }
        if (!account(t, (uint8_t *)data + i, piece)) {
            t->wrong_part = true;
            return 0;
        }
        i += piece;
    }
    show_percent(t);
    return n;
}

static void take_etag(struct nh_transfer *t, const char *line, size_t n)
{
    static const char name[] = "etag:";
    if (n < sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
        return;
    size_t from = sizeof(name) - 1;
    while (from < n && line[from] == ' ')
        from++;
    while (n > from && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    size_t length = n - from < ETAG_MAX - 1 ? n - from : ETAG_MAX - 1;
    memcpy(t->etag_now, line + from, length);
    t->etag_now[length] = '\0';
}

static long status_of(struct nh_transfer *t)
{
    long status = 0;
    t->lib->easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* At the end of the header: what follows must go on where the file ends, or be the whole. */
static bool body_fits(struct nh_transfer *t)
{
    curl_off_t length = -1;
    long status = status_of(t);
    t->lib->easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status == 206)
        return t->etag[0] == '\0' || strcmp(t->etag, t->etag_now) == 0;
    if (status != 200)
        return true;
    if (t->have > 0)
        return false;
    if (t->size == 0 && length > 0)
        t->size = (uint64_t)length;
    write_etag(t);
    memcpy(t->etag, t->etag_now, sizeof(t->etag));
    return true;
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    struct nh_transfer *t = user;
    (void)one;
    if (n >= 5 && strncmp(line, "HTTP/", 5) == 0)
        t->etag_now[0] = '\0';
    take_etag(t, line, n);
    bool end = n <= 2;
    return end && !body_fits(t) ? 0 : n;
}

static int on_tick(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct nh_transfer *t = user;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&t->cancelled) ? 1 : 0;
}

static void set_options(struct nh_transfer *t)
{
    const struct nh_download_options *o = t->options;
    bool plain = o->allow_http && strncmp(t->offer.url, "http://", 7) == 0;
    CURL *c = t->curl;
    t->lib->easy_setopt(c, CURLOPT_URL, t->offer.url);
    t->lib->easy_setopt(c, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    t->lib->easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, plain ? "http,https" : "https");
    t->lib->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    t->lib->easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS);
    t->lib->easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    t->lib->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    t->lib->easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    t->lib->easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    t->lib->easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    t->lib->easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)o->stall_seconds);
    t->lib->easy_setopt(c, CURLOPT_USERAGENT, "mcu-bridge/" MCU_VERSION);
    if (o->ca_file != NULL) {
        t->lib->easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
        t->lib->easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    if (o->proxy != NULL) { /* and no no_proxy of the environment beside it */
        t->lib->easy_setopt(c, CURLOPT_PROXY, o->proxy);
        t->lib->easy_setopt(c, CURLOPT_NOPROXY, "");
    }
    t->lib->easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    t->lib->easy_setopt(c, CURLOPT_WRITEDATA, t);
    t->lib->easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    t->lib->easy_setopt(c, CURLOPT_HEADERDATA, t);
    t->lib->easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick);
    t->lib->easy_setopt(c, CURLOPT_XFERINFODATA, t);
    t->lib->easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (t->have > 0)
        t->lib->easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->have);
}

/* An address has a credential in it: of an error only libcurl's own words are told. */
static enum outcome judge_http(struct nh_transfer *t)
{
    char text[48];
    long status = status_of(t);
    snprintf(text, sizeof(text), "the server answered %ld", status);
    /* What some servers answer past the end. 502 and the like are of one that starts anew. */
    if (status == 416 || (status == 500 && t->have > 0))
        return because(t, OUTCOME_DROP, text, "");
    if (status == 408 || status == 429 || status >= 500)
        return because(t, OUTCOME_AGAIN, text, "");
    bool gone = status == 403 || status == 404;
    return because(t, OUTCOME_FAILED, text, gone ? "the address may have expired" : "");
}

/* on_bytes ended the request, and has said why. */
static enum outcome judge_bytes(struct nh_transfer *t)
{
    if (t->full)
        return because(t, OUTCOME_FAILED, "no room for the file: the disk is full, or nearly", "");
    if (t->too_long)
        return never(t, "the file is longer than announced or allowed");
    enum outcome next = cut_back(t) ? OUTCOME_AGAIN : OUTCOME_FAILED;
    return because(t, next, "a part of the file arrived damaged, again and again", "");
}

static enum outcome judge(struct nh_transfer *t, CURLcode code)
{
    if (atomic_load(&t->cancelled))
        return OUTCOME_STOPPED;
    if (t->wrong_part || t->full || t->too_long)
        return judge_bytes(t);
    switch ((int)code) {
    case CURLE_OK: /* libcurl takes 416 for a file that was whole already */
        return status_of(t) == 416 ? judge_http(t) : OUTCOME_WHOLE;
    case CURLE_HTTP_RETURNED_ERROR:
        return judge_http(t);
    case CURLE_RANGE_ERROR: /* the server ignores ranges */
    case CURLE_WRITE_ERROR: /* on_header: what comes does not go on where the file ends */
        return because(t, OUTCOME_DROP, "the file changed on the server", "");
    case CURLE_UNSUPPORTED_PROTOCOL:
        return never(t, "the address is not https");
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_URL_MALFORMAT:
        return never(t, t->lib->easy_strerror(code));
    default:
        return because(t, OUTCOME_AGAIN, t->lib->easy_strerror(code), "");
    }
}

static enum outcome request(struct nh_transfer *t)
{
    t->wrong_part = t->full = t->too_long = false;
    t->etag_now[0] = '\0';
    const char *why;
    t->lib = nh_curl(&why);
    if (t->lib == NULL)
        return because(t, OUTCOME_FAILED, why, "");
    t->curl = t->lib->easy_init();
    if (t->curl == NULL)
        return because(t, OUTCOME_FAILED, "out of memory", "");
    set_options(t);
    enum outcome outcome = judge(t, t->lib->easy_perform(t->curl));
    t->lib->easy_cleanup(t->curl);
    t->curl = NULL;
    return outcome;
}

/* -- The whole file. */

static bool whole_is_right(struct nh_transfer *t)
{
    uint8_t *block = malloc(READ_BYTES);
    ssize_t n = 0;
    if (block == NULL || lseek(t->fd, 0, SEEK_SET) < 0) {
        free(block);
        return false;
    }
    hash_begin(t);
    while ((n = read(t->fd, block, READ_BYTES)) > 0)
        EVP_DigestUpdate(t->hash, block, (size_t)n);
    free(block);
    return n == 0 && (t->offer.checksum[0] == '\0' || hash_is(t, t->offer.checksum));
}

/* The name is given when the bytes are on the disk. */
static enum outcome finish(struct nh_transfer *t)
{
    char etag[4096];
    if (t->size > 0 && t->have < t->size)
        return because(t, OUTCOME_AGAIN, "the file ended early", "");
    if (!whole_is_right(t))
        return because(t, OUTCOME_DROP, "the file's SHA-256 is not the announced one", "");
    if (fsync(t->fd) != 0 || rename(t->part, t->whole) != 0)
        return because(t, OUTCOME_FAILED, "the file cannot be stored", strerror(errno));
    if (nh_firmware_path(t->options->folder, t->offer.firmware.uuid, "etag", etag, sizeof(etag)))
        unlink(etag);
    return OUTCOME_WHOLE;
}

static void nap(struct nh_transfer *t, unsigned ms)
{
    for (unsigned slept = 0; slept < ms && !atomic_load(&t->cancelled); slept += NAP_MS) {
        struct timespec pause = {0, NAP_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
}

/* A complete partial file is not asked for again: some servers answer 500 at its end. */
static enum outcome attempt(struct nh_transfer *t)
{
    enum outcome outcome = t->size > 0 && t->have == t->size ? OUTCOME_WHOLE : request(t);
    if (outcome == OUTCOME_WHOLE)
        outcome = finish(t);
    if (outcome == OUTCOME_DROP && !start_over(t))
        outcome = OUTCOME_FAILED;
    return outcome;
}

static void try_and_try(struct nh_transfer *t)
{
    unsigned wait = t->options->retry_ms;
    if (t->offer.size > t->options->file_max) {
        never(t, "the file is larger than allowed");
        return;
    }
    if (!open_part(t)) {
        because(t, OUTCOME_FAILED, "the file cannot be stored", strerror(errno));
        return;
    }
    read_etag(t);
    for (unsigned i = 0; i < t->options->tries; i++) {
        uint64_t before = t->have;
        enum outcome outcome = attempt(t);
        if (outcome == OUTCOME_WHOLE)
            t->why[0] = '\0';
        if (outcome != OUTCOME_AGAIN && outcome != OUTCOME_DROP)
            return;
        if (t->have > before) { /* it goes on, however slowly */
            i = 0;
            wait = t->options->retry_ms;
        }
        nap(t, wait);
        wait = 2 * wait < RETRY_MOST_MS ? 2 * wait : RETRY_MOST_MS;
    }
}

void nh_transfer_run(struct nh_transfer *t)
{
    try_and_try(t);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    atomic_store(&t->ended, true);
    t->wake(t->user);
}
