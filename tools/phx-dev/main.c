/* Options, signals, the ready line. Everything else is server.c's. */
#include "server.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: phx-dev [options]\n"
    "A Phoenix-compatible server for development: channels over WebSocket and long\n"
    "polling, and the /microcontrollers application. Prints one line when it is\n"
    "ready. What has arrived, and a control for controller 1:\n"
    "  curl localhost:4000/readings\n"
    "  curl -H 'content-type: application/json' -d '{\"control\":[{\"motor\":40}]}' \\\n"
    "       localhost:4000/control/1\n"
    "\n"
    "  --listen ADDR       numeric address (127.0.0.1)\n"
    "  --port N            port, 0 = any free one (4000)\n"
    "  --tls               wss instead of ws\n"
    "  --cert FILE --key FILE\n"
    "                      PEM certificate (chain), key; else made up for a day\n"
    "  --cert-out FILE     write the made-up certificate there, for clients to trust\n"
    "  --cert-name NAME    its only name (localhost, 127.0.0.1 and ::1)\n"
    "  --client-ca FILE    clients must show a certificate signed by this CA\n"
    "  --api-key KEY=CONTROLLER[:LOCATION[:USER]]\n"
    "                      a key of /microcontrollers, may be repeated; without any,\n"
    "                      every well-formed key gets the next controller id\n"
    "  --like 1.7-cowboy|1.8-bandit\n"
    "                      whose habits where the two differ (1.8-bandit)\n"
    "  --idle-ms N         close a WebSocket whose client is silent longer (60000)\n"
    "  --poll-ms N         hold a long poll without messages so long (10000)\n"
    "  --nerves main|2.4.0 NervesHub as well: /device-socket, with --tls /socket\n"
    "  --nerves-key nhp_KEY=SECRET | nhd_KEY=SECRET:IDENTIFIER\n"
    "                      a shared secret of it, may be repeated\n"
    "  --nerves-fw-key FILE.pub\n"
    "                      who must have signed its firmware\n"
    "  --lab               also the sockets and orders of the recordings\n"
    "  --quiet             print nothing but the ready line\n"
    "  --log-json          print events as JSON lines\n"
    "  --help, --version\n";

enum { EXIT_USAGE = 2 };

enum option_id {
    OPTION_LISTEN = 1000,
    OPTION_PORT,
    OPTION_TLS,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_CERT_OUT,
    OPTION_CERT_NAME,
    OPTION_CLIENT_CA,
    OPTION_API_KEY,
    OPTION_LIKE,
    OPTION_IDLE_MS,
    OPTION_POLL_MS,
    OPTION_NERVES,
    OPTION_NERVES_KEY,
    OPTION_NERVES_FW_KEY,
    OPTION_LAB,
    OPTION_QUIET,
    OPTION_LOG_JSON,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option OPTIONS[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"port", required_argument, NULL, OPTION_PORT},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"cert-out", required_argument, NULL, OPTION_CERT_OUT},
    {"cert-name", required_argument, NULL, OPTION_CERT_NAME},
    {"client-ca", required_argument, NULL, OPTION_CLIENT_CA},
    {"api-key", required_argument, NULL, OPTION_API_KEY},
    {"like", required_argument, NULL, OPTION_LIKE},
    {"idle-ms", required_argument, NULL, OPTION_IDLE_MS},
    {"poll-ms", required_argument, NULL, OPTION_POLL_MS},
    {"nerves", required_argument, NULL, OPTION_NERVES},
    {"nerves-key", required_argument, NULL, OPTION_NERVES_KEY},
    {"nerves-fw-key", required_argument, NULL, OPTION_NERVES_FW_KEY},
    {"lab", no_argument, NULL, OPTION_LAB},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"log-json", no_argument, NULL, OPTION_LOG_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static void fail(const char *what, const char *value)
{
    fprintf(stderr, "phx-dev: %s%s\n", what, value);
    exit(EXIT_USAGE);
}

static long number_of(const char *name, const char *text, long low, long high)
{
    struct json number = {.type = JSON_INT, .text = slice_of(text)};
    long n = 0;
    if (!json_is_number_text(number.text) || !json_int(&number, low, high, &n)) {
        fprintf(stderr, "phx-dev: %s: expected a whole number from %ld to %ld, found \"%s\"\n",
                name, low, high, text);
        exit(EXIT_USAGE);
    }
    return n;
}

static enum like like_of(const char *text)
{
    if (strcmp(text, "1.8-bandit") == 0) {
        return LIKE_18_BANDIT;
    }
    if (strcmp(text, "1.7-cowboy") != 0) {
        fail("--like: expected 1.7-cowboy or 1.8-bandit, found ", text);
    }
    return LIKE_17_COWBOY;
}

static enum nerves_like nerves_like_of(const char *text)
{
    if (strcmp(text, "main") == 0) {
        return NERVES_MAIN;
    }
    if (strcmp(text, "2.4.0") != 0) {
        fail("--nerves: expected main or 2.4.0, found ", text);
    }
    return NERVES_240;
}

/* The one line of a public key file, kept for the life of the program. */
static const char *key_of_file(const char *path)
{
    static char text[200];
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(text, sizeof text, file) == NULL) {
        fail("--nerves-fw-key: cannot read ", path);
    }
    fclose(file);
    text[strcspn(text, "\r\n")] = '\0';
    return text;
}

