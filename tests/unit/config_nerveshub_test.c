/*
 * What a configuration says of NervesHub: alone or beside a server, of all MCUs or of one, and what
 * cannot be.
 */
#define _DEFAULT_SOURCE
#include "config/config_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char errors[65536];

static void keep(void *user, const char *error)
{
    (void)user;
    size_t used = strlen(errors);
    snprintf(errors + used, sizeof errors - used, "%s\n", error);
}

static int parse_with(struct config *config, const char *text, bool check_files, const char *folder)
{
    struct config_source source = {.name = "f",
                                   .folder = folder,
                                   .bytes = text,
                                   .n = strlen(text),
                                   .check_files = check_files,
                                   .report = keep};
    errors[0] = '\0';
    return config_parse(config, &source);
}

static void assert_taken(struct config *config, const char *text)
{
    if (parse_with(config, text, false, "/etc/b"))
        fail_msg("%s", errors);
}

static void assert_refused(const char *text, const char *error)
{
    struct config config;
    char expected[1024];
    snprintf(expected, sizeof expected, "%s\n", error);
    assert_int_equal(parse_with(&config, text, false, "/etc/b"), -1);
    assert_string_equal(errors, expected);
}

#define URL     "wss://h/device-socket/websocket"
#define HUB     "nerveshub: {url: '" URL "', key: nhp_1, secret_file: s}\n"
#define ONE_MCU "mcus: [{name: a, path: /dev/a}]\n"
#define TWO(first, second) \
    "mcus:\n  - {name: a, path: x" first "}\n  - {name: b, path: y" second "}\n"

/* -- What is taken. */

static void a_bridge_may_have_a_nerveshub_and_no_server(void **state)
{
    (void)state;
    struct config c;
    struct config_device device;
    assert_taken(&c, HUB ONE_MCU);
    assert_null(c.url);
    assert_string_equal(c.nerveshub.url, URL);
    assert_true(config_device(&c.nerveshub, &c.mcus[0], &device));
    assert_string_equal(device.id, "a");
    assert_string_equal(device.key, "nhp_1");
    assert_string_equal(device.secret_file, "/etc/b/s");
    assert_null(device.cert_file);
    assert_null(device.resource);
    assert_null(device.flash_command);
    config_free(&c);
}

static void every_setting_reaches_its_member(void **state)
{
    (void)state;
    struct config c;
    assert_taken(
        &c, "server: {url: 'ws://h/websocket'}\n"
            "nerveshub:\n  url: " URL "\n  key: nhp_1\n  secret_file: s\n  ca_file: ca\n"
            "  proxy: http://p:1\n"
            "  firmware_keys: [zdjVDGE39+rAXNcZWZ6cf2DfvGDnECeIJRSPJf8KMFA=]\n"
            "  firmware_keys_file: keys.pub\n  folder: fw\n  flash: command\n"
            "  flash_command: [avrdude, '-P{port}', 115200, '-Uflash:w:{file}:i']\n"
            "  flash_timeout: 90s\n  boot_quiet: 1500ms\n  resource: image\n  file_max: 1MiB\n"
            "  image_max: 32KiB\n  keep_free: 2MiB\n  allow_http: true\n  reconnect_min: 20ms\n"
            "  reconnect_max: 3s\n" TWO(", api_key_file: k, nerveshub: false",
                                        ", api_key_file: l, nerveshub_id: dev-2"));
    const struct config_nerveshub *hub = &c.nerveshub;
    assert_string_equal(hub->ca_file, "/etc/b/ca");
    assert_string_equal(hub->proxy, "http://p:1");
    assert_string_equal(hub->firmware_keys[0], "zdjVDGE39+rAXNcZWZ6cf2DfvGDnECeIJRSPJf8KMFA=");
    assert_null(hub->firmware_keys[1]);
    assert_string_equal(hub->firmware_keys_file, "/etc/b/keys.pub");
    assert_string_equal(hub->folder, "/etc/b/fw");
    assert_int_equal(hub->flash, CONFIG_FLASH_BY_COMMAND);
    assert_string_equal(hub->flash_command[1], "-P{port}");
    assert_string_equal(hub->flash_command[2], "115200");
    assert_null(hub->flash_command[4]);
    assert_int_equal(hub->flash_timeout_ms, 90000);
    assert_int_equal(hub->boot_quiet_ms, 1500);
    assert_string_equal(hub->resource, "image");
    assert_int_equal(hub->file_max, 1 << 20);
    assert_int_equal(hub->image_max, 32 << 10);
    assert_int_equal(hub->keep_free, 2 << 20);
    assert_int_equal(hub->backoff_min_ms, 20);
    assert_int_equal(hub->backoff_max_ms, 3000);
    assert_true(hub->allow_http);
    struct config_device device;
    assert_false(config_device(hub, &c.mcus[0], &device));
    assert_true(config_device(hub, &c.mcus[1], &device));
    assert_string_equal(device.id, "dev-2");
    assert_string_equal(device.resource, "image");
    config_free(&c);
}

