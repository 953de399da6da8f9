/*
 * nh_curl.h - libcurl, loaded when a device of NervesHub is configured (library.h).
 */
#ifndef NH_CURL_H
#define NH_CURL_H

#include <curl/curl.h>

#define NH_CURL_WHY_MAX 256

/* libcurl's functions by their names without curl_. setopt takes, unchecked, what the option's
 * manual page says: a long is 1L. */
struct nh_curl {
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
    CURLcode (*easy_perform)(CURL *curl);
    const char *(*easy_strerror)(CURLcode code);
    void (*easy_cleanup)(CURL *curl);
};

/* From any thread; the first call loads it. NULL: it cannot be loaded, *why says why. `why` may be
 * NULL. */
const struct nh_curl *nh_curl(const char **why);

#endif
