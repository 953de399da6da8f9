/*
 * mkfw - makes, signs and shows .fw files without Elixir: options in, messages out. The file format
 * is pack.c's for writing and fw_file.c's for reading.
 */
#include "fw/fw_file.h"
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (256u * 1024 * 1024)

static const char USAGE[] =
    "usage: mkfw pack --product NAME --version V --platform NAME --architecture NAME\n"
    "                 [options] IMAGE FILE.fw\n"
    "       mkfw show [--public-key FILE.pub]... FILE.fw\n"
    "       mkfw keys NAME\n"
    "\n"
    "pack  puts an image (raw, Intel HEX or ELF, as the board's flasher takes it)\n"
    "      into FILE.fw\n"
    "  --key FILE.priv        sign it\n"
    "  --resource NAME        the image's name in the file (default: firmware.bin,\n"
    "                         .hex or .elf, as IMAGE is called)\n"
    "  --author, --description, --vcs-identifier, --misc TEXT\n"
    "show  checks a file as fwup --verify does, prints what it holds; ends with 1\n"
    "      when it is refused\n"
    "  --public-key FILE.pub  who may have signed it; may be given several times.\n"
    "                         Without one, signatures are not asked for\n"
    "keys  makes NAME.priv and NAME.pub, as fwup -g does\n"
    "\n"
    "  --help, --version\n"
    "\n"
    "SOURCE_DATE_EPOCH in the environment sets the date in the file, for builds that\n"
    "repeat.\n"
    "\n"
    "  mkfw keys mylab\n"
    "  mkfw pack --product greenhouse --version 1.1.0 --platform mega \\\n"
    "      --architecture avr --key mylab.priv firmware.bin greenhouse-1.1.0.fw\n";

enum option_id {
    OPT_PRODUCT = 256,
    OPT_VERSION,
    OPT_PLATFORM,
    OPT_ARCHITECTURE,
    OPT_AUTHOR,
    OPT_DESCRIPTION,
    OPT_VCS,
    OPT_MISC,
    OPT_RESOURCE,
    OPT_KEY,
    OPT_PUBLIC,
};

static const struct option PACK_OPTIONS[] = {
    {"product", required_argument, NULL, OPT_PRODUCT},
    {"version", required_argument, NULL, OPT_VERSION},
    {"platform", required_argument, NULL, OPT_PLATFORM},
    {"architecture", required_argument, NULL, OPT_ARCHITECTURE},
    {"author", required_argument, NULL, OPT_AUTHOR},
    {"description", required_argument, NULL, OPT_DESCRIPTION},
    {"vcs-identifier", required_argument, NULL, OPT_VCS},
    {"misc", required_argument, NULL, OPT_MISC},
    {"resource", required_argument, NULL, OPT_RESOURCE},
    {"key", required_argument, NULL, OPT_KEY},
    {NULL, 0, NULL, 0},
};

static const struct option SHOW_OPTIONS[] = {
    {"public-key", required_argument, NULL, OPT_PUBLIC},
    {NULL, 0, NULL, 0},
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "mkfw: %s: %s\n", what, why);
    return 1;
}

/* `what` is wrong with the command line; NULL: that was said. */
static int usage_error(const char *what)
{
    fprintf(stderr, "mkfw: %s%ssee mkfw --help\n", what != NULL ? what : "",
            what != NULL ? "; " : "");
    return 2;
}

/* -- pack. */

