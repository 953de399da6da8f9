/*
 * phx_tls.c - the only file that reads certificates. The handshake is libwebsockets' and OpenSSL's.
 */
#include "phx_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool fail(char *error, size_t cap, const char *what, const char *file)
{
    unsigned long first = ERR_peek_error(), code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    /* A file that is not there: the first error is the system's own, the last only says so. */
    if (ERR_GET_REASON(code) == ERR_R_SYS_LIB && ERR_SYSTEM_ERROR(first))
        reason = strerror(ERR_GET_REASON(first));
    snprintf(error, cap, "%s %s: %s", what, file ? file : "of the system",
             reason ? reason : "cannot be read");
    ERR_clear_error();
    return false;
}

static bool trust(SSL_CTX *context, const char *ca, char *error, size_t cap)
{
    if (ca ? SSL_CTX_load_verify_file(context, ca) : SSL_CTX_set_default_verify_paths(context))
        return true;
    return fail(error, cap, "CA file", ca);
}

static bool show(SSL_CTX *context, const struct phx_tls_files *files, char *error, size_t cap)
{
    if (!files->cert)
        return true;
    if (!SSL_CTX_use_certificate_chain_file(context, files->cert))
        return fail(error, cap, "client certificate", files->cert);
    if (!SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM))
        return fail(error, cap, "key", files->key);
    if (!SSL_CTX_check_private_key(context))
        return fail(error, cap, "key does not belong to the client certificate:", files->key);
    return true;
}

/* libwebsockets asks for the host by name, which an address is not (RFC 6066). */
static void ask_for_no_name(const SSL *connection, int where, int value)
{
    (void)value;
    if (where & SSL_CB_HANDSHAKE_START)
        (void)SSL_set_tlsext_host_name((SSL *)connection, NULL);
}

static bool expect(SSL_CTX *context, const char *address, char *error, size_t cap)
{
    if (!address)
        return true;
    SSL_CTX_set_info_callback(context, ask_for_no_name);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context), address))
        return true;
    return fail(error, cap, "address", address);
}

SSL_CTX *phx_tls_open(const struct phx_tls_files *files, const char *address, char *error,
                      size_t cap)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context) {
        fail(error, cap, "TLS", "library");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (trust(context, files->ca, error, cap) && show(context, files, error, cap) &&
        expect(context, address, error, cap))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static int sort_of_key(const SSL_CTX *context)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);

    return key ? EVP_PKEY_get_base_id(key) : NID_undef;
}

enum phx_tls_renewed phx_tls_renew(SSL_CTX *context, const struct phx_tls_files *files, char *error,
                                   size_t cap)
{
    SSL_CTX *fresh = phx_tls_open(files, NULL, error, cap);
    enum phx_tls_renewed result = PHX_TLS_OTHER_KEY;
    STACK_OF(X509) *chain = NULL;

    if (!fresh)
        return PHX_TLS_UNREADABLE;
    SSL_CTX_get0_chain_certs(fresh, &chain);
    if (sort_of_key(fresh) == sort_of_key(context) &&
        (!files->cert || SSL_CTX_use_cert_and_key(context, SSL_CTX_get0_certificate(fresh),
                                                  SSL_CTX_get0_privatekey(fresh), chain, 1))) {
        SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(fresh));
        result = PHX_TLS_RENEWED;
    }
    SSL_CTX_free(fresh);
    return result;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001B3u;
}

static uint64_t stamp_of(uint64_t hash, const char *file)
{
    struct stat status;

    if (!file || stat(file, &status))
        return mix(hash, 0);
    hash = mix(hash, (uint64_t)status.st_ino);
    hash = mix(hash, (uint64_t)status.st_size);
    hash = mix(hash, (uint64_t)status.st_mtim.tv_sec);
    return mix(hash, (uint64_t)status.st_mtim.tv_nsec);
}

uint64_t phx_tls_stamp(const struct phx_tls_files *files)
{
    uint64_t hash = 0xCBF29CE484222325u;

    hash = stamp_of(hash, files->ca);
    hash = stamp_of(hash, files->cert);
    return stamp_of(hash, files->key);
}

void phx_tls_explain(int verify_error, const char *host, const char *ca, char *text, size_t cap)
{
    switch (verify_error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        snprintf(text, cap,
                 "the server's certificate is not for %.64s: use the name it is made for", host);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        snprintf(text, cap, "the server's certificate has expired: renew it, or set this clock");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(text, cap, "the server's certificate is not valid yet: set this clock");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        snprintf(text, cap, "the server's certificate is not trusted: its authority is not in %s",
                 ca ? "the given CA file" : "the system's, give it as the CA file");
        break;
    default:
        snprintf(text, cap, "the server's certificate is not accepted: %.80s",
                 X509_verify_cert_error_string(verify_error));
        break;
    }
}
