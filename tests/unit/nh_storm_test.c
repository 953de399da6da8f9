/* Nothing that a device says of its updates crashes a recorded server's channel or leaves it with
 * an update that is none: the update machine, in hours of faults drawn by a seed, against phx-dev's
 * rules of both releases, through the payloads that would go over the wire.
 *
 * A failure names its seed; MCU_STORM_SEED=N runs that one alone and tells what happened,
 * MCU_STORM_RUNS=N runs so many, MCU_STORM_ONLY='*slots' the tests of such names.
 */
#include "nerves.h"
#include "nerveshub/nh_update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS        50
#define STORM_MS    (3u * 60 * 60 * 1000)
#define STEP_MS     1000
#define CALM_MS     (90u * 60 * 1000) /* for what is under way when the storm ends */
#define SETTLE_MS   (15u * 60 * 1000) /* shorter than a forgotten row lives */
#define START_MS    1800000000000LL
#define NEVER       UINT64_MAX
#define TROUBLE_PCT 30 /* how often a step of an update goes wrong in the storm */

/* Which firmware there is, and what becomes of it. */
enum kind { OLD, GOOD, HANGS, BROKEN, STRANGE, LAST, KINDS };
static const char *const UUIDS[KINDS] = {
    "206d2695-f7b3-5efd-05c8-5d40adeac947", "2cc211b5-e7c5-5b9c-b678-c70df78babe5",
    "cf2f836e-4436-53cc-d5a2-81700850aeb2", "3aaf3a0f-57d1-5ab2-9d1f-0c5a0a3f0b11",
    "4baf3a0f-57d1-5ab2-9d1f-0c5a0a3f0b12", "5caf3a0f-57d1-5ab2-9d1f-0c5a0a3f0b13",
};

enum task { TASK_NONE, TASK_FETCH, TASK_CHECK, TASK_FLASH };

struct world {
    unsigned seed;
    uint32_t random;
    bool storm, keeps_old, told;
    struct nerves *server;
    struct nerves_device *device;
    bool connected, joined, rejoin;
    uint64_t connect_ms, deaf_ms;         /* deaf_ms: when a dead line is noticed; 0: it is alive */
    const struct nerves_firmware *pushed; /* on its way to the device */
    bool deployment;
    struct nh_update update;
    struct nh_record kept;
    enum task task;
    uint64_t task_ms; /* when it ends */
    unsigned percent;
    enum kind flashing, runs;
    enum kind proven; /* what a whole image said last that it is */
    bool talks;       /* half a firmware that says its name */
    enum nh_flashed flash_ends;
    bool half;         /* what the board holds is no whole firmware */
    uint64_t hello_ms; /* when the board says what it runs; NEVER: not until something changes */
    bool by_hand;      /* it was said that a person has to flash the board */
    bool claimed;      /* completed was said since the latest offer */
};

static int64_t now_ms;

static int64_t server_clock(void)
{
    return now_ms;
}

static uint64_t now(void)
{
    return (uint64_t)(now_ms - START_MS) + 1000000;
}

static unsigned pick(struct world *w, unsigned below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random % below;
}

static bool trouble(struct world *w, unsigned percent)
{
    return w->storm && pick(w, 100) < percent;
}

static void tell(const struct world *w, const char *format, ...)
{
    va_list rest;
    if (!w->told)
        return;
    printf("%9.1f  ", (double)(now_ms - START_MS) / 1000);
    va_start(rest, format);
    vprintf(format, rest);
    va_end(rest);
    printf("\n");
}

#define MUST(w, condition)                                                   \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fail_msg("%s, at %lld s with MCU_STORM_SEED=%u, %s", #condition, \
                     (long long)(now_ms - START_MS) / 1000, (w)->seed,       \
                     (w)->server->like == NERVES_MAIN ? "main" : "2.4.0");   \
            abort(); /* never reached, which clang-tidy cannot know */       \
        }                                                                    \
    } while (0)

static enum kind kind_of(const char *uuid)
{
    unsigned i = 0;
    while (i < KINDS && strcmp(uuid, UUIDS[i]) != 0)
        i++;
    assert_true(i < KINDS);
    return (enum kind)i;
}

