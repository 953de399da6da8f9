/*
 * print.h - what devices say, for people and as JSON.
 */
#ifndef PRINT_H
#define PRINT_H

#include "mp_host.h"

#include <stddef.h>

#define PRINT_DEVICE_MAX 80
#define PRINT_VALUE_MAX  40

/* An identity as it may stand in a configuration: text, or 0x and hex digits; "-" when there is
 * none. Returns `out`. */
const char *print_device(char *out, size_t cap, const uint8_t *id, size_t length);

/* `value` with as many decimals as its type and exponent mean. Returns `out`. */
const char *print_value(char *out, size_t cap, uint8_t type, int8_t exponent, double value);

#endif