static void a_proxy_is_one_or_none(void **state)
{
    (void)state;
    struct config c;
    assert_taken(&c,
                 "nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, proxy: none}\n" ONE_MCU);
    assert_string_equal(c.nerveshub.proxy, "none");
    config_free(&c);
    assert_refused("nerveshub:\n  url: '" URL
                   "'\n  key: nhp_1\n  secret_file: s\n  proxy: socks5://u:pw@x\n" ONE_MCU,
                   "f:5:10: \"proxy\": expected http://HOST:PORT, or none");
}

static void an_mcu_says_where_it_differs(void **state)
{
    (void)state;
    struct config c;
    struct config_device device;
    assert_taken(&c, HUB "mcus:\n"
                         "  - {name: a, path: x, nerveshub_key: nhd_2, nerveshub_secret_file: t, "
                         "resource: r}\n"
                         "  - {name: b, path: y, flash_command: [flash, '{file}']}\n");
    assert_true(config_device(&c.nerveshub, &c.mcus[0], &device));
    assert_string_equal(device.key, "nhd_2");
    assert_string_equal(device.secret_file, "/etc/b/t");
    assert_string_equal(device.resource, "r");
    assert_null(device.flash_command);
    assert_true(config_device(&c.nerveshub, &c.mcus[1], &device));
    assert_string_equal(device.key, "nhp_1");
    assert_string_equal(device.flash_command[0], "flash");
    config_free(&c);
}

static void the_way_to_flash_is_the_section_s_or_the_mcu_s_own(void **state)
{
    (void)state;
    struct config c;
    struct config_device device;
    assert_taken(&c, "nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, flash: command, "
                     "flash_command: [all, '{file}']}\n" TWO("", ", flash: in_band"));
    config_device(&c.nerveshub, &c.mcus[0], &device);
    assert_string_equal(device.flash_command[0], "all");
    config_device(&c.nerveshub, &c.mcus[1], &device);
    assert_null(device.flash_command);
    config_free(&c);
    assert_taken(&c, "nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, "
                     "flash_command: [all, '{file}']}\n" TWO("", ", flash: command"));
    config_device(&c.nerveshub, &c.mcus[0], &device);
    assert_null(device.flash_command);
    config_device(&c.nerveshub, &c.mcus[1], &device);
    assert_string_equal(device.flash_command[0], "all");
    config_free(&c);
}

static void a_certificate_stands_for_key_and_name(void **state)
{
    (void)state;
    struct config c;
    struct config_device device;
    assert_taken(&c, "nerveshub: {url: 'wss://h/socket/websocket'}\nmcus: [{name: a, path: x, "
                     "nerveshub_cert_file: c, nerveshub_cert_key_file: k}]\n");
    assert_true(config_device(&c.nerveshub, &c.mcus[0], &device));
    assert_string_equal(device.cert_file, "/etc/b/c");
    assert_string_equal(device.cert_key_file, "/etc/b/k");
    assert_null(device.key);
    assert_null(device.secret_file);
    config_free(&c);
}

/* -- What is refused. */

static void nerveshub_is_no_profile(void **state)
{
    (void)state;
    assert_refused("server: {url: 'ws://h/websocket', profile: nerveshub}\n"
                   "mcus: [{name: a, path: x, api_key_file: k}]\n",
                   "f:1:44: \"profile\": expected microcontrollers, device or custom, found "
                   "\"nerveshub\"; NervesHub has a section of its own, beside this one or without "
                   "it: write \"nerveshub:\"");
}

static void what_belongs_to_a_section_that_is_not_there_is_refused(void **state)
{
    (void)state;
    assert_refused("server: {url: 'ws://h/websocket'}\n"
                   "mcus: [{name: a, path: x, api_key_file: k, nerveshub_id: b}]\n",
                   "f:2:58: \"nerveshub_id\": is for the section \"nerveshub\", which this file "
                   "has not");
    assert_refused(HUB "mcus: [{name: a, path: x, api_key_file: k}]\n",
                   "f:2:41: \"api_key_file\": is for the section \"server\", which this file has "
                   "not; the secret for NervesHub is \"secret_file\" in \"nerveshub\"");
}

