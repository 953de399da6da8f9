/*
 * The files around a configuration: the file itself, key files that must be ours alone, and the
 * one-line form that needs no file.
 */
#define _DEFAULT_SOURCE
#include "config/config_parse.h"
#include "config_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/config-test-XXXXXX";

static const char *put_file(const char *name, const char *text, size_t n, mode_t mode)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void a_secret_is_read_without_the_space_around_it(void **state)
{
    (void)state;
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    const char *file = put_file("key", " API_TOKEN \r\n\n", 14, 0600);
    assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error), 0);
    assert_string_equal(secret, "API_TOKEN");
    file = put_file("key", "x", 1, 0400);
    assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error), 0);
}

static void a_secret_that_others_may_use_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0644, 0666};
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const char *file = put_file("key", "s3cret", 6, modes[i]);
        assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error), -1);
        assert_non_null(strstr(error, "chmod 600"));
    }
}

static void a_secret_of_a_service_may_be_looked_at_by_root_alone(void **state)
{
    (void)state;
    char secret[CONFIG_SECRET_MAX + 1], error[512];
    if (geteuid() != 0)
        skip();
    const char *file = put_file("key", "s3cret", 6, 0600);
    assert_int_equal(chown(file, 12345, 0), 0);
    assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error), 0);
    assert_int_equal(chmod(folder, 0711), 0);
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(seteuid(12346), 0);
    int refused = config_secret(file, secret, sizeof secret, error, sizeof error);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(refused, -1);
    assert_non_null(strstr(error, "belongs to another user (uid 12345, we are 12346): chown"));
}

static void what_is_no_secret_is_refused_and_never_repeated(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } wrong[] = {{"", 0},         {" \n\t", 3},      {"s3c\nret", 7},
                 {"s3c\0ret", 7}, {"s3c\x01ret", 7}, {"s3c\xc3\xa9ret", 8}};
    char secret[CONFIG_SECRET_MAX + 1], error[512], *big = calloc(1, 100000);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *file = put_file("key", wrong[i].bytes, wrong[i].n, 0600);
        assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error), -1);
        assert_null(strstr(error, "s3c"));
    }
    memset(big, 'a', 100000);
    for (size_t n = CONFIG_SECRET_MAX; n < 100000; n += n) {
        const char *file = put_file("key", big, n, 0600);
        assert_int_equal(config_secret(file, secret, sizeof secret, error, sizeof error),
                         n == CONFIG_SECRET_MAX ? 0 : -1);
    }
    free(big);
}

static void a_secret_needs_a_regular_file_and_room(void **state)
{
    (void)state;
    char secret[CONFIG_SECRET_MAX + 1], error[512], fifo[256];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(config_secret(fifo, secret, sizeof secret, error, sizeof error), -1);
    assert_int_equal(config_secret(folder, secret, sizeof secret, error, sizeof error), -1);
    assert_int_equal(config_secret("/nowhere/key", secret, sizeof secret, error, sizeof error), -1);
    assert_string_equal(error, "there is no file /nowhere/key");
    const char *file = put_file("key", "1234", 4, 0600);
    assert_int_equal(config_secret(file, secret, 4, error, sizeof error), -1);
    assert_int_equal(config_secret(file, secret, 5, error, sizeof error), 0);
}

static void the_files_of_a_file_are_looked_at(void **state)
{
    (void)state;
    struct config c;
    char key[300];
    const char *text = "server: {url: 'ws://h/websocket'}\n"
                       "mcus: [{name: a, path: x, api_key_file: key}]\n";
    snprintf(key, sizeof key, "%s", put_file("key", "k", 1, 0600));
    const char *file = put_file("f.yaml", text, strlen(text), 0644);
    forget();
    if (config_read(&c, file, keep, NULL))
        fail_msg("%s", errors);
    assert_string_equal(c.mcus[0].api_key_file, key);
    config_free(&c);
    unlink(key);
    assert_int_equal(config_read(&c, file, keep, NULL), -1);
    assert_non_null(strstr(errors, "f.yaml:2:41: \"api_key_file\": there is no file "));
    forget();
    assert_int_equal(config_look(&c, file, keep, NULL), 0);
    config_free(&c);
}

