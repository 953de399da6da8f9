/* phx-cat - a Phoenix application from a shell: options in, cat.c does the rest. */
#include "cat.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: phx-cat [options] URL [TOPIC]...\n"
    "Joins topics of a Phoenix application, prints what comes as JSON lines, and\n"
    "pushes what it reads: a line is EVENT [PAYLOAD], or\n"
    "{\"topic\":\"...\",\"event\":\"...\",\"payload\":{...}}.\n"
    "\n"
    "URL is the socket's, as ws://localhost:4000/socket/websocket\n"
    "\n"
    "  --join JSON            join payload of every topic ({})\n"
    "  --vsn 1|2              serializer (2)\n"
    "  --param NAME=VALUE     for the URL; may be repeated\n"
    "  --header 'NAME: VALUE' for the request; may be repeated\n"
    "  --header-file FILE     such lines from a file: for secrets, read each time\n"
    "  --ca FILE              trust this authority (PEM) instead of the system's\n"
    "  --cert FILE --key FILE show this certificate (PEM)\n"
    "  --transport websocket|longpoll|auto\n"
    "                         how messages travel (websocket); auto takes the first\n"
    "                         that works\n"
    "  --proxy URL|none       HTTP proxy, in place of that of the environment\n"
    "  --token-file FILE      the authToken of Phoenix 1.8, read at every attempt\n"
    "  --once                 end with the first connection that ends or fails\n"
    "                         (status 3)\n"
    "  --quit                 end with the input, once every push is answered (status\n"
    "                         1 when one was refused); without it, listen on\n"
    "  --for SECONDS          end after so long\n"
    "  --quiet                no word on standard error but of trouble\n"
    "  --help, --version\n"
    "\n"
    "  phx-cat ws://localhost:4000/socket/websocket room:lobby\n"
    "  echo 'new_msg {\"body\":\"hi\"}' |\n"
    "      phx-cat --quit ws://localhost:4000/socket/websocket room:lobby\n";

enum option_id {
    OPT_JOIN = 256,
    OPT_VSN,
    OPT_PARAM,
    OPT_HEADER,
    OPT_HEADER_FILE,
    OPT_CA,
    OPT_CERT,
    OPT_KEY,
    OPT_TRANSPORT,
    OPT_PROXY,
    OPT_TOKEN_FILE,
    OPT_ONCE,
    OPT_QUIT,
    OPT_FOR,
    OPT_QUIET,
    OPT_HELP,
    OPT_VERSION
};

static const struct option OPTIONS[] = {
    {"join", required_argument, NULL, OPT_JOIN},
    {"vsn", required_argument, NULL, OPT_VSN},
    {"param", required_argument, NULL, OPT_PARAM},
    {"header", required_argument, NULL, OPT_HEADER},
    {"header-file", required_argument, NULL, OPT_HEADER_FILE},
    {"ca", required_argument, NULL, OPT_CA},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"transport", required_argument, NULL, OPT_TRANSPORT},
    {"proxy", required_argument, NULL, OPT_PROXY},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"once", no_argument, NULL, OPT_ONCE},
    {"quit", no_argument, NULL, OPT_QUIT},
    {"for", required_argument, NULL, OPT_FOR},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static int usage_error(const char *what)
{
    fprintf(stderr, "phx-cat: %s; see phx-cat --help\n", what);
    return -1;
}

static int add(const char **list, size_t *count, const char *what)
{
    if (*count == CAT_LINES_MAX)
        return usage_error(what);
    list[(*count)++] = optarg;
    return 0;
}

static int take_vsn(struct cat_options *options)
{
    if (strcmp(optarg, "1") != 0 && strcmp(optarg, "2") != 0)
        return usage_error("--vsn: expected 1 or 2");
    options->socket.vsn = optarg[0] == '1' ? PHX_V1 : PHX_V2;
    return 0;
}

static int take_transport(struct cat_options *options)
{
    if (strcmp(optarg, "websocket") == 0)
        options->socket.via = PHX_WEBSOCKET;
    else if (strcmp(optarg, "longpoll") == 0)
        options->socket.via = PHX_LONGPOLL;
    else if (strcmp(optarg, "auto") == 0)
        options->socket.via = PHX_AUTO;
    else
        return usage_error("--transport: expected websocket, longpoll or auto");
    return 0;
}

static int take_for(struct cat_options *options)
{
    char *rest = NULL;
    double seconds = strtod(optarg, &rest);
    if (rest == optarg || *rest != '\0' || !(seconds > 0 && seconds <= 4e6))
        return usage_error("--for: expected seconds, up to 4000000");
    options->for_ms = (uint32_t)(seconds * 1000);
    return 0;
}

/* Returns 0, or -1 with a message written. */
static int take(struct cat_options *options, int id)
{
    switch (id) {
    case OPT_JOIN:
        options->join_payload = optarg;
        return 0;
    case OPT_VSN:
        return take_vsn(options);
    case OPT_PARAM:
        return add(options->params, &options->param_count, "too many --param");
    case OPT_HEADER:
        return add(options->headers, &options->header_count, "too many --header");
    case OPT_HEADER_FILE:
        return add(options->header_files, &options->header_file_count, "too many --header-file");
    case OPT_CA:
        options->socket.ca_file = optarg;
        return 0;
    case OPT_CERT:
        options->socket.cert_file = optarg;
        return 0;
    case OPT_KEY:
        options->socket.key_file = optarg;
        return 0;
    case OPT_TRANSPORT:
        return take_transport(options);
    case OPT_PROXY:
        options->socket.proxy = strcmp(optarg, "none") == 0 ? "" : optarg;
        return 0;
    case OPT_TOKEN_FILE:
        options->socket.secret.use = PHX_SECRET_AUTH_TOKEN;
        options->socket.secret.file = optarg;
        return 0;
    case OPT_ONCE:
        options->once = true;
        return 0;
    case OPT_QUIT:
        options->quit = true;
        return 0;
    case OPT_FOR:
        return take_for(options);
    case OPT_QUIET:
        options->quiet = true;
        return 0;
    default:
        fputs("phx-cat: see phx-cat --help\n", stderr);
        return -1;
    }
}

static int take_arguments(struct cat_options *options, int argc, char **argv)
{
    if (optind == argc)
        return usage_error("URL is missing");
    options->socket.url = argv[optind++];
    for (; optind < argc; optind++) {
        if (options->topic_count == CAT_TOPICS_MAX)
            return usage_error("more than 100 topics");
        options->topics[options->topic_count++] = argv[optind];
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct cat_options options;
    int id;
    signal(SIGPIPE, SIG_IGN);
    options.socket.user_agent = "phx-cat/" MCU_VERSION;
    while ((id = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        if (id == OPT_HELP || id == 'h')
            return fputs(USAGE, stdout) < 0;
        if (id == OPT_VERSION)
            return puts("phx-cat " MCU_VERSION) < 0;
        if (take(&options, id) != 0)
            return CAT_USAGE;
    }
    if (take_arguments(&options, argc, argv) != 0)
        return CAT_USAGE;
    return (int)cat_run(&options);
}
