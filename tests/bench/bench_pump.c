/*
 * bench_pump URL TTY...: what is left of a bridge when it understands nothing. Reads the same bytes
 * as mcu-bridge and sends equally large messages through the same libraries: for every UPLOAD_IN
 * bytes that came, one text message of UPLOAD_OUT bytes.
 */
#include "bench_client.h"

#include <string.h>

#define UPLOAD_IN  (50 * 51) /* 50 frames of ten 16-bit readings */
#define UPLOAD_OUT 19600     /* 500 readings as the bridge writes them, about 39 bytes each */

static size_t received, sendable;
static char message[UPLOAD_OUT];

static void ask(void)
{
    if (sendable > 0)
        bench_client_ask();
}

static void send_upload(void)
{
    if (sendable == 0)
        return;
    sendable--;
    bench_client_send(message, sizeof message);
    ask();
}

static void take_bytes(int tty, const char *bytes, size_t n)
{
    (void)tty;
    (void)bytes;
    received += n;
    for (; received >= UPLOAD_IN; received -= UPLOAD_IN)
        sendable++;
    ask();
}

int main(int argc, char **argv)
{
    static const struct bench_client client = {
        .name = "bench_pump", .opened = ask, .writable = send_upload, .bytes = take_bytes};
    memset(message, 'x', sizeof message);
    return argc >= 3 ? bench_client_run(&client, argv[1], argv + 2, argc - 2) : 2;
}