/* -- What the device says. */

static void check_server(struct world *w)
{
    const struct nerves_row *row = nerves_row_of(w->server, w->device);
    MUST(w, row == NULL || row->uuid[0] != '\0'); /* a phantom has none */
}

static void heard(struct world *w, char *text,
                  enum nerves_verdict (*on)(struct nerves *, struct nerves_device *,
                                            const struct json *))
{
    struct json_doc doc;
    MUST(w, text != NULL);
    tell(w, "says %s%s", text, w->deaf_ms != 0 ? ", unheard" : "");
    MUST(w, w->joined);
    MUST(w, json_parse(&doc, text, strlen(text)) == 0);
    MUST(w, w->deaf_ms != 0 || on(w->server, w->device, doc.root) != NERVES_CRASH);
    json_deinit(&doc);
    free(text);
    check_server(w);
}

static void on_status(void *user, enum nh_server server, enum nh_status status, const char *reason)
{
    struct world *w = user;
    if (status == NH_COMPLETED) {
        MUST(w, !w->half && strcmp(w->update.record.uuid, UUIDS[w->runs]) == 0);
        w->claimed = true;
    }
    heard(w, nh_encode_status(server, status, reason), nerves_on_status);
}

static void on_progress(void *user, unsigned percent, enum nh_status stage)
{
    heard(user, nh_encode_progress(percent, stage), nerves_on_progress);
}

static void on_rebooting(void *user)
{
    MUST((struct world *)user, ((struct world *)user)->joined);
}

static void on_rejoin(void *user)
{
    ((struct world *)user)->rejoin = true;
}

static void on_say(void *user, bool bad, const char *text)
{
    struct world *w = user;
    tell(w, "%s %s", bad ? "LOG" : "log", text);
    w->by_hand |= strstr(text, "by hand") != NULL || strstr(text, "cannot be brought") != NULL;
}

static bool on_keep(void *user, const struct nh_record *record)
{
    struct world *w = user;
    if (trouble(w, 2)) {
        tell(w, "cannot keep its record");
        return false;
    }
    w->kept = *record;
    return true;
}

/* -- What it does. */

static void begin(struct world *w, enum task task, uint64_t longest_s)
{
    w->task = task;
    w->percent = 0;
    w->task_ms = now() + 1000 * (1 + pick(w, (unsigned)longest_s));
    tell(w, "begins %s",
         task == TASK_FETCH   ? "to fetch"
         : task == TASK_CHECK ? "to check"
                              : "to flash");
}

static void on_fetch(void *user, const struct nh_offer *offer)
{
    (void)offer;
    begin(user, TASK_FETCH, trouble(user, 10) ? 4000 : 60);
}

static void on_stop(void *user)
{
    ((struct world *)user)->task = TASK_NONE;
}

static void on_check(void *user, const char *uuid)
{
    (void)uuid;
    begin(user, TASK_CHECK, 5);
}

static void on_flash(void *user, const char *uuid)
{
    struct world *w = user;
    enum kind kind = kind_of(uuid);
    MUST(w, kind != STRANGE && kind != BROKEN);
    w->flash_ends = !trouble(w, 10)   ? NH_FLASHED
                    : pick(w, 3) == 0 ? NH_FLASH_REFUSED
                    : pick(w, 2) == 0 ? NH_FLASH_ABSENT
                                      : NH_FLASH_NOT_BEGUN;
    if (w->flash_ends == NH_FLASHED)
        w->flashing = kind;
    if (w->flash_ends == NH_FLASHED && !w->keeps_old) {
        w->half = true;
        w->talks = false;
        w->hello_ms = NEVER;
    }
    begin(w, TASK_FLASH, trouble(w, 10) ? 5000 : 90);
}