/* Where an option's text is kept as it stands; NULL: it is more than a text. */
static const char **text_of(struct server_options *o, int id)
{
    switch (id) {
    case OPTION_LISTEN:
        return &o->listen;
    case OPTION_CERT:
        return &o->tls_options.cert_file;
    case OPTION_KEY:
        return &o->tls_options.key_file;
    case OPTION_CERT_OUT:
        return &o->tls_options.cert_out;
    case OPTION_CERT_NAME:
        return &o->tls_options.cert_name;
    case OPTION_CLIENT_CA:
        return &o->tls_options.client_ca;
    default:
        return NULL;
    }
}

static void take_option(struct server *server, int id)
{
    struct server_options *o = &server->options;
    const char **text = text_of(o, id);
    if (text != NULL) {
        *text = optarg;
        return;
    }
    switch (id) {
    case OPTION_PORT:
        o->port = (int)number_of("--port", optarg, 0, 65535);
        break;
    case OPTION_TLS:
        o->tls = true;
        break;
    case OPTION_API_KEY:
        if (mc_keys_add(&server->keys, optarg) != 0) {
            fail("--api-key: expected KEY=CONTROLLER[:LOCATION[:USER]], a KEY not given yet: "
                 "API_TOKEN_MC_ and 16 or more of A-Z, a-z, 0-9",
                 "");
        }
        break;
    case OPTION_LIKE:
        o->like = like_of(optarg);
        break;
    case OPTION_IDLE_MS:
        o->idle_ms = number_of("--idle-ms", optarg, 1, 86400000);
        break;
    case OPTION_POLL_MS:
        o->poll_ms = number_of("--poll-ms", optarg, 10, 600000);
        break;
    case OPTION_NERVES:
        server->nerves.like = nerves_like_of(optarg);
        break;
    case OPTION_NERVES_KEY:
        if (nerves_keys_add(&server->nerves, optarg) != 0) {
            fail("--nerves-key: expected nhp_KEY=SECRET or nhd_KEY=SECRET:IDENTIFIER", "");
        }
        break;
    case OPTION_NERVES_FW_KEY:
        server->nerves.firmware_key = key_of_file(optarg);
        break;
    case OPTION_LAB:
        o->lab = true;
        break;
    case OPTION_QUIET:
        o->log.quiet = true;
        break;
    case OPTION_LOG_JSON:
        o->log.json = true;
        break;
    case 'h':
    case OPTION_HELP:
        fputs(USAGE, stdout);
        exit(EXIT_SUCCESS);
    case OPTION_VERSION:
        printf("phx-dev %s\n", MCU_VERSION);
        exit(EXIT_SUCCESS);
    default:
        fputs("phx-dev: see phx-dev --help\n", stderr);
        exit(EXIT_USAGE);
    }
}

/* How those servers are set up: certificates are asked for and not required, TLS 1.2 only. */
static void nerves_defaults(struct server_options *o, enum nerves_like like)
{
    o->tls_options.client_optional = true;
    o->tls_options.only_12 = true;
    o->like = like == NERVES_240 ? LIKE_185_BANDIT : LIKE_18_BANDIT;
    if (o->idle_ms == SERVER_IDLE_MS) {
        o->idle_ms = SERVER_NERVES_IDLE_MS;
    }
}

static void take_options(struct server *server, int argc, char **argv)
{
    const struct tls_options *tls = &server->options.tls_options;
    int id;
    while ((id = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        take_option(server, id);
    }
    if (optind < argc) {
        fail("unexpected argument: ", argv[optind]);
    }
    if ((tls->cert_file == NULL) != (tls->key_file == NULL)) {
        fail("--cert and --key go together", "");
    }
    if (!server->options.tls &&
        (tls->cert_file != NULL || tls->cert_out != NULL || tls->client_ca != NULL)) {
        fail("--cert, --cert-out and --client-ca need --tls", "");
    }
    if (server->nerves.like != NERVES_OFF) {
        nerves_defaults(&server->options, server->nerves.like);
    }
    server->options.tls_options.choose_h2 = server->options.lab;
}

static uv_signal_t signals[2];

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    server_stop(handle->data);
    uv_close((uv_handle_t *)&signals[0], NULL);
    uv_close((uv_handle_t *)&signals[1], NULL);
}

static void watch_signals(struct server *server)
{
    static const int NUMBERS[2] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(server->loop, &signals[i]);
        signals[i].data = server;
        uv_signal_start(&signals[i], on_signal, NUMBERS[i]);
    }
}

static void say_ready(const struct server *server)
{
    bool v6 = strchr(server->options.listen, ':') != NULL;
    printf("phx-dev listening on %s://%s%s%s:%d\n", server->options.tls ? "wss" : "ws",
           v6 ? "[" : "", server->options.listen, v6 ? "]" : "", server_port(server));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char error[400] = "";
    static struct server server;
    server.options = (struct server_options){
        .listen = "127.0.0.1", .port = 4000, .idle_ms = SERVER_IDLE_MS, .poll_ms = SERVER_POLL_MS};
    server.loop = uv_default_loop();
    take_options(&server, argc, argv);
    if (server_start(&server, error, sizeof error) != 0) {
        fprintf(stderr, "phx-dev: %s\n", error);
        server_deinit(&server);
        return EXIT_FAILURE;
    }
    watch_signals(&server);
    say_ready(&server);
    uv_run(server.loop, UV_RUN_DEFAULT);
    server_deinit(&server);
    uv_loop_close(server.loop);
    return EXIT_SUCCESS;
}
