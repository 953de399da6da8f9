/*
 * nh_check.h - the part of nh_files.c that runs on a thread: judges one firmware file and takes the
 * image out of it.
 */
#ifndef NH_CHECK_H
#define NH_CHECK_H

#include "nh_files.h"

struct nh_check {
    const struct nh_files_options *options; /* with an absolute folder; outlives the check */
    char uuid[NH_UUID_TEXT];
    char resource[FW_NAME_MAX]; /* "": see nh_claim_check */
    /* What came of it. */
    bool good;
    bool for_good; /* bad, and trying again cannot help */
    char why[NH_WHY_MAX];
    struct nh_firmware meta;
    char image[NH_FILE_PATH_MAX];
};

/* Blocks for as long as the file takes to be read twice. Not for two threads at once (fw_check). */
void nh_check_run(struct nh_check *check);

#endif
