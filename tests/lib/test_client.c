/*
 * A client of a port that ignores everything. What a board does is another's (test_board.c).
 */
#include "test_client.h"

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    (void)user;
    (void)reading;
}

static void on_received(void *user, uint32_t number)
{
    (void)user;
    (void)number;
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user;
    (void)request;
    (void)status;
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    (void)user;
    (void)control;
    (void)cause;
    (void)value;
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user;
    (void)level;
    (void)text;
    (void)n;
}

static void on_lost(void *user, const char *why)
{
    (void)user;
    (void)why;
}

const struct port_client test_client = {
    .reading = on_reading,
    .received = on_received,
    .result = on_result,
    .control_state = on_control_state,
    .log = on_log,
    .lost = on_lost,
};