static void a_file_of_certificates_must_hold_one(void **state)
{
    (void)state;
    static const char pem[] = "# made by hand\n-----BEGIN CERTIFICATE-----\nMIIB\n";
    static const char key[] = "-----BEGIN PRIVATE KEY-----\nMIIB\n";
    char error[512];
    assert_true(config_is_certificate(put_file("ca", pem, sizeof pem - 1, 0644), error, 512));
    assert_false(config_is_certificate(put_file("ca", key, sizeof key - 1, 0644), error, 512));
    assert_non_null(strstr(error, "holds no certificate in PEM"));
    assert_false(config_is_certificate(put_file("ca", "\x30\x82\0\n", 4, 0644), error, 512));
    assert_non_null(strstr(error, "openssl x509 -inform der"));
    assert_false(config_is_certificate(folder, error, sizeof error));
    assert_false(config_is_certificate("/nowhere/ca", error, sizeof error));
    assert_string_equal(error, "there is no file /nowhere/ca");
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct config c;
    char *big = malloc(CONFIG_BYTES_MAX + 1);
    memset(big, '#', CONFIG_BYTES_MAX + 1);
    forget();
    assert_int_equal(config_read(&c, "/nowhere/f.yaml", keep, NULL), -1);
    assert_int_equal(config_read(&c, folder, keep, NULL), -1);
    assert_int_equal(config_read(&c, put_file("big", big, CONFIG_BYTES_MAX + 1, 0600), keep, NULL),
                     -1);
    assert_int_equal(error_count, 3);
    assert_non_null(strstr(errors, "/nowhere/f.yaml: there is no such file"));
    assert_non_null(strstr(errors, "expected a file, found a directory"));
    assert_non_null(strstr(errors, "more than 1 MiB"));
    free(big);
}

/* -- The one-line form. */

static void the_one_line_form_is_a_whole_configuration(void **state)
{
    (void)state;
    struct config c;
    const char *key = put_file("key", "k", 1, 0600);
    struct config_line line = {.port = "/dev/ttyACM0",
                               .url = "ws://h/websocket",
                               .api_key_file = key,
                               .baud = "9600",
                               .vsn = "1.0.0"};
    forget();
    if (config_from_line(&c, &line, keep, NULL))
        fail_msg("%s", errors);
    assert_string_equal(c.ports[0].path, "/dev/ttyACM0");
    assert_int_equal(c.ports[0].baud, 9600);
    assert_string_equal(c.mcus[0].port, c.ports[0].name);
    assert_string_equal(c.mcus[0].api_key_file, key);
    assert_true(c.mcus[0].any_device);
    assert_int_equal(c.vsn, CONFIG_V1);
    assert_int_equal(c.heartbeat_ms, 30000);
    config_free(&c);
}

static void the_one_line_form_tells_all_that_is_wrong(void **state)
{
    (void)state;
    struct config c;
    struct config_line line = {
        .port = "x", .url = "http://h", .baud = "fast", .vsn = "9", .ca_file = "/nowhere/ca"};
    forget();
    assert_int_equal(config_from_line(&c, &line, keep, NULL), -1);
    assert_int_equal(error_count, 5);
    assert_non_null(strstr(errors, "--ca-file: there is no file /nowhere/ca"));
    assert_non_null(strstr(errors, "--api-key-file: is missing"));
    assert_non_null(
        strstr(errors, "--baud: expected a whole number from 300 to 4000000, found fast"));
    assert_non_null(strstr(errors, "--vsn: expected 2.0.0 or 1.0.0, found 9"));
    assert_non_null(strstr(errors, "--url: expected a URL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_read_without_the_space_around_it),
        cmocka_unit_test(a_secret_that_others_may_use_is_refused),
        cmocka_unit_test(a_secret_of_a_service_may_be_looked_at_by_root_alone),
        cmocka_unit_test(what_is_no_secret_is_refused_and_never_repeated),
        cmocka_unit_test(a_secret_needs_a_regular_file_and_room),
        cmocka_unit_test(the_files_of_a_file_are_looked_at),
        cmocka_unit_test(a_file_of_certificates_must_hold_one),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(the_one_line_form_is_a_whole_configuration),
        cmocka_unit_test(the_one_line_form_tells_all_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
