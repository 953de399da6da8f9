/*
 * From settings to a profile. What the settings are is config_table.c's, what a profile does with
 * them profile_rules.c's.
 */
#include "application.h"

static enum profile_credential credential_of(enum config_credential credential)
{
    switch (credential) {
    case CONFIG_BY_PARAM:
        return PROFILE_PARAM;
    case CONFIG_BY_HEADER:
        return PROFILE_HEADER;
    case CONFIG_BY_AUTH_TOKEN:
        return PROFILE_AUTH_TOKEN;
    case CONFIG_BY_NOTHING:
        break;
    }
    return PROFILE_NONE;
}

static enum profile_shape shape_of(enum config_readings_shape shape)
{
    switch (shape) {
    case CONFIG_READINGS_LIST:
        return PROFILE_LIST;
    case CONFIG_READINGS_GROUPS:
        return PROFILE_GROUPS;
    case CONFIG_READINGS_OBJECT:
        break;
    }
    return PROFILE_OBJECT;
}

static struct profile_rules rules_of(const struct config_application *application)
{
    return (struct profile_rules){
        .topic = application->topic,
        .join_payload = application->join,
        .credential = credential_of(application->credential),
        .credential_name = application->credential_name,
        .upload_event = application->readings_event,
        .upload_shape = shape_of(application->readings_shape),
        .control_event = application->controls_event,
        .control_shape = application->controls_shape == CONFIG_CONTROLS_LIST
                             ? PROFILE_CONTROL_LIST
                             : PROFILE_CONTROL_OBJECT,
        .kinds = application->kinds,
        .command_events = true,
    };
}

static bool is_set(const struct config_application *a)
{
    return a->topic != NULL || a->join != NULL || a->readings_event != NULL ||
           a->controls_event != NULL || a->kinds != NULL;
}

const struct profile *application_profile(const struct config *config, struct profile_ruled *ruled,
                                          const char **why)
{
    struct profile_rules rules = rules_of(&config->application);
    const char *name = "custom";
    *why = NULL;
    if (config->url == NULL)
        return &profile_nerveshub;
    switch (config->profile) {
    case CONFIG_MICROCONTROLLERS:
        if (is_set(&config->application))
            *why = "application: the microcontroller server has names of its own; leave it out, or "
                   "say "
                   "\"profile: custom\"";
        return *why == NULL ? &profile_microcontrollers : NULL;
    case CONFIG_DEVICE_TOPIC:
        name = "device";
        rules.topic = rules.topic != NULL ? rules.topic : "device:{mac}";
        rules.upload_event = rules.upload_event != NULL ? rules.upload_event : "new_msg";
        break;
    case CONFIG_CUSTOM:
        break;
    }
    *why = profile_rules_make(name, &rules, ruled);
    if (*why == NULL && config->reading_at && !ruled->profile.identity)
        *why = "at_and_seq: readings as an object have no place for them; take \"readings_shape: "
               "list\"";
    return *why == NULL ? &ruled->profile : NULL;
}
