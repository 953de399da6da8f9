/*
 * The client of /status: one request on a blocking socket, and the table made of the answer. What
 * is up and what is down, the bridge says itself (watch_status.c); here it is only shown.
 *
 * Names and errors in the answer may hold anything: they are printed as log_quote makes them, so
 * that no board writes to somebody's terminal.
 */
#include "status.h"

#include "base/log.h"
#include "config/config_listen.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S   5
#define ANSWER_MAX  (64u << 20)
#define CELL_MAX    48
#define COLUMNS     10
#define ERROR_SHOWN 160

/* -- Asking. */

static int connect_to(const struct config_listen *at)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    socklen_t len = sizeof address.un;
    memset(&address, 0, sizeof address);
    if (at->is_unix) {
        address.un.sun_family = AF_UNIX;
        memcpy(address.un.sun_path, at->path, strlen(at->path) + 1);
    } else if (at->is_ipv6) {
        len = sizeof address.in6;
        address.in6.sin6_family = AF_INET6;
        address.in6.sin6_port = htons(at->port);
        inet_pton(AF_INET6, at->host, &address.in6.sin6_addr);
    } else {
        len = sizeof address.in;
        address.in.sin_family = AF_INET;
        address.in.sin_port = htons(at->port);
        inet_pton(AF_INET, at->host, &address.in.sin_addr);
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, &address.any, len) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Reads until the other side closes. NULL with errno set. */
static char *read_answer(int fd)
{
    char *bytes = NULL;
    size_t n = 0, cap = 0;
    for (;;) {
        if (cap - n < 4096) {
            cap = cap == 0 ? 65536 : 2 * cap;
            char *more = cap <= ANSWER_MAX ? realloc(bytes, cap) : NULL;
            if (more == NULL)
                break;
            bytes = more;
        }
        ssize_t got = read(fd, bytes + n, cap - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        n += (size_t)got;
        bytes[n] = '\0';
        if (got == 0)
            return bytes;
    }
    free(bytes);
    return NULL;
}

static char *ask(int fd)
{
    static const char request[] =
        "GET /status HTTP/1.1\r\nHost: mcu-bridge\r\nConnection: close\r\n\r\n";
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return NULL;
    return read_answer(fd);
}

/* -- Showing. */

struct table {
    char (*cells)[COLUMNS][CELL_MAX];
    size_t rows;
    int widths[COLUMNS];
};

static const char *text_of(const cJSON *object, const char *key, const char *otherwise)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text != NULL ? text : otherwise;
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

/* Columns of a terminal that `text` takes, nearly: characters. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void put(struct table *table, size_t row, size_t column, const char *text)
{
    log_quote(table->cells[row][column], CELL_MAX, text, strlen(text));
    int width = width_of(table->cells[row][column]);
    if (width > table->widths[column])
        table->widths[column] = width;
}

static void put_amount(struct table *table, size_t row, size_t column, double amount,
                       const char *unit)
{
    char text[CELL_MAX] = "-";
    if (amount >= 0)
        snprintf(text, sizeof text, "%.0f%s", amount, unit);
    put(table, row, column, text);
}

static void put_mcu(struct table *table, size_t row, const cJSON *mcu)
{
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(mcu, "commands");
    put(table, row, 0, text_of(mcu, "name", "?"));
    put(table, row, 1, text_of(mcu, "device", "-"));
    put(table, row, 2, text_of(mcu, "path", "-"));
    put(table, row, 3, text_of(mcu, "link", "?"));
    put(table, row, 4, text_of(mcu, "server", "-"));
    put_amount(table, row, 5, number_of(mcu, "readings_in"), "");
    put_amount(table, row, 6, number_of(mcu, "readings_out"), "");
    put_amount(table, row, 7, number_of(mcu, "waiting"), "");
    put_amount(table, row, 8, number_of(mcu, "oldest_unsent_s"), " s");
    put_amount(table, row, 9, number_of(commands, "done"), "");
}

static void print_row(const struct table *table, size_t row)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *cell = table->cells[row][i];
        printf("%s%*s", cell, i + 1 < COLUMNS ? table->widths[i] - width_of(cell) + 2 : 0, "");
    }
    puts("");
}

static void print_table(const cJSON *mcus)
{
    static const char *const heads[COLUMNS] = {"MCU", "DEVICE", "PORT",    "LINK",   "SERVER",
                                               "IN",  "OUT",    "WAITING", "OLDEST", "DONE"};
    struct table table = {.rows = 1 + (size_t)cJSON_GetArraySize(mcus)};
    const cJSON *mcu;
    size_t row = 1;
    table.cells = calloc(table.rows, sizeof *table.cells);
    if (table.cells == NULL)
        return;
    for (size_t i = 0; i < COLUMNS; i++)
        put(&table, 0, i, heads[i]);
    cJSON_ArrayForEach(mcu, mcus) put_mcu(&table, row++, mcu);
    for (size_t i = 0; i < table.rows; i++)
        print_row(&table, i);
    free(table.cells);
}

static const char *quoted(char out[CELL_MAX], const cJSON *object, const char *key)
{
    const char *text = text_of(object, key, "-");
    return log_quote(out, CELL_MAX, text, strlen(text));
}

static void print_trouble(const cJSON *hub)
{
    char trouble[2 * ERROR_SHOWN];
    const char *text = text_of(hub, "trouble", NULL);
    if (text != NULL)
        printf("    %s\n", log_quote(trouble, sizeof trouble, text, strlen(text)));
}

/* Those that are devices of NervesHub. */
static void print_hub(const cJSON *mcus)
{
    const cJSON *mcu;
    bool first = true;
    char name[CELL_MAX], state[CELL_MAX], version[CELL_MAX], uuid[CELL_MAX], stage[CELL_MAX];
    cJSON_ArrayForEach(mcu, mcus)
    {
        const cJSON *hub = cJSON_GetObjectItemCaseSensitive(mcu, "nerveshub");
        if (!cJSON_IsObject(hub))
            continue;
        if (first)
            puts("\nNervesHub:");
        first = false;
        printf("  %s: %s; firmware %s, %s; updates %.0f, failed %.0f", quoted(name, mcu, "name"),
               quoted(state, hub, "state"), quoted(version, hub, "version"),
               quoted(uuid, hub, "uuid"), number_of(hub, "updates"),
               number_of(hub, "updates_failed"));
        if (strcmp(text_of(hub, "update", "idle"), "idle") != 0)
            printf("; now %s", quoted(stage, hub, "update"));
        if (number_of(hub, "update_percent") >= 0)
            printf(" %.0f %%", number_of(hub, "update_percent"));
        puts("");
        print_trouble(hub);
    }
}

static void print_errors(const cJSON *mcus)
{
    const cJSON *mcu;
    bool first = true;
    char name[CELL_MAX], error[2 * ERROR_SHOWN];
    cJSON_ArrayForEach(mcu, mcus)
    {
        const char *text = text_of(mcu, "error", NULL), *who = text_of(mcu, "name", "?");
        if (text == NULL)
            continue;
        if (first)
            puts("\nLast warnings and errors:");
        first = false;
        printf("  %s, %.0f s ago: %s\n", log_quote(name, sizeof name, who, strlen(who)),
               number_of(mcu, "error_age_s"), log_quote(error, sizeof error, text, strlen(text)));
    }
}

/* Returns how many things are down. */
static int print_down(const cJSON *down)
{
    const cJSON *line;
    char text[4 * ERROR_SHOWN];
    int count = cJSON_GetArraySize(down);
    if (count > 0)
        puts("\nDown:");
    cJSON_ArrayForEach(line, down)
    {
        const char *what = cJSON_GetStringValue(line);
        if (what != NULL)
            printf("  %s\n", log_quote(text, sizeof text, what, strlen(what)));
    }
    return count;
}

static int show(const cJSON *status)
{
    const cJSON *mcus = cJSON_GetObjectItemCaseSensitive(status, "mcus");
    char version[CELL_MAX];
    const char *text = text_of(status, "version", "?");
    printf("mcu-bridge %s, up for %.0f s\n\n",
           log_quote(version, sizeof version, text, strlen(text)), number_of(status, "uptime_s"));
    print_table(mcus);
    print_hub(mcus);
    print_errors(mcus);
    return print_down(cJSON_GetObjectItemCaseSensitive(status, "down"));
}

static void say_no_answer(const char *address)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        fprintf(
            stderr,
            "mcu-bridge: nothing came from %s in %d s: what listens there is stopped or hangs\n",
            address, TIMEOUT_S);
    else
        fprintf(
            stderr,
            "mcu-bridge: no bridge answers on %s: %s\n"
            "Is it running? It answers where \"metrics: listen:\" of its configuration says; give\n"
            "that file (--config) or address (--connect).\n",
            address, strerror(errno));
}

int status_show(const char *address, bool json)
{
    struct config_listen at;
    int result = STATUS_NOBODY;
    if (config_listen(address, &at) != 0) {
        fprintf(stderr, "mcu-bridge: expected " CONFIG_LISTEN_EXPECTED ", found %s\n", address);
        return STATUS_NOBODY;
    }
    int fd = connect_to(&at);
    char *answer = fd >= 0 ? ask(fd) : NULL;
    if (answer == NULL)
        say_no_answer(address);
    if (fd >= 0)
        close(fd);
    const char *body = answer != NULL ? strstr(answer, "\r\n\r\n") : NULL;
    cJSON *status = body != NULL ? cJSON_Parse(body) : NULL;
    const cJSON *down = cJSON_GetObjectItemCaseSensitive(status, "down");
    if (cJSON_IsArray(down)) {
        result = cJSON_GetArraySize(down) > 0 ? STATUS_DOWN : STATUS_UP;
        if (json)
            fputs(body + 4, stdout);
        else
            show(status);
    } else if (answer != NULL) {
        fprintf(stderr, "mcu-bridge: what answers on %s is no mcu-bridge\n", address);
    }
    cJSON_Delete(status);
    free(answer);
    return result;
}
