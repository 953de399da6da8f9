/*
 * Any bytes as a configuration: refused with at least one line, none of which breaks a log, or
 * taken, and then within what config.h says.
 */
#include "config/config_parse.h"

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

static void check_port(const struct config_port *port)
{
    bool is_usb = port->usb_serial || port->usb_id || port->usb_path;
    if (!port->name || !port->path == !is_usb)
        abort();
}

/* It can say who it is, to whom it has to. */
static void check_device(const struct config *config, const struct config_mcu *mcu)
{
    struct config_device device;
    bool is_device = config_device(&config->nerveshub, mcu, &device);
    if (config->url && config->profile == CONFIG_MICROCONTROLLERS && !mcu->api_key_file)
        abort();
    if (is_device && (!device.id || (device.cert_file ? !device.cert_key_file
                                                      : !device.key || !device.secret_file)))
        abort();
    for (size_t i = 0; is_device && device.flash_command && device.flash_command[i]; i++)
        if (i == CONFIG_WORDS_MAX)
            abort();
}

static void check_taken(const struct config *config)
{
    if ((!config->url && !config->nerveshub.url) || config->mcu_count == 0 ||
        config->port_count == 0 || config->mcu_count > CONFIG_MCUS_MAX)
        abort();
    for (size_t i = 0; i < config->port_count; i++)
        check_port(&config->ports[i]);
    for (size_t i = 0; i < config->mcu_count; i++) {
        const struct config_mcu *mcu = &config->mcus[i];
        if (!mcu->name || mcu->control_count > CONFIG_CONTROLS_MAX ||
            (mcu->any_device ? !mcu->port : mcu->device_len == 0))
            abort();
        check_device(config, mcu);
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