static void flash_ended(struct world *w)
{
    if (w->flash_ends != NH_FLASHED) {
        nh_update_flashed(&w->update, w->flash_ends, "it cannot be flashed", now());
        return;
    }
    bool failed = trouble(w, TROUBLE_PCT);
    if (!failed) {
        bool taken_back = w->keeps_old && (w->flashing == HANGS || trouble(w, 10));
        w->runs = taken_back ? w->runs : w->flashing;
        w->half = !w->keeps_old && w->flashing == HANGS;
        w->hello_ms = w->half ? NEVER : now() + 1000 * (1 + pick(w, w->storm ? 100 : 5));
    }
    if (failed && w->half && pick(w, 2) == 0) { /* what was written may run, and say its name */
        w->talks = true;
        w->hello_ms = now() + 1000 * pick(w, 100);
    }
    nh_update_flashed(&w->update, failed ? NH_FLASH_FAILED : NH_FLASHED,
                      failed ? "the cable was pulled" : NULL, now());
}

static void task_ended(struct world *w)
{
    enum task task = w->task;
    enum kind kind = kind_of(w->update.record.uuid);
    struct nh_firmware meta = {.product = "p", .version = "1", .architecture = "avr8"};
    snprintf(meta.platform, sizeof(meta.platform), kind == STRANGE ? "m3" : "avr");
    snprintf(meta.uuid, sizeof(meta.uuid), "%s", UUIDS[kind]);
    w->task = TASK_NONE;
    bool away = task == TASK_FETCH && trouble(w, TROUBLE_PCT); /* drawn first, by any compiler */
    if (task == TASK_FETCH)
        nh_update_fetched(&w->update, away ? "the server is away" : NULL, pick(w, 2) == 0, now());
    else if (task == TASK_CHECK)
        nh_update_checked(&w->update, kind == BROKEN ? "a part is damaged" : NULL, pick(w, 2) == 0,
                          &meta, now());
    else
        flash_ended(w);
}

/* -- The server's side, and the line to it. */

static struct nerves_firmware *make_firmware(enum kind kind)
{
    struct nerves_firmware *f = must_calloc(1, sizeof(*f));
    f->path = copy_bytes("x", 1);
    f->uuid = copy_bytes(UUIDS[kind], strlen(UUIDS[kind]));
    f->platform = copy_bytes("avr", 3);
    f->architecture = copy_bytes("avr8", 4);
    buf_printf(&f->meta,
               "{\"architecture\":\"avr8\",\"author\":null,\"description\":null,\"misc\":null,"
               "\"platform\":\"avr\",\"product\":\"p\",\"uuid\":\"%s\",\"vcs_identifier\":null,"
               "\"version\":\"1\"}",
               UUIDS[kind]);
    buf_str(&f->parts, "[]");
    buf_str(&f->bytes, "bytes");
    memset(f->checksum, 'A', 64);
    return f;
}

static void push(struct world *w, const struct nerves_firmware *firmware, bool deployment)
{
    tell(w, "server pushes %s%s", firmware->uuid, deployment ? " as its release" : "");
    nerves_pushed(w->server, w->device, firmware, deployment);
    w->pushed = firmware;
    w->deployment = deployment;
}

/* What a release does by itself, and in the storm a person now and then. */
static void server_acts(struct world *w)
{
    if (!w->joined || w->pushed != NULL)
        return;
    if (w->storm && pick(w, 900) == 0)
        w->server->release = pick(w, 4) == 0 ? NULL : w->server->firmwares[1 + pick(w, 4)];
    if (nerves_eligible(w->server, w->device))
        push(w, w->server->release, true);
    else if (w->storm && pick(w, 300) == 0 && nerves_row_of(w->server, w->device) == NULL)
        push(w, w->server->firmwares[1 + pick(w, 4)], false);
}

static void deliver(struct world *w)
{
    struct nh_offer *offer = must_calloc(1, sizeof(*offer));
    struct buf text = {0};
    nerves_update_write(w->server, w->device, w->pushed, w->deployment, &text);
    MUST(w, nh_decode_offer(text.data, text.len, offer) == NH_OFFER_GOOD);
    w->pushed = NULL;
    w->claimed = false;
    nh_update_offer(&w->update, offer, now());
    buf_deinit(&text);
    free(offer);
}

static void leave(struct world *w)
{
    if (w->joined)
        nh_update_left(&w->update);
    w->joined = false;
    w->pushed = NULL;
}

