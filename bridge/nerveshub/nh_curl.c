/*
 * The functions of libcurl that nh_transfer.c calls.
 */
#include "nh_curl.h"

#include "base/library.h"

#include <pthread.h>

static struct nh_curl functions;
static const struct nh_curl *loaded;
static char reason[NH_CURL_WHY_MAX];

static void load(void)
{
    CURLcode (*global_init)(long flags) = NULL;
    const struct library_symbol symbols[] = {
        {"curl_global_init", &global_init},
        {"curl_easy_init", &functions.easy_init},
        {"curl_easy_setopt", &functions.easy_setopt},
        {"curl_easy_getinfo", &functions.easy_getinfo},
        {"curl_easy_perform", &functions.easy_perform},
        {"curl_easy_strerror", &functions.easy_strerror},
        {"curl_easy_cleanup", &functions.easy_cleanup},
    };
    if (library_load("libcurl.so.4", symbols, sizeof symbols / sizeof symbols[0], reason,
                     sizeof reason) == 0 &&
        global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        loaded = &functions;
}

const struct nh_curl *nh_curl(const char **why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (why != NULL)
        *why = reason[0] != '\0' ? reason : "libcurl cannot be started: out of memory";
    return loaded;
}
