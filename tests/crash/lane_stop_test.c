/* A lane that is told to stop does so, whatever the server says meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted.h"

#include <string.h>

#define TURN_US     10000
#define TURNS_READY 10
#define TURNS_STOP  2000

static const struct mp_host_sensor sensor = {
    .name = "s", .kind = "temperature", .type = MP_TYPE_I32};
static const struct mp_description description = {.sensors = &sensor, .sensor_count = 1};
static char folder[64];
static void (*meanwhile)(void);
static bool joined_before;

static void ignore(void)
{
}

static void ignore_safe(uint32_t number)
{
    (void)number;
}

static void turns(struct lane *lane, struct spool *spool, int count)
{
    for (int i = 0; i < count; i++) {
        scripted.now_us += TURN_US;
        lane_tick(lane, scripted.now_us);
        spool_turn(spool);
    }
}

static void live(struct lane *lane, struct spool *spool)
{
    turns(lane, spool, TURNS_READY);
    scripted_claim(lane, 0);
    turns(lane, spool, 1);
    scripted_greet();
    if (joined_before) {
        turns(lane, spool, 1);
        scripted_join();
    }
    scripted_send(0); /* what is on its way to the disk is waited for */
    lane_stop(lane);
    meanwhile();
    turns(lane, spool, TURNS_STOP);
}

static void stop(bool joined, void (*what)(void))
{
    static char url[] = "ws://server/microcontrollers/websocket";
    const struct config config = {.url = url,
                                  .batch_readings = 10,
                                  .batch_ms = 50,
                                  .reply_timeout_ms = 10000,
                                  .buffer_bytes = 65536,
                                  .spool = true,
                                  .spool_bytes = 1 << 20,
                                  .command_ttl_ms = 1000,
                                  .channel_loss_ms = 5000,
                                  .linger_ms = 30000};
    scripted = (struct scripted){
        .description = &description, .reply_lost = ignore, .safe = ignore_safe, .now_us = TURN_US};
    joined_before = joined;
    meanwhile = what;
    assert_int_equal(scripted_make_folder(folder), 0);
    assert_int_equal(scripted_run(folder, NULL, &config, live), 0);
    scripted_remove_folder(folder);
    assert_int_equal(scripted.stopped, 1);
}

static void it_stops_though_the_join_is_answered_meanwhile(void **state)
{
    (void)state;
    stop(false, scripted_join);
}

static void it_stops_though_the_channel_ends_meanwhile(void **state)
{
    (void)state;
    stop(true, scripted_crash_channel);
}

static void it_stops_though_the_connection_ends_meanwhile(void **state)
{
    (void)state;
    stop(true, scripted_hang_up);
}

static void it_stops_though_the_server_says_nothing(void **state)
{
    (void)state;
    stop(true, ignore);
    stop(false, ignore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stops_though_the_join_is_answered_meanwhile),
        cmocka_unit_test(it_stops_though_the_channel_ends_meanwhile),
        cmocka_unit_test(it_stops_though_the_connection_ends_meanwhile),
        cmocka_unit_test(it_stops_though_the_server_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