static void join(struct world *w)
{
    struct json_doc doc;
    struct nh_join with = {.firmware = &w->update.running,
                           .downloading_uuid = nh_update_joining(&w->update, now()),
                           .auto_reverted = w->update.auto_reverted};
    char *text = nh_encode_join(&with);
    if (text == NULL)
        return; /* the board has not said yet what it runs */
    /* Half an image is not believed; one that is put back was proven before. */
    MUST(w, !w->talks || w->flashing == w->proven ||
                strcmp(with.firmware->uuid, UUIDS[w->flashing]) != 0 ||
                w->update.record.stage == NH_IDLE);
    tell(w, "joins as %s, %s in flight", with.firmware->uuid,
         with.downloading_uuid != NULL ? with.downloading_uuid : "none");
    MUST(w, json_parse(&doc, text, strlen(text)) == 0);
    MUST(w, nerves_on_join(w->server, w->device, doc.root) == NERVES_TAKEN);
    json_deinit(&doc);
    free(text);
    w->joined = true;
    w->rejoin = false;
    nh_update_joined(&w->update, now());
    check_server(w);
}

static void line_acts(struct world *w)
{
    if (w->connected && w->storm && w->deaf_ms == 0 && pick(w, 600) == 0)
        w->deaf_ms = now() + 1000 * pick(w, 40);
    if (w->deaf_ms != 0 && now() >= w->deaf_ms) {
        tell(w, "connection lost");
        leave(w);
        w->deaf_ms = 0;
        w->connected = false;
        w->connect_ms = now() + 1000 * pick(w, trouble(w, 20) ? 4000 : 60);
    }
    if (!w->connected && now() >= w->connect_ms)
        w->connected = true;
    if (w->connected && w->rejoin)
        leave(w);
    if (w->connected && !w->joined && w->deaf_ms == 0)
        join(w);
    if (w->pushed != NULL && w->deaf_ms == 0 && pick(w, 3) == 0)
        deliver(w);
}

/* -- The board, and the program's own end. */

static const struct nh_update_io IO = {
    .keep = on_keep,
    .status = on_status,
    .progress = on_progress,
    .rebooting = on_rebooting,
    .rejoin = on_rejoin,
    .fetch = on_fetch,
    .stop_fetching = on_stop,
    .check = on_check,
    .flash = on_flash,
    .say = on_say,
};

static void start_program(struct world *w)
{
    struct nh_update_io io = IO;
    io.user = w;
    io.keeps_old = w->keeps_old;
    leave(w);
    w->connected = false;
    w->connect_ms = now();
    w->deaf_ms = 0;
    w->task = TASK_NONE;
    w->rejoin = false;
    nh_update_init(&w->update, &io, &w->kept, now());
    if (!w->half || w->talks)
        w->hello_ms = now() + 1000 * (1 + pick(w, 15));
}

static void board_acts(struct world *w)
{
    struct nh_firmware f = {
        .product = "p", .version = "1", .platform = "avr", .architecture = "avr8"};
    if (now() < w->hello_ms || (w->half && !w->talks))
        return;
    w->hello_ms = w->storm && pick(w, 3) == 0 ? now() + 1000 * pick(w, 2000) : NEVER;
    snprintf(f.uuid, sizeof(f.uuid), "%s", UUIDS[w->half ? w->flashing : w->runs]);
    tell(w, "board says %s%s", f.uuid, w->half ? ", half of it" : "");
    if (!w->half)
        w->proven = w->runs;
    nh_update_board(&w->update, &f, now());
}

static void flash_by_hand(struct world *w)
{
    MUST(w, w->by_hand); /* nothing was lost without a word */
    w->half = w->talks = w->by_hand = false;
    w->runs = OLD;
    w->hello_ms = now();
}