/* Reads a whole file; the caller frees it. Returns NULL with a message written. */
static uint8_t *read_file(const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    struct stat info;
    if (in == NULL || fstat(fileno(in), &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > IMAGE_MAX) {
        complain(path, in == NULL ? strerror(errno) : "expected a file of at most 256 MiB");
        if (in != NULL)
            fclose(in);
        return NULL;
    }
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    *length = bytes != NULL ? fread(bytes, 1, (size_t)info.st_size, in) : 0;
    if (bytes == NULL || *length != (size_t)info.st_size) {
        complain(path, bytes == NULL ? "out of memory" : "cannot be read");
        free(bytes);
        bytes = NULL;
    }
    fclose(in);
    return bytes;
}

static const char *default_resource(const char *image)
{
    const char *dot = strrchr(image, '.');
    if (dot != NULL && strcmp(dot, ".hex") == 0)
        return "firmware.hex";
    return dot != NULL && strcmp(dot, ".elf") == 0 ? "firmware.elf" : "firmware.bin";
}

static time_t creation_date(void)
{
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    long long seconds = fixed != NULL ? strtoll(fixed, &end, 10) : 0;
    return fixed != NULL && *fixed != '\0' && *end == '\0' ? (time_t)seconds : time(NULL);
}

static int take_pack_option(struct pack *pack, const char **key, int letter)
{
    switch (letter) {
    case OPT_PRODUCT:
        pack->product = optarg;
        return 0;
    case OPT_VERSION:
        pack->version = optarg;
        return 0;
    case OPT_PLATFORM:
        pack->platform = optarg;
        return 0;
    case OPT_ARCHITECTURE:
        pack->architecture = optarg;
        return 0;
    case OPT_AUTHOR:
        pack->author = optarg;
        return 0;
    case OPT_DESCRIPTION:
        pack->description = optarg;
        return 0;
    case OPT_VCS:
        pack->vcs_identifier = optarg;
        return 0;
    case OPT_MISC:
        pack->misc = optarg;
        return 0;
    case OPT_RESOURCE:
        pack->resource = optarg;
        return 0;
    case OPT_KEY:
        *key = optarg;
        return 0;
    default:
        return -1;
    }
}

/* What was written is read back, so that a name which no reader takes is found here and not on the
 * server. */
static int check_written(const char *path)
{
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    if (fw_check(path, NULL, 0, NULL, &meta, why) == FW_GOOD) {
        printf("%s: %s %s, uuid %s\n", path, meta.product, meta.version, meta.uuid);
        return 0;
    }
    unlink(path);
    return complain(path, why);
}

static int write_pack(struct pack *pack, const char *key, const char *image, const char *path)
{
    char why[512];
    uint8_t secret[PACK_SECRET_BYTES];
    if (key != NULL && pack_read_secret(key, secret, why, sizeof(why)) != 0) {
        fprintf(stderr, "mkfw: %s\n", why);
        return 1;
    }
    uint8_t *bytes = read_file(image, &pack->image_bytes);
    if (bytes == NULL)
        return 1;
    if (key != NULL)
        pack->secret = secret;
    pack->image = bytes;
    int result = pack_write(pack, path, why, sizeof(why));
    sodium_memzero(secret, sizeof(secret));
    free(bytes);
    pack->secret = pack->image = NULL;
    if (result != 0) {
        fprintf(stderr, "mkfw: %s\n", why);
        return 1;
    }
    return check_written(path);
}

static int run_pack(int argc, char **argv)
{
    struct pack pack = {.created = creation_date()};
    const char *key = NULL;
    int letter;
    while ((letter = getopt_long(argc, argv, "", PACK_OPTIONS, NULL)) != -1)
        if (take_pack_option(&pack, &key, letter) != 0)
            return usage_error(NULL);
    if (argc - optind != 2)
        return usage_error("pack: expected IMAGE and FILE.fw behind the options");
    if (pack.product == NULL || pack.version == NULL || pack.platform == NULL ||
        pack.architecture == NULL) {
        fputs(
            "mkfw: --product, --version, --platform and --architecture are needed: a server offers "
            "no update without them\n",
            stderr);
        return 2;
    }
    if (pack.resource == NULL)
        pack.resource = default_resource(argv[optind]);
    return write_pack(&pack, key, argv[optind], argv[optind + 1]);
}

/* -- show. */

static int add_key(struct fw_keys *keys, const char *path)
{
    size_t length = 0;
    uint8_t *text = read_file(path, &length);
    if (text == NULL)
        return -1;
    int result = fw_keys_add(keys, (const char *)text, length);
    free(text);
    if (result != 0)
        complain(path, "expected the base64 of a public key, as in the .pub of fwup -g");
    return result;
}

static void print_text(const char *name, const char *text)
{
    if (text[0] != '\0')
        printf("%-14s %s\n", name, text);
}

static void print_meta(const struct fw_meta *meta)
{
    print_text("product", meta->product);
    print_text("version", meta->version);
    print_text("platform", meta->platform);
    print_text("architecture", meta->architecture);
    print_text("author", meta->author);
    print_text("description", meta->description);
    print_text("vcs-identifier", meta->vcs_identifier);
    print_text("misc", meta->misc);
    print_text("uuid", meta->uuid);
    for (size_t i = 0; i < meta->resource_count; i++)
        printf("%-14s %s, %llu bytes\n", "resource", meta->resources[i].name,
               (unsigned long long)meta->resources[i].length);
}

static int run_show(int argc, char **argv)
{
    static struct fw_meta meta;
    struct fw_keys keys = {0};
    char why[FW_WHY_MAX];
    int letter;
    while ((letter = getopt_long(argc, argv, "", SHOW_OPTIONS, NULL)) != -1) {
        if (letter != OPT_PUBLIC)
            return usage_error(NULL);
        if (add_key(&keys, optarg) != 0)
            return 1;
    }
    if (argc - optind != 1)
        return usage_error("show: expected one FILE.fw");
    if (fw_check(argv[optind], &keys, 0, NULL, &meta, why) != FW_GOOD)
        return complain(argv[optind], why);
    print_meta(&meta);
    printf("%-14s %s\n", "signature", keys.count > 0 ? "good" : "not looked at (no --public-key)");
    return 0;
}

/* -- */

static int run_keys(int argc, char **argv)
{
    char why[512];
    if (argc != 2)
        return usage_error("keys: expected one NAME");
    if (pack_make_keys(argv[1], why, sizeof(why)) != 0) {
        fprintf(stderr, "mkfw: %s\n", why);
        return 1;
    }
    printf("%s.priv signs and stays with you; %s.pub goes to those who check\n", argv[1], argv[1]);
    return 0;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return complain("libsodium", "cannot be started");
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)
        return fputs(USAGE, stdout) < 0;
    if (strcmp(command, "--version") == 0)
        return puts("mkfw " MCU_VERSION) < 0;
    if (strcmp(command, "pack") == 0)
        return run_pack(argc - 1, argv + 1);
    if (strcmp(command, "show") == 0)
        return run_show(argc - 1, argv + 1);
    if (strcmp(command, "keys") == 0)
        return run_keys(argc - 1, argv + 1);
    fprintf(stderr, "mkfw: %s%s\n", *command ? "there is no command " : "pack, show or keys?",
            command);
    return usage_error(NULL);
}
