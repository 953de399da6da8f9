/*
 * Any bytes as a configuration: refused with at least one line, none of which breaks a log, or
 * taken, and then within what config.h says.
 */
#include "config_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_line(void *user, const char *error)
{
    size_t *count = user;
    if (strpbrk(error, "\n\r\x1b"))
        abort();
    ++*count;
}

static void check_taken(const struct config *config)
{
    if (!config->url || config->mcu_count == 0 || config->port_count == 0 ||
        config->mcu_count > CONFIG_MCUS_MAX)
        abort();
    for (size_t i = 0; i < config->port_count; i++)
        if (!config->ports[i].name || !config->ports[i].path == !config->ports[i].usb_serial)
            abort();
    for (size_t i = 0; i < config->mcu_count; i++) {
        const struct config_mcu *mcu = &config->mcus[i];
        if (!mcu->name || !mcu->api_key_file || mcu->control_count > CONFIG_CONTROLS_MAX ||
            (mcu->any_device ? !mcu->port : mcu->device_len == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct config config;
    size_t count = 0;
    struct config_source source = {.name = "f",
                                   .folder = "/etc",
                                   .bytes = (const char *)bytes,
                                   .n = n,
                                   .report = check_line,
                                   .user = &count};
    int result = config_parse(&config, &source);
    if ((result == 0) != (count == 0))
        abort();
    if (result == 0) {
        check_taken(&config);
        config_free(&config);
    }
    return 0;
}
