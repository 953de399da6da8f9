/*
 * One side of the protocol against a peer that keeps sessions, but says whatever the fuzzer wants
 * in them, in frames that are whole. A host tells its user nothing that the description does not
 * allow, whatever the device says. A device applies only what was commanded, in range, in time and
 * once, whatever the host says, and falls to fail-safe when it says nothing.
 *
 * The first byte chooses the side; the rest is a program: one byte says what happens, the next how
 * much.
 */
#include "mp_crc.h"
#include "mp_describe.h"
#include "mp_device.h"
#include "mp_dump.h"
#include "mp_host.h"
#include "mp_msg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX    200
#define COMMANDS_MAX 64
#define DEADMAN_MS   1000u
#define DEADMAN_US   (DEADMAN_MS * 1000u)
#define TICK_US      100u
#define EPOCH        0x01020304u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mp_sensor sensors[] = {
    {.name = "a", .kind = MP_KIND_TEMPERATURE, .type = MP_TYPE_I16, .exponent = -2},
    {.name = "b", .kind = MP_KIND_PRESSURE, .type = MP_TYPE_I32, .exponent = 12},
    {.name = "c", .kind = MP_KIND_VOLTAGE, .type = MP_TYPE_F32},
    {.name = "d",
     .kind = MP_KIND_CUSTOM,
     .custom_kind = "door",
     .custom_unit = "",
     .type = MP_TYPE_BOOL},
};
static const struct mp_control controls[] = {
    {.name = "on", .type = MP_TYPE_BOOL, .max.i = 1},
    {.name = "i16", .type = MP_TYPE_I16, .min.i = -5, .max.i = 100, .initial.i = 1},
    {.name = "i32", .type = MP_TYPE_I32, .min.i = INT32_MIN, .max.i = 7, .failsafe.i = -7},
    {.name = "f32", .type = MP_TYPE_F32, .min.f = -1, .max.f = 1, .initial.f = 0.5f},
};
enum { SENSORS = sizeof sensors / sizeof *sensors, CONTROLS = sizeof controls / sizeof *controls };

struct command {
    uint8_t control;
    uint32_t bits, deadline;
    bool applied;
};

struct world {
    bool host_is_evil;
    uint64_t now_us;
    struct mp_host host;
    struct mp_host_space space;
    struct mp_device device;
    struct mp_device_config config;
    uint8_t tx[1200], rx[1200];
    /* The evil side. */
    struct mp_deframer deframer;
    uint8_t mem[MP_FRAME_MAX], last[MP_FRAME_MAX];
    size_t last_len;
    uint8_t tag, number, expected;
    uint32_t nonce, session;
    uint64_t skew_us;
    bool mute; /* answers nothing by itself */
    /* What is known of the device. */
    union mp_value values[CONTROLS];
    struct command commands[COMMANDS_MAX];
    uint16_t command_count;
    uint64_t heard_us; /* when it last got a frame of its session; 0: never */
    bool started;
};

static void must(int holds)
{
    if (!holds)
        abort();
}

/* -- What the good side tells. */

static void on_ready(void *user, const struct mp_peer *peer, const struct mp_description *d,
                     bool fresh)
{
    (void)user, (void)fresh;
    must(peer->device_len <= MP_DEVICE_ID_MAX && peer->image_len <= MP_IMAGE_ID_MAX);
    must(d->sensor_count == SENSORS && d->control_count == CONTROLS);
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    (void)user;
    must(reading->slot < SENSORS && isfinite(reading->value));
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user, (void)request;
    must(status < MP_STATUS_COUNT);
}

static void on_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    (void)user;
    must(control < CONTROLS && cause < MP_CAUSE_COUNT);
    must(mp_value_of_type(controls[control].type, value));
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user, (void)text;
    must(level < MP_LEVEL_COUNT && n < MP_BODY_MAX);
}

static void on_trace(void *user, bool outgoing, const struct mp_message *message)
{
    char line[40];
    (void)user, (void)outgoing;
    must(mp_dump(message, line, sizeof line) < sizeof line);
}

static bool was_commanded(struct world *w, uint8_t control, uint32_t bits)
{
    uint32_t ticks = mp_device_ticks(&w->device);
    for (uint16_t i = 0; i < w->command_count; i++) {
        struct command *c = &w->commands[i];
        if (c->applied || c->control != control || c->bits != bits ||
            (int32_t)(c->deadline - ticks) < 0)
            continue;
        c->applied = true;
        return true;
    }
    return false;
}