static void an_identity_is_used_once(void **state)
{
    (void)state;
    assert_refused(HUB TWO("", ", nerveshub_id: a"),
                   "f:4:38: \"nerveshub_id\": the same as of \"a\" in line 3; NervesHub knows a "
                   "device by it: give each its own");
    assert_refused(HUB TWO(", nerveshub_id: z", ", nerveshub_id: z"),
                   "f:4:38: \"nerveshub_id\": the same as of \"a\" in line 3; NervesHub knows a "
                   "device by it: give each its own");
    assert_refused("nerveshub: {url: 'wss://h/socket/websocket'}\n" TWO(
                       ", nerveshub_cert_file: c, nerveshub_cert_key_file: k",
                       ", nerveshub_cert_file: c, nerveshub_cert_key_file: k"),
                   "f:4:45: \"nerveshub_cert_file\": the same as of \"a\" in line 3; NervesHub "
                   "knows a device by it: give each its own");
    assert_refused("nerveshub: {url: '" URL "', key: nhd_1, secret_file: s}\n" TWO("", ""),
                   "f:4:5: \"nerveshub_key\": a key of one device (nhd_), and \"a\" in line 3 has "
                   "it too; take one of the product (nhp_) for several");
    struct config c;
    assert_taken(&c, HUB TWO("", ", nerveshub_id: a, nerveshub: false"));
    config_free(&c);
}

static void halves_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"nerveshub: {url: '" URL "', key: nhp_1}\n" ONE_MCU, "go together"},
        {"nerveshub: {url: '" URL "'}\n" ONE_MCU, "nothing to show to NervesHub"},
        {"nerveshub: {key: nhp_1, secret_file: s}\n" ONE_MCU, "\"url\" is missing in nerveshub"},
        {HUB "mcus: [{name: a, path: x, nerveshub_key: nhd_1}]", "go together"},
        {HUB "mcus: [{name: a, path: x, flash: command}]", "needs \"flash_command\""},
        {"nerveshub: {url: 'wss://h/socket/websocket'}\n"
         "mcus: [{name: a, path: x, nerveshub_cert_file: c}]",
         "go together"},
        {"nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, flash: command}\n" ONE_MCU,
         "needs \"flash_command\" beside it"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct config c;
        assert_int_equal(parse_with(&c, wrong[i][0], false, ""), -1);
        if (!strstr(errors, wrong[i][1]))
            fail_msg("%s\nlacks %s", errors, wrong[i][1]);
    }
}

static void keys_words_and_sockets_that_cannot_work_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"nerveshub: {url: '" URL "', key: s3cret, secret_file: s}\n" ONE_MCU, "begins with nhp_"},
        {HUB "mcus: [{name: a, path: x, flash_command: [avrdude]}]", "{file}"},
        {HUB "mcus: [{name: a, path: x, flash_command: [avrdude, '{file}', '{prot}']}]", "{prot}"},
        {HUB "mcus: [{name: a, path: x, flash_command: avrdude}]", "a list of 1 to 64"},
        {HUB "mcus: [{name: a, path: x, flash_command: []}]", "a list of 1 to 64"},
        {HUB "mcus: [{name: a, path: x, flash_command: [a, [b]]}]", "a text, found a list"},
        {HUB "mcus: [{name: a, path: x, flash_command: [a, '']}]", "text of 1 to 1023 bytes"},
        {HUB "mcus: [{name: a, path: x, flash: in_band, flash_command: [a, '{file}']}]",
         "not in_band"},
        {HUB "mcus: [{name: a, path: x, nerveshub_cert_file: c, nerveshub_cert_key_file: k}]",
         "the socket /socket/websocket"},
        {"nerveshub: {url: 'ws://h/socket/websocket'}\n"
         "mcus: [{name: a, path: x, nerveshub_cert_file: c, nerveshub_cert_key_file: k}]",
         "over wss:// only"},
        {"nerveshub: {url: 'wss://h/socket/websocket', key: nhp_1, secret_file: s}\n" ONE_MCU,
         "keys are for /device-socket/websocket"},
        {"nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, firmware_keys: [abc]}\n" ONE_MCU,
         "as number 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct config c;
        assert_int_equal(parse_with(&c, wrong[i][0], false, ""), -1);
        if (!strstr(errors, wrong[i][1]))
            fail_msg("%s\nlacks %s", errors, wrong[i][1]);
    }
}

