/*
 * cmd_request.c - meets a device and asks one thing of it; and the commands that are no more than
 * that.
 */
#include "commands.h"
#include "print.h"
#include "request.h"

#include <stdio.h>
#include <string.h>

/* A board that resets when its port is opened spends up to 3 s in its boot loader. */
#define MEET_MS     12000 /* the boot loader of an Arduino Mega may take 8 s of them */
#define ANSWER_MS   3000
#define IDENTIFY_MS 5000

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct request *request = user;
    (void)peer;
    (void)description;
    (void)fresh;
    request->ready = true;
    if (request->bulk)
        mp_bulk_host_ready(request->bulk);
}

static void on_lost(void *user, enum mp_down why)
{
    struct request *request = user;
    (void)why;
    request->lost = request->asked;
    request->ready = false;
    if (request->bulk)
        mp_bulk_host_lost(request->bulk);
}

static void on_mismatch(void *user, const struct mp_mismatch *mismatch, const char *text)
{
    struct request *request = user;
    (void)mismatch;
    (void)text;
    request->refused = true;
}

static void on_result(void *user, uint16_t number, enum mp_status status)
{
    struct request *request = user;
    if (request->bulk && mp_bulk_host_result(request->bulk, number, status))
        return;
    if (!request->asked || number != request->number)
        return;
    request->answered = true;
    request->status = status;
}

static void on_bulk(void *user, const struct mp_message *message)
{
    struct request *request = user;
    if (request->bulk)
        mp_bulk_host_message(request->bulk, message);
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    struct request *request = user;
    if (request->console)
        request->console(bytes, n);
}

static bool has_met(void *user)
{
    const struct request *request = user;
    return request->ready || request->refused;
}

static bool has_ended(void *user)
{
    const struct request *request = user;
    return request->answered || request->lost;
}

static void explain_absence(const struct request *request, const char *port, uint32_t baud)
{
    char text[160];
    if (request->session.gone)
        fprintf(stderr, "mcu-tool: %s\n", request->session.why);
    else if (request->refused)
        fprintf(stderr, "mcu-tool: %s: %s\n", port,
                mp_mismatch_text(&request->session.host.mismatch, text, sizeof text));
    else if (!session_interrupted())
        session_say_silence(&request->session, port, baud);
}

int request_open(struct request *request, const char *port, const struct options *options)
{
    struct mp_host_io io = {.user = request,
                            .ready = on_ready,
                            .mismatch = on_mismatch,
                            .lost = on_lost,
                            .result = on_result,
                            .bulk = on_bulk,
                            .console = on_console};
    struct session *sessions[] = {&request->session};
    uint32_t wait_ms = options->wait_ms ? options->wait_ms : MEET_MS;
    memset(request, 0, sizeof *request);
    session_catch_signals();
    if (session_open(&request->session, port, options->baud, SESSION_LEAVE, &io)) {
        fprintf(stderr, "mcu-tool: %s\n", request->session.why);
        return TOOL_NO_DEVICE;
    }
    session_run(sessions, 1, session_now() + wait_ms * 1000ull, has_met, request);
    if (request->ready)
        return TOOL_OK;
    explain_absence(request, port, options->baud);
    session_close(&request->session);
    return TOOL_NO_DEVICE;
}

int request_finish(struct request *request, const char *what, int error)
{
    struct session *sessions[] = {&request->session};
    if (error != MP_OK) {
        fprintf(stderr, "mcu-tool: %s: %s\n", what,
                error == MP_ERR_BAD_VALUE ? "no message can carry that"
                                          : "the device is not ready for it");
        return TOOL_REFUSED;
    }
    request->asked = true;
    session_run(sessions, 1, session_now() + ANSWER_MS * 1000ull, has_ended, request);
    if (!request->answered) {
        fprintf(stderr, "mcu-tool: %s: no answer: it may or may not have been done\n", what);
        return TOOL_REFUSED;
    }
    if (request->status != MP_STATUS_DONE) {
        fprintf(stderr, "mcu-tool: %s: %s\n", what, mp_status_text(request->status));
        return TOOL_REFUSED;
    }
    return TOOL_OK;
}

static int restart(struct request *request, enum mp_reset_mode mode)
{
    request->asked = request->answered = false;
    int error = mp_host_reset(&request->session.host, mode, &request->number);
    return request_finish(request, "reset", error);
}

int cmd_set_id(int argc, char **argv)
{
    struct options options;
    static struct request request;
    uint8_t id[16], length;
    if (options_read(&options, argc, argv, "bRw", 2, 2) ||
        options_device(options.words[1], id, &length))
        return TOOL_USAGE;
    int status = request_open(&request, options.words[0], &options);
    if (status)
        return status;
    int error = mp_host_set_id(&request.session.host, id, length, &request.number);
    status = request_finish(&request, "set-id", error);
    if (status == TOOL_OK && options.reset)
        status = restart(&request, MP_RESET_TO_APPLICATION);
    session_close(&request.session);
    if (status == TOOL_OK)
        printf("%s is stored%s\n", options.words[1],
               options.reset ? "; the board restarts with it"
                             : "; it counts from the board's next start");
    return status;
}

int cmd_identify(int argc, char **argv)
{
    struct options options;
    static struct request request;
    if (options_read(&options, argc, argv, "bfw", 1, 1))
        return TOOL_USAGE;
    uint32_t ms = options.for_ms ? options.for_ms : IDENTIFY_MS;
    if (ms > UINT16_MAX) {
        fprintf(stderr, "mcu-tool: --for: expected at most 65s\n");
        return TOOL_USAGE;
    }
    int status = request_open(&request, options.words[0], &options);
    if (status)
        return status;
    int error = mp_host_identify(&request.session.host, (uint16_t)ms, &request.number);
    status = request_finish(&request, "identify", error);
    session_close(&request.session);
    return status;
}

int cmd_reset(int argc, char **argv)
{
    struct options options;
    static struct request request;
    if (options_read(&options, argc, argv, "bBw", 1, 1))
        return TOOL_USAGE;
    int status = request_open(&request, options.words[0], &options);
    if (status)
        return status;
    status =
        restart(&request, options.bootloader ? MP_RESET_TO_BOOTLOADER : MP_RESET_TO_APPLICATION);
    session_close(&request.session);
    return status;
}