static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    struct world *w = user;
    must(control < CONTROLS);
    const struct mp_control *c = &controls[control];
    uint32_t bits = mp_value_to_bits(c->type, value);
    must(mp_value_in_range(c->type, value, c->min, c->max));
    w->values[control] = value;
    if (w->started && bits != mp_value_to_bits(c->type, c->failsafe))
        must(was_commanded(w, control, bits));
    return MP_STATUS_DONE;
}

static enum mp_status set_id(void *user, const uint8_t *id, uint8_t len)
{
    (void)user, (void)id;
    must(len <= MP_DEVICE_ID_MAX);
    return MP_STATUS_DONE;
}

static void on_typed(void *user, const uint8_t *bytes, size_t n)
{
    (void)user, (void)bytes;
    must(n <= MP_BODY_MAX);
}

static void must_be_safe(const struct world *w)
{
    if (w->heard_us == 0 || w->now_us - w->heard_us <= DEADMAN_US + 10000)
        return;
    for (uint8_t i = 0; i < CONTROLS; i++)
        must(mp_value_to_bits(controls[i].type, w->values[i]) ==
             mp_value_to_bits(controls[i].type, controls[i].failsafe));
}

/* -- The evil side. */

static void put_frame(struct world *w)
{
    uint8_t line[MP_FRAME_MAX + MP_FRAME_OVERHEAD], frame[MP_FRAME_MAX];
    struct mp_framer framer = {0};
    memcpy(frame, w->last, sizeof frame);
    mp_framer_begin(&framer, frame, w->last_len, false);
    size_t n = mp_framer_read(&framer, line, sizeof line);
    if (!w->host_is_evil) {
        mp_host_bytes(&w->host, line, n, w->now_us);
        return;
    }
    if (w->last[MP_FRAME_TAG] != 0 && w->last_len <= w->config.max_body &&
        (w->last[MP_FRAME_TAG] == w->device.link.tag ||
         w->last[MP_FRAME_TAG] == w->device.link.offer_tag))
        w->heard_us = w->now_us;
    mp_device_bytes(&w->device, line, n, (uint32_t)w->now_us);
}

static void say(struct world *w, uint8_t id, uint8_t tag, uint8_t number, const uint8_t *body,
                size_t len)
{
    w->last[MP_FRAME_ID] = id;
    w->last[MP_FRAME_TAG] = tag;
    w->last[MP_FRAME_NUMBER] = number;
    if (len > 0)
        memcpy(w->last + MP_FRAME_BODY, body, len);
    w->last_len = len;
    put_frame(w);
}

static void say_ack(struct world *w)
{
    const uint8_t body[] = {w->expected, 0x00, 0x04, 0};
    say(w, MP_MSG_ACK, w->tag, w->expected, body, sizeof body);
}

static void answer_hello(struct world *w, const uint8_t *body, size_t len)
{
    struct mp_hello hello;
    uint8_t out[MP_BODY_MAX];
    uint32_t schema;
    must(mp_decode_hello(body, len, &hello) == 0 && (uint8_t)hello.nonce != 0);
    mp_describe(&w->config, 0, NULL, 0, &schema);
    w->tag = (uint8_t)hello.nonce;
    w->expected = 0;
    struct mp_hello_ack ack = {.version = MP_VERSION,
                               .nonce = hello.nonce,
                               .epoch = EPOCH,
                               .max_body = MP_BODY_MAX,
                               .credit = 2000,
                               .first = w->number,
                               .tick_us = TICK_US,
                               .schema = schema};
    int n = mp_encode_hello_ack(out, sizeof out, &ack);
    say(w, MP_MSG_HELLO_ACK, w->tag, 0, out, (size_t)n);
}

static void answer_describe(struct world *w, const uint8_t *body, size_t len)
{
    struct mp_describe ask;
    uint8_t bytes[100], out[MP_BODY_MAX];
    must(mp_decode_describe(body, len, &ask) == 0);
    size_t total = mp_describe(&w->config, ask.offset, bytes, sizeof bytes, NULL);
    must(ask.offset <= total);
    size_t n = total - ask.offset < sizeof bytes ? total - ask.offset : sizeof bytes;
    struct mp_description_chunk chunk = {
        .offset = ask.offset, .total = (uint16_t)total, .bytes = bytes, .bytes_len = n};
    int out_len = mp_encode_description_chunk(out, sizeof out, &chunk);
    say(w, MP_MSG_DESCRIPTION_CHUNK, w->tag, 0, out, (size_t)out_len);
}