static void secrets_and_files_are_looked_at(void **state)
{
    (void)state;
    struct config c;
    char folder[] = "/tmp/hub-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/s", folder);
    assert_int_equal(parse_with(&c, HUB ONE_MCU, true, folder), -1);
    assert_non_null(strstr(errors, "\"secret_file\": there is no file"));
    FILE *secret = fopen(file, "w");
    fputs("s3cret\n", secret);
    fclose(secret);
    chmod(file, 0644);
    assert_int_equal(parse_with(&c, HUB ONE_MCU, true, folder), -1);
    assert_non_null(strstr(errors, "chmod 600"));
    assert_null(strstr(errors, "s3cret"));
    chmod(file, 0600);
    assert_int_equal(parse_with(&c, HUB ONE_MCU, true, folder), 0);
    config_free(&c);
    unlink(file);
    rmdir(folder);
}

/* -- What has changed. */

struct change {
    char text[256];
    bool live;
};

static void note(void *user, const char *setting, bool live)
{
    struct change *change = user;
    size_t used = strlen(change->text);
    snprintf(change->text + used, sizeof change->text - used, "%s ", setting);
    change->live = live;
}

static void a_changed_list_or_text_is_noticed(void **state)
{
    (void)state;
    struct config a, b;
    struct change change = {.live = false};
    assert_taken(&a, "nerveshub: {url: '" URL "', key: nhp_1, secret_file: s, "
                     "flash_command: [all, '{file}']}\n" ONE_MCU);
    assert_taken(&b, "nerveshub: {url: '" URL "', key: nhp_2, secret_file: s, "
                     "flash_command: [all, '{file}', x]}\n" ONE_MCU);
    config_differences(&a, &b, note, &change);
    assert_string_equal(change.text, "nerveshub.key nerveshub.flash_command ");
    assert_true(change.live);
    assert_true(config_take_nerveshub(&a, &b));
    assert_string_equal(a.nerveshub.key, "nhp_2");
    assert_string_equal(a.nerveshub.flash_command[2], "x");
    assert_string_equal(b.nerveshub.key, "nhp_1");
    assert_true(config_take_nerveshub(&a, &b));
    assert_false(config_take_nerveshub(&a, &a));
    config_free(&a);
    config_free(&b);
}

static void what_the_files_go_by_holds_until_the_next_start(void **state)
{
    (void)state;
    struct config a, b, none;
    struct change change = {.live = false};
    assert_taken(&a, HUB ONE_MCU);
    assert_taken(&b, "nerveshub: {url: '" URL
                     "', key: nhp_1, secret_file: s, folder: other}\n" ONE_MCU);
    config_differences(&a, &b, note, &change);
    assert_string_equal(change.text, "nerveshub.folder ");
    assert_false(change.live);
    assert_false(config_take_nerveshub(&a, &b));
    assert_null(a.nerveshub.folder);
    assert_taken(&none, "server: {url: 'ws://h/websocket'}\n"
                        "mcus: [{name: a, path: /dev/a, api_key_file: k}]\n");
    assert_false(config_take_nerveshub(&a, &none));
    assert_non_null(a.nerveshub.url);
    config_free(&a);
    config_free(&b);
    config_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bridge_may_have_a_nerveshub_and_no_server),
        cmocka_unit_test(every_setting_reaches_its_member),
        cmocka_unit_test(a_proxy_is_one_or_none),
        cmocka_unit_test(an_mcu_says_where_it_differs),
        cmocka_unit_test(the_way_to_flash_is_the_section_s_or_the_mcu_s_own),
        cmocka_unit_test(a_certificate_stands_for_key_and_name),
        cmocka_unit_test(nerveshub_is_no_profile),
        cmocka_unit_test(what_belongs_to_a_section_that_is_not_there_is_refused),
        cmocka_unit_test(an_identity_is_used_once),
        cmocka_unit_test(halves_are_refused),
        cmocka_unit_test(keys_words_and_sockets_that_cannot_work_are_refused),
        cmocka_unit_test(secrets_and_files_are_looked_at),
        cmocka_unit_test(a_changed_list_or_text_is_noticed),
        cmocka_unit_test(what_the_files_go_by_holds_until_the_next_start),
    };
    return cmocka_run_group_tests_name("config_nerveshub", tests, NULL, NULL);
}