static void step(struct world *w)
{
    now_ms += STEP_MS;
    if (w->storm && pick(w, 1200) == 0) {
        tell(w, "the program is killed");
        start_program(w);
    }
    board_acts(w);
    line_acts(w);
    server_acts(w);
    if (w->task != TASK_NONE && pick(w, 3) == 0)
        nh_update_percent(&w->update, w->percent < 99 ? ++w->percent : w->percent, now());
    if (w->task != TASK_NONE && now() >= w->task_ms)
        task_ended(w);
    nh_update_poll(&w->update, now());
    check_server(w);
    if (w->half && w->task == TASK_NONE && w->update.record.stage == NH_IDLE)
        flash_by_hand(w);
}

static void pass(struct world *w, uint64_t ms)
{
    for (uint64_t end = now() + ms; now() < end;)
        step(w);
}

/* -- A run. */

static void start_world(struct world *w, unsigned seed, enum nerves_like like, bool keeps_old)
{
    *w = (struct world){.seed = seed, .random = seed * 2654435761u + 1, .keeps_old = keeps_old};
    w->told = getenv("MCU_STORM_SEED") != NULL;
    now_ms = START_MS;
    w->server = must_calloc(1, sizeof(*w->server));
    w->server->like = like;
    w->server->clock_ms = server_clock;
    w->device = nerves_device_get(w->server, slice_of("mcu-1"));
    for (unsigned i = 0; i < KINDS; i++)
        w->server->firmwares[w->server->firmware_count++] = make_firmware((enum kind)i);
    start_program(w);
}

static void end_world(struct world *w)
{
    nerves_deinit(w->server);
    free(w->server);
}

/* When the storm is over, all comes to rest, the server knows what the board runs, and one more
 * update works. */
static void calm_down(struct world *w)
{
    w->storm = false;
    w->server->release = NULL;
    w->connect_ms = now();
    for (uint64_t end = now() + CALM_MS; now() < end && w->update.record.stage != NH_IDLE;)
        step(w);
    pass(w, SETTLE_MS);
    MUST(w, w->update.record.stage == NH_IDLE && w->joined && !w->half);
    MUST(w, slice_eq(buf_all(&w->device->uuid), UUIDS[w->runs]));
    MUST(w, nerves_row_of(w->server, w->device) == NULL);
    push(w, w->server->firmwares[LAST], false);
    pass(w, 15u * 60 * 1000);
    MUST(w, w->runs == LAST && w->claimed);
    MUST(w, slice_eq(buf_all(&w->device->uuid), UUIDS[LAST]));
    MUST(w, nerves_row_of(w->server, w->device) == NULL);
}

static void storms(enum nerves_like like, bool keeps_old)
{
    const char *one = getenv("MCU_STORM_SEED"), *runs = getenv("MCU_STORM_RUNS");
    unsigned first = one != NULL ? (unsigned)strtoul(one, NULL, 10) : 1;
    unsigned count = one != NULL ? 1 : runs != NULL ? (unsigned)strtoul(runs, NULL, 10) : RUNS;
    for (unsigned seed = first; seed < first + count; seed++) {
        struct world w;
        start_world(&w, seed, like, keeps_old);
        w.storm = true;
        pass(&w, STORM_MS);
        calm_down(&w);
        end_world(&w);
    }
}

static void main_is_neither_crashed_nor_left_with_a_phantom_with_slots(void **state)
{
    (void)state;
    storms(NERVES_MAIN, true);
}

static void main_is_neither_crashed_nor_left_with_a_phantom_by_command(void **state)
{
    (void)state;
    storms(NERVES_MAIN, false);
}

static void release_2_4_0_is_not_crashed_with_slots(void **state)
{
    (void)state;
    storms(NERVES_240, true);
}

static void release_2_4_0_is_not_crashed_by_command(void **state)
{
    (void)state;
    storms(NERVES_240, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_is_neither_crashed_nor_left_with_a_phantom_with_slots),
        cmocka_unit_test(main_is_neither_crashed_nor_left_with_a_phantom_by_command),
        cmocka_unit_test(release_2_4_0_is_not_crashed_with_slots),
        cmocka_unit_test(release_2_4_0_is_not_crashed_by_command),
    };
    if (getenv("MCU_STORM_ONLY") != NULL)
        cmocka_set_test_filter(getenv("MCU_STORM_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