static void answer_time(struct world *w, const uint8_t *body)
{
    uint8_t out[MP_BODY_MIN];
    struct mp_time time = {.ref = body[0], .device_us = w->now_us + w->skew_us};
    int n = mp_encode_time(out, sizeof out, &time);
    say(w, MP_MSG_TIME, w->tag, 0, out, (size_t)n);
}

static void take_offer(struct world *w, const uint8_t *body, size_t len)
{
    struct mp_hello_ack ack;
    must(mp_decode_hello_ack(body, len, &ack) == 0);
    if (ack.nonce != w->nonce || w->mem[MP_FRAME_TAG] == 0)
        return;
    w->session = ack.nonce;
    w->tag = w->mem[MP_FRAME_TAG];
    w->number = 0;
    w->expected = (uint8_t)ack.first;
    say_ack(w);
}

static void hear_frame(struct world *w)
{
    uint8_t body[MP_BODY_MAX], id = w->mem[MP_FRAME_ID], number = w->mem[MP_FRAME_NUMBER];
    size_t len = w->deframer.body_len;
    memcpy(body, w->mem + MP_FRAME_BODY, len);
    if (w->mute)
        return;
    if (id == MP_MSG_HELLO)
        answer_hello(w, body, len);
    else if (id == MP_MSG_HELLO_ACK)
        take_offer(w, body, len);
    else if (id == MP_MSG_TIME_ASK)
        answer_time(w, body);
    if (!(id & MP_FRAME_RELIABLE))
        return;
    w->expected = (uint8_t)(w->expected + (number == w->expected));
    say_ack(w);
    if (id == (MP_MSG_DESCRIBE | MP_FRAME_RELIABLE))
        answer_describe(w, body, len);
}

/* A byte at a time, so that the good side hears the answer before its next byte is asked for. */
static void listen_to(struct world *w)
{
    uint8_t byte;
    for (int i = 0; i < 2000; i++) {
        size_t n = w->host_is_evil ? mp_device_output(&w->device, &byte, 1, (uint32_t)w->now_us)
                                   : mp_host_output(&w->host, &byte, 1, w->now_us);
        if (n == 0)
            return;
        enum mp_deframed got = mp_deframer_byte(&w->deframer, byte);
        must(got != MP_DEFRAMED_BAD);
        if (got == MP_DEFRAMED_FRAME)
            hear_frame(w);
    }
}

static void turn(struct world *w)
{
    if (w->host_is_evil)
        mp_device_poll(&w->device, (uint32_t)w->now_us);
    else
        mp_host_poll(&w->host, w->now_us);
    listen_to(w);
    if (w->host_is_evil) {
        mp_device_poll(&w->device, (uint32_t)w->now_us);
        must_be_safe(w);
    }
}

static void pass(struct world *w, uint32_t us)
{
    while (us > 0) {
        uint32_t step = us < DEADMAN_US / 8 ? us : DEADMAN_US / 8;
        us -= step;
        w->now_us += step;
        turn(w);
    }
}

/* -- The program. */

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t next_u32(struct input *in)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | next(in);
    return value;
}

/* Any message at all; the number is the next one for three in four. */
static void say_anything(struct world *w, struct input *in)
{
    uint8_t id = next(in), how = next(in), len = next(in);
    size_t left = (size_t)(in->end - in->at);
    size_t n = len <= MP_BODY_MAX ? len : MP_BODY_MAX;
    n = n < left ? n : left;
    uint8_t number = (how & 3) != 0 ? w->number : next(in);
    n = n < (size_t)(in->end - in->at) ? n : (size_t)(in->end - in->at);
    if ((id & MP_FRAME_RELIABLE) && number == w->number)
        w->number++;
    say(w, id, (how & 0x0c) == 0x0c ? (uint8_t)(how >> 4) : w->tag, number, in->at, n);
    in->at += n;
}

