/* The TLS context, and a certificate when none is given. Connections are conn.c's business. */
#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { ONE_DAY_S = 86400 };

static void complain(char *error, size_t size, const char *what, const char *name)
{
    char reason[160] = "";
    unsigned long code = ERR_get_error();
    if (code != 0) {
        ERR_error_string_n(code, reason, sizeof reason);
    }
    snprintf(error, size, "%s %s: %s", what, name != NULL ? name : "", reason);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool add_names(X509 *cert, const char *name)
{
    char names[300] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    unsigned char address[16];
    if (name != NULL) {
        bool numeric =
            inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
        snprintf(names, sizeof names, "%s:%s", numeric ? "IP" : "DNS", name);
    }
    return add_extension(cert, NID_subject_alt_name, names);
}

static bool fill_cert(X509 *cert, EVP_PKEY *key, const char *name)
{
    unsigned char random[8];
    X509_NAME *subject = X509_get_subject_name(cert);
    RAND_bytes(random, sizeof random);
    random[0] &= 0x7F;
    BIGNUM *serial = BN_bin2bn(random, sizeof random, NULL);
    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
    BN_free(serial);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), ONE_DAY_S);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)"phx-dev", -1,
                               -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_set_pubkey(cert, key);
    return add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(cert, NID_subject_key_identifier, "hash") && add_names(cert, name) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool write_cert(X509 *cert, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    bool ok = PEM_write_X509(file, cert) == 1;
    return fclose(file) == 0 && ok;
}

static bool use_self_made(SSL_CTX *ctx, const struct tls_options *options)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = key != NULL && cert != NULL && fill_cert(cert, key, options->cert_name) &&
              SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
              (options->cert_out == NULL || write_cert(cert, options->cert_out));
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

static bool use_files(SSL_CTX *ctx, const struct tls_options *options)
{
    return SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) == 1 &&
           SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                       const unsigned char *offer, unsigned offer_length, void *h2)
{
    static const unsigned char WITH_H2[] = "\x02h2\x08http/1.1";
    const unsigned char *ours = h2 != NULL ? WITH_H2 : WITH_H2 + 3;
    unsigned length = (unsigned)(sizeof WITH_H2 - 1 - (size_t)(ours - WITH_H2));
    (void)ssl;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_length, ours, length, offer, offer_length) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool ask_client(SSL_CTX *ctx, const char *ca, bool optional)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                       NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"phx-dev", 7);
    return SSL_CTX_load_verify_locations(ctx, ca, NULL) == 1;
}

SSL_CTX *tls_open(const struct tls_options *options, char *error, size_t error_size)
{
    static char h2 = 1;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        complain(error, error_size, "cannot start", "TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (options->only_12) {
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    }
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, options->choose_h2 ? &h2 : NULL);
    bool given = options->cert_file != NULL;
    if (!(given ? use_files(ctx, options) : use_self_made(ctx, options))) {
        complain(error, error_size, "cannot use the certificate",
                 given ? options->cert_file : options->cert_out);
    } else if (options->client_ca != NULL &&
               !ask_client(ctx, options->client_ca, options->client_optional)) {
        complain(error, error_size, "cannot use the client CA", options->client_ca);
    } else {
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}
