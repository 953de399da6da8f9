/*
 * A list of boards and the uuids that they need. What becomes of the files is nh_keep.c's.
 */
#include "nh_holders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nh_holder *nh_holders_get(struct nh_holders *holders, const char *id)
{
    struct nh_holder *h = holders->first;
    while (h != NULL && strcmp(h->id, id) != 0)
        h = h->next;
    if (h != NULL || (h = calloc(1, sizeof(*h))) == NULL)
        return h;
    snprintf(h->id, sizeof(h->id), "%s", id);
    h->next = holders->first;
    holders->first = h;
    return h;
}

void nh_holders_record(void *user, const char *id, const struct nh_record *record)
{
    struct nh_holder *h = nh_holders_get(user, id);
    if (h == NULL)
        return;
    memcpy(h->uuid[NH_HOLD_RUNS], record->running, NH_UUID_TEXT);
    memcpy(h->uuid[NH_HOLD_BEFORE], record->before, NH_UUID_TEXT);
    memcpy(h->uuid[NH_HOLD_COMING], record->uuid, NH_UUID_TEXT);
}

void nh_holders_all_left(struct nh_holders *holders)
{
    for (struct nh_holder *h = holders->first; h != NULL; h = h->next)
        h->left = true;
}

void nh_holders_free(struct nh_holders *holders)
{
    while (holders->first != NULL) {
        struct nh_holder *h = holders->first;
        holders->first = h->next;
        free(h);
    }
}

/* An image is taken out of its file again before every use. */
static bool names(const struct nh_holder *h, const char *uuid, bool image)
{
    for (int i = image ? NH_HOLD_COMING : 0; i < NH_HOLD_COUNT; i++)
        if (strcmp(h->uuid[i], uuid) == 0)
            return true;
    return false;
}

enum nh_need nh_holders_need(const struct nh_holders *holders, const char *uuid, bool image)
{
    enum nh_need need = NH_NEED_NONE;
    for (const struct nh_holder *h = holders->first; h != NULL && need != NH_NEED_NOW; h = h->next)
        if (names(h, uuid, image))
            need = h->left && h->uuid[NH_HOLD_COMING][0] == '\0' ? NH_NEED_LATER : NH_NEED_NOW;
    return need;
}