static void say_command(struct world *w, struct input *in)
{
    uint8_t body[MP_COMMAND_SEALED + 4];
    uint8_t control = next(in) % (CONTROLS + 1);
    int32_t later = next(in) - 128;
    struct mp_command m = {.request = w->command_count,
                           .control = control,
                           .value = next_u32(in),
                           .deadline = mp_device_ticks(&w->device) + (uint32_t)(later * 1000)};
    if (w->command_count == COMMANDS_MAX)
        return;
    if (control < CONTROLS && controls[control].type != MP_TYPE_F32)
        m.value = (uint32_t)(int32_t)(int8_t)m.value;
    w->commands[w->command_count++] = (struct command){
        .control = control,
        .deadline = m.deadline,
        .bits = control < CONTROLS
                    ? mp_value_to_bits(controls[control].type,
                                       mp_value_from_bits(controls[control].type, m.value))
                    : 0};
    mp_encode_command(body, sizeof body, &m);
    m.crc = mp_seal(w->session, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
    mp_encode_command(body, sizeof body, &m);
    say(w, MP_MSG_COMMAND | MP_FRAME_RELIABLE, w->tag, w->number++, body, sizeof body);
}

static void say_hello(struct world *w, struct input *in)
{
    uint8_t out[MP_BODY_MIN];
    w->nonce = next_u32(in) | 1;
    struct mp_hello hello = {.version = MP_VERSION,
                             .nonce = w->nonce,
                             .epoch_offer = EPOCH,
                             .max_body = MP_BODY_MAX,
                             .credit = 2000};
    int n = mp_encode_hello(out, sizeof out, &hello);
    say(w, MP_MSG_HELLO, 0, 0, out, (size_t)n);
}

/* What the good side's user does. */
static void use_it(struct world *w, struct input *in)
{
    uint8_t what = next(in), slot = what % SENSORS;
    union mp_value value = {.i = slot == SENSORS - 1 ? what >> 7 : (int8_t)next(in)};
    uint16_t request;
    if (!w->host_is_evil) {
        uint8_t control = what % (CONTROLS + 1);
        if (control < CONTROLS)
            (void)mp_host_command(&w->host, control, value, what * 100u, w->now_us, &request);
        (void)mp_host_identify(&w->host, what, &request);
    } else if (what & 0x40) {
        (void)mp_device_log(&w->device, MP_LEVEL_INFO, "said");
    } else {
        (void)mp_device_reading(&w->device, slot, value, mp_device_ticks(&w->device), what & 1);
        (void)mp_device_flush(&w->device);
    }
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = next(in);
    switch (what % 8) {
    case 0:
        pass(w, (uint32_t)next(in) * 1000);
        break;
    case 1:
        pass(w, (uint32_t)next(in) * 40000);
        break;
    case 2:
        w->mute = what >> 7;
        break;
    case 3:
        w->skew_us = ((uint64_t)next_u32(in) << 32 | next_u32(in)) >> (what >> 3) * 2;
        break;
    case 4:
        if (w->host_is_evil)
            say_hello(w, in);
        else
            use_it(w, in);
        break;
    case 5:
        if (w->host_is_evil)
            say_command(w, in);
        else
            put_frame(w); /* once more */
        break;
    case 6:
        if (what & 8)
            use_it(w, in);
        else
            put_frame(w);
        break;
    default:
        say_anything(w, in);
        break;
    }
    turn(w);
}

static void begin(struct world *w)
{
    w->config = (struct mp_device_config){.firmware = {"p", "v", "a", "b"},
                                          .sensors = sensors,
                                          .controls = controls,
                                          .sensor_count = SENSORS,
                                          .control_count = CONTROLS,
                                          .tick_us = TICK_US,
                                          .deadman_ms = DEADMAN_MS,
                                          .tx_mem = w->tx,
                                          .rx_mem = w->rx,
                                          .tx_bytes = 600,
                                          .rx_bytes = 400,
                                          .max_body = 64};
    mp_deframer_init(&w->deframer, w->mem, MP_BODY_MAX);
    w->now_us = 0x100000000ull - 3000000; /* soon the 32-bit counter wraps */
    if (w->host_is_evil) {
        struct mp_device_io io = {.user = w, .apply = apply, .set_id = set_id, .console = on_typed};
        must(mp_device_init(&w->device, &w->config, &io, (uint32_t)w->now_us) == MP_OK);
        w->started = true;
        return;
    }
    struct mp_host_config config = {.tx_mem = w->tx,
                                    .rx_mem = w->rx,
                                    .tx_bytes = sizeof w->tx,
                                    .rx_bytes = sizeof w->rx,
                                    .space = &w->space,
                                    .credit = 500,
                                    .seed = 1,
                                    .keepalive_ms = 300,
                                    .safe_at_once = true};
    struct mp_host_io io = {.user = w,
                            .ready = on_ready,
                            .reading = on_reading,
                            .result = on_result,
                            .control_state = on_state,
                            .log = on_log,
                            .console = on_typed,
                            .trace = on_trace};
    must(mp_host_init(&w->host, &config, &io, w->now_us) == MP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct input in = {data, data + size};
    memset(&w, 0, sizeof w);
    w.host_is_evil = next(&in) & 1;
    begin(&w);
    for (int i = 0; in.at < in.end && i < STEPS_MAX; i++)
        step(&w, &in);
    w.mute = true;
    if (w.host_is_evil)
        pass(&w, 2 * DEADMAN_US);
    return 0;
}
