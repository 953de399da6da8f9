/*
 * Any payload of a metadata message: a topic comes out well formed, or a reason why not.
 */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

static void check_topic(const char *topic)
{
    static const char prefix[] = "microcontroller:v1:";
    if (strncmp(topic, prefix, strlen(prefix)) != 0)
        abort();
    const char *id = topic + strlen(prefix);
    if (*id < '1' || *id > '9' || strlen(id) > 16 || strspn(id, "0123456789") != strlen(id))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char topic[PROFILE_TOPIC_MAX];
    const char *why = NULL;
    struct profile_text event = {"metadata", 8};
    struct profile_text payload = {(const char *)data, size};
    if (profile_microcontrollers.topic(&profile_microcontrollers, (struct profile_text){"", 0},
                                       event, payload, topic, &why))
        check_topic(topic);
    else if (why == NULL)
        abort();
    return 0;
}
