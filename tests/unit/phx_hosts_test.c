/* Certificates that are renewed, again and again, while the program runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "phx_hosts.h"

#include <libwebsockets.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static char folder[] = "/tmp/phx-hosts-XXXXXX", cert[64], key[64];
static uv_loop_t loop;
static struct phx_hosts *hosts;
static bool closed;

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    (void)wsi;
    (void)reason;
    (void)user;
    (void)in;
    (void)len;
    return 0;
}

static const struct lws_protocols protocols[] = {{.name = "phx", .callback = on_lws},
                                                 {.name = NULL}};

/* Each is longer or shorter than the one before, so that it is seen however coarse the clock. */
static void write_pair(EVP_PKEY *pair, unsigned number)
{
    char name[64];
    X509 *made = X509_new();
    FILE *file = fopen(cert, "w");
    snprintf(name, sizeof name, "%0*u", (int)(number % 20 + 1), number);
    ASN1_INTEGER_set(X509_get_serialNumber(made), (long)number + 1);
    X509_gmtime_adj(X509_getm_notBefore(made), 0);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, pair);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    assert_true(X509_sign(made, pair, EVP_sha256()) > 0);
    assert_true(PEM_write_X509(file, made));
    fclose(file);
    file = fopen(key, "w");
    assert_true(PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(made);
    EVP_PKEY_free(pair);
}

static struct lws_vhost *get(void)
{
    const struct phx_host_key wanted = {.tls = true, .files = {cert, cert, key}};
    struct phx_end end = {.text = ""};
    return phx_hosts_get(hosts, &wanted, &end);
}

static void a_certificate_that_was_renewed_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    write_pair(EVP_EC_gen("P-256"), 0);
    struct lws_vhost *first = get();
    assert_non_null(first);
    for (unsigned i = 1; i <= 20; i++) {
        write_pair(EVP_EC_gen("P-256"), i);
        assert_ptr_equal(get(), first);
    }
}

static void a_file_that_is_half_written_is_no_certificate(void **state)
{
    (void)state;
    struct lws_vhost *first = get();
    FILE *file = fopen(cert, "w");
    fputs("-----BEGIN CERTIFICATE-----\n", file);
    fclose(file);
    assert_null(get());
    write_pair(EVP_EC_gen("P-256"), 21);
    assert_ptr_equal(get(), first);
}

static void another_sort_of_key_is_not_shown_beside_the_old_one(void **state)
{
    (void)state;
    struct lws_vhost *first = get();
    write_pair(EVP_RSA_gen(2048), 22);
    struct lws_vhost *second = get();
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
    write_pair(EVP_RSA_gen(2048), 23);
    assert_ptr_equal(get(), second);
}

static int open_hosts(void **state)
{
    (void)state;
    struct phx_hosts_options options = {.loop = &loop, .max_sockets = 4, .protocols = protocols};
    if (mkdtemp(folder) == NULL || uv_loop_init(&loop) != 0)
        return -1;
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    hosts = phx_hosts_open(&options);
    return hosts == NULL;
}

static void on_closed(void *user)
{
    (void)user;
    closed = true;
}

static int close_hosts(void **state)
{
    (void)state;
    phx_hosts_close(hosts, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    unlink(cert);
    unlink(key);
    rmdir(folder);
    return !closed || uv_loop_close(&loop) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_was_renewed_takes_the_place_of_the_old_one),
        cmocka_unit_test(a_file_that_is_half_written_is_no_certificate),
        cmocka_unit_test(another_sort_of_key_is_not_shown_beside_the_old_one),
    };
    return cmocka_run_group_tests(tests, open_hosts, close_hosts);
}
