/*
 * nh_transfer.h - the part of a download that runs on its thread. Internal to nh_download.c.
 */
#ifndef NH_TRANSFER_H
#define NH_TRANSFER_H

#include "nh_download.h"

#define NH_TRANSFER_WHY_MAX 256

struct nh_transfer;

/* `wake` is called from the thread when there is news. The options must outlive the transfer; the
 * offer is copied. NULL: out of memory. */
struct nh_transfer *nh_transfer_new(const struct nh_download_options *options,
                                    const struct nh_offer *offer, void (*wake)(void *user),
                                    void *user);
void nh_transfer_free(struct nh_transfer *transfer); /* NULL is allowed */

/* The whole job; returns when it has ended or was cancelled. */
void nh_transfer_run(struct nh_transfer *transfer);

/* From any thread. */
void nh_transfer_cancel(struct nh_transfer *transfer);
unsigned nh_transfer_percent(struct nh_transfer *transfer);
/* Whether it has ended; `why` is then "" for a file that stands. */
bool nh_transfer_ended(struct nh_transfer *transfer, char why[static NH_TRANSFER_WHY_MAX],
                       bool *for_good);

#endif
