/*
 * Control updates are few and small, and come from somebody else: they are read through cJSON, and
 * only up to a size. What a control may be set to is commands.c's.
 */
#include "profile_control.h"

#include <cjson/cJSON.h>

#define CONTROL_BYTES_MAX 65536 /* of one control update; a tree takes many times that */

static void read_member(const cJSON *member, const struct profile_control_io *io)
{
    struct profile_control control = {member->string, PROFILE_OTHER, 0};
    if (cJSON_IsBool(member)) {
        control.kind = PROFILE_BOOL;
        control.number = cJSON_IsTrue(member) ? 1 : 0;
    } else if (cJSON_IsNumber(member)) {
        control.kind = PROFILE_NUMBER;
        control.number = member->valuedouble;
    }
    io->element(io->user, &control);
}

static void read_element(const cJSON *element, const struct profile_control_io *io)
{
    if (element == NULL || !cJSON_IsObject(element)) {
        io->bad(io->user, "an element of the update is not an object");
        return;
    }
    const cJSON *first = element->child;
    if (first == NULL)
        io->bad(io->user, "an element of the update is empty");
    for (const cJSON *member = first; member != NULL; member = member->next)
        read_member(member, io);
}

void profile_control_read(enum profile_control_shape shape, struct profile_text payload,
                          const struct profile_control_io *io)
{
    if (payload.len > CONTROL_BYTES_MAX) {
        io->bad(io->user, "it is longer than 64 KiB");
        return;
    }
    cJSON *tree = payload.at == NULL ? NULL : cJSON_ParseWithLength(payload.at, payload.len);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "control");
    const cJSON *element;
    if (shape == PROFILE_CONTROL_OBJECT)
        read_element(tree, io);
    else if (!cJSON_IsArray(list))
        io->bad(io->user, "it has no list \"control\"");
    else
        cJSON_ArrayForEach(element, list) read_element(element, io);
    cJSON_Delete(tree);
}
