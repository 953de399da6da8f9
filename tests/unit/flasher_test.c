/* A flasher, with a port and a clock that are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flash/flasher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_MS 20000
#define GONE_MS    3000
#define QUIET_MS   1500
#define IMAGE      1000

/* -- The port. */

struct port {
    struct mp_bulk_host *bulk;
    struct port_borrower borrower;
    bool is_lent, is_there;
    unsigned taken_back;
    uint32_t quiet_ms;
    char path[64];
};

static struct rig {
    struct loop loop;
    uint64_t now_ms;
    struct port port, other;
    struct mp_host host; /* stands for that of any port */
    struct flasher *flasher;
    char folder[32], file[64], why[FLASHER_WHY_MAX], done_why[FLASHER_WHY_MAX];
    unsigned looks; /* at the clock */
    unsigned done, progresses, percent;
    bool for_good, starts_again;
} rig;

uint64_t loop_now_ms(const struct loop *loop)
{
    (void)loop;
    rig.looks++;
    return rig.now_ms;
}

void port_upload(struct port *port, struct mp_bulk_host *bulk)
{
    if (port->bulk != NULL)
        port->bulk->host = NULL;
    port->bulk = bulk;
    if (bulk != NULL)
        bulk->host = &rig.host;
}

int port_lend(struct port *port, const struct port_borrower *borrower)
{
    if (port->is_lent)
        return -1;
    port->is_lent = true;
    port->borrower = *borrower;
    return 0;
}

void port_take_back(struct port *port, uint32_t quiet_ms)
{
    port->is_lent = false;
    port->taken_back++;
    port->quiet_ms = quiet_ms;
}

bool port_is_there(const struct port *port)
{
    return port->is_there;
}

const char *port_path(const struct port *port)
{
    return port->path;
}

uint32_t port_baud(const struct port *port)
{
    (void)port;
    return 115200;
}

/* -- The rig. */

static void on_progress(void *user, unsigned percent)
{
    (void)user;
    assert_true(rig.progresses == 0 || percent > rig.percent);
    rig.progresses++;
    rig.percent = percent;
}

static void on_done(void *user, const char *why, bool for_good)
{
    (void)user;
    rig.done++;
    rig.for_good = for_good;
    snprintf(rig.done_why, sizeof rig.done_why, "%s", why != NULL ? why : "");
    assert_false(flasher_is_running(rig.flasher));
    if (rig.starts_again)
        assert_int_equal(flasher_start(rig.flasher, &rig.port, rig.file, rig.why, sizeof rig.why),
                         0);
    rig.starts_again = false;
}

static void write_file(const char *path, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < n; i++)
        fputc((int)(i % 251), file);
    fclose(file);
}

static void make(const char *const *words)
{
    const struct flasher_options options = {.loop = &rig.loop,
                                            .words = words,
                                            .timeout_ms = TIMEOUT_MS,
                                            .quiet_ms = QUIET_MS,
                                            .gone_ms = GONE_MS};
    const struct flasher_events events = {NULL, on_progress, on_done};
    rig.flasher = flasher_new(&options, &events, rig.why, sizeof rig.why);
    assert_non_null(rig.flasher);
}

static int start(struct port *port)
{
    return flasher_start(rig.flasher, port, rig.file, rig.why, sizeof rig.why);
}

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    snprintf(rig.folder, sizeof rig.folder, "/tmp/flasher-XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    snprintf(rig.file, sizeof rig.file, "%s/new image", rig.folder);
    snprintf(rig.port.path, sizeof rig.port.path, "%s/port", rig.folder);
    write_file(rig.file, IMAGE);
    write_file(rig.port.path, 1);
    rig.port.is_there = true;
    rig.now_ms = 1000000;
    assert_int_equal(uv_loop_init(&rig.loop.uv), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    flasher_free(rig.flasher);
    uv_run(&rig.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop.uv), 0);
    unlink(rig.file);
    unlink(rig.port.path);
    rmdir(rig.folder);
    return 0;
}

static void wait_done(void)
{
    while (rig.done == 0)
        uv_run(&rig.loop.uv, UV_RUN_ONCE);
}

/* As much time as that, and a look at what it has come to. */
static void pass(uint64_t ms)
{
    rig.now_ms += ms;
    for (rig.looks = 0; rig.looks == 0 && rig.done == 0;)
        uv_run(&rig.loop.uv, UV_RUN_ONCE);
}

/* -- In-band. */

static struct mp_bulk_host *bulk(void)
{
    assert_non_null(rig.port.bulk);
    return rig.port.bulk;
}

static void stored(uint32_t bytes)
{
    bulk()->io.progress(bulk()->io.user, bytes, IMAGE);
}

static void ends(enum mp_status status)
{
    bulk()->phase = MP_BULK_HOST_IDLE;
    bulk()->io.done(bulk()->io.user, status);
}

static void an_image_goes_to_the_board_as_the_file_has_it(void **state)
{
    uint8_t bytes[16];
    (void)state;
    make(NULL);
    assert_int_equal(start(&rig.port), 0);
    assert_true(flasher_is_running(rig.flasher));
    assert_int_equal(start(&rig.port), -1);
    assert_non_null(strstr(rig.why, "already"));
    assert_int_equal(bulk()->size, IMAGE);
    assert_true(bulk()->io.read(bulk()->io.user, 500, bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], (500 + i) % 251);
    stored(0);
    stored(5);
    stored(9);
    assert_int_equal(rig.progresses, 1);
    stored(IMAGE);
    assert_int_equal(rig.percent, 100);
    ends(MP_STATUS_DONE);
    assert_int_equal(rig.done, 0);
    wait_done();
    assert_string_equal(rig.done_why, "");
    assert_null(rig.port.bulk);
}

static void what_never_will_be_is_told_apart_from_what_may_be_later(void **state)
{
    static const struct {
        enum mp_status status;
        bool for_good;
        const char *why;
    } cases[] = {
        {MP_STATUS_TOO_LARGE, true, "the image has 1000 bytes, and the board has room for 800"},
        {MP_STATUS_FOREIGN, true, "another kind of board"},
        {MP_STATUS_UNSUPPORTED, true, "takes no images in-band"},
        {MP_STATUS_MISMATCH, false, "is not what was sent"},
        {MP_STATUS_FAILED, false, "could not store it, or is busy"},
        {MP_STATUS_STALE, false, "did not take it: refused: older"},
    };
    (void)state;
    make(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig.done = 0;
        assert_int_equal(start(&rig.port), 0);
        bulk()->limit = 800;
        ends(cases[i].status);
        wait_done();
        assert_non_null(strstr(rig.done_why, cases[i].why));
        assert_int_equal(rig.for_good, cases[i].for_good);
    }
}

static void a_slow_line_may_take_as_long_as_it_wants(void **state)
{
    (void)state;
    make(NULL);
    start(&rig.port);
    for (uint32_t i = 1; i < 10; i++) {
        stored(i);
        pass(TIMEOUT_MS - 1);
        assert_int_equal(rig.done, 0);
    }
    stored(9); /* the same is none */
    pass(1);
    wait_done();
    assert_string_equal(rig.done_why,
                        "the board has stored nothing more for 20 s, after 9 of 1000 bytes");
    assert_false(rig.for_good);
}

static void a_board_may_be_away_and_come_back_on_another_port(void **state)
{
    (void)state;
    make(NULL);
    start(&rig.port);
    stored(300);
    flasher_board_lost(rig.flasher);
    port_upload(&rig.port, NULL);
    pass(TIMEOUT_MS - 1);
    assert_int_equal(rig.done, 0);
    flasher_board(rig.flasher, &rig.other);
    assert_ptr_equal(rig.other.bulk->host, &rig.host);
    rig.other.bulk->io.progress(rig.other.bulk->io.user, 301, IMAGE);
    flasher_board_lost(rig.flasher);
    port_upload(&rig.other, NULL);
    pass(TIMEOUT_MS);
    wait_done();
    assert_string_equal(rig.done_why,
                        "the board has not come back for 20 s, after 301 of 1000 bytes");
}

static void a_board_that_is_not_there_yet_is_waited_for(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(start(NULL), 0);
    flasher_board(rig.flasher, &rig.port);
    ends(MP_STATUS_DONE);
    wait_done();
    assert_string_equal(rig.done_why, "");
}

static void a_board_that_loses_what_it_stored_again_and_again_is_given_up(void **state)
{
    unsigned falls = 0;
    (void)state;
    make(NULL);
    start(&rig.port);
    for (; rig.done == 0 && falls < 100; falls++) {
        stored(500);
        stored(0);
        pass(TIMEOUT_MS / 2);
    }
    assert_in_range(falls, 5, 20);
    assert_non_null(strstr(rig.done_why, "lost what it had stored"));
}

static void an_upload_is_stopped_or_given_up_without_a_word(void **state)
{
    (void)state;
    make(NULL);
    start(&rig.port);
    flasher_stop(rig.flasher);
    assert_int_equal(rig.done, 0);
    wait_done();
    assert_non_null(strstr(rig.done_why, "stopped"));
    flasher_stop(rig.flasher);
    start(&rig.port);
    flasher_free(rig.flasher);
    rig.flasher = NULL;
    assert_null(rig.port.bulk);
    uv_run(&rig.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(rig.done, 1);
}

static void what_is_no_image_is_refused_at_once(void **state)
{
    (void)state;
    make(NULL);
    write_file(rig.file, 0);
    assert_int_equal(start(&rig.port), -1);
    assert_non_null(strstr(rig.why, "empty"));
    unlink(rig.file);
    assert_int_equal(start(&rig.port), -1);
    assert_non_null(strstr(rig.why, "No such file"));
    assert_false(flasher_is_running(rig.flasher));
}

static void the_next_run_may_begin_when_one_is_over(void **state)
{
    (void)state;
    make(NULL);
    rig.starts_again = true;
    start(&rig.port);
    ends(MP_STATUS_FAILED);
    wait_done();
    assert_true(flasher_is_running(rig.flasher));
    rig.done = 0;
    ends(MP_STATUS_DONE);
    wait_done();
    assert_string_equal(rig.done_why, "");
}

/* -- By command. */

static const char *const copies[] = {"cp", "{file}", "{port}", NULL};
static const char *const waits[] = {"tail", "-f", "{file}", "{port}", NULL};
static const char *const waits_elsewhere[] = {"tail", "-f", "{file}", NULL};

static void lent(const char *why)
{
    rig.port.borrower.lent(rig.port.borrower.user, why);
}

static void the_program_gets_the_port_and_gives_it_back(void **state)
{
    struct stat file;
    (void)state;
    make(copies);
    assert_int_equal(start(&rig.port), 0);
    assert_true(rig.port.is_lent);
    assert_int_equal(start(&rig.port), -1);
    flasher_board_lost(rig.flasher);
    lent(NULL);
    assert_int_equal(rig.port.taken_back, 0);
    wait_done();
    assert_string_equal(rig.done_why, "");
    assert_int_equal(stat(rig.port.path, &file), 0);
    assert_int_equal(file.st_size, IMAGE);
    assert_int_equal(rig.port.taken_back, 1);
    assert_int_equal(rig.port.quiet_ms, QUIET_MS);
    assert_int_equal(rig.percent, 0);
}

static void a_program_that_fails_is_quoted(void **state)
{
    static const char *const fails[] = {"cp", "{file}", "{port}/nowhere", NULL};
    (void)state;
    make(fails);
    start(&rig.port);
    lent(NULL);
    wait_done();
    assert_non_null(strstr(rig.done_why, "cp ended with status 1: "));
    assert_true(flasher_has_touched(rig.flasher));
    assert_false(rig.for_good);
    assert_int_equal(rig.port.taken_back, 1);
}

static void a_program_that_cannot_be_run_gives_the_port_back(void **state)
{
    static const char *const missing[] = {"/no/such/flasher", "{file}", NULL};
    (void)state;
    make(missing);
    start(&rig.port);
    lent(NULL);
    wait_done();
    assert_non_null(strstr(rig.done_why, "cannot run /no/such/flasher"));
    assert_true(rig.for_good);
    assert_false(flasher_has_touched(rig.flasher));
    assert_int_equal(rig.port.taken_back, 1);
}

static void a_port_that_cannot_be_lent_ends_the_run(void **state)
{
    (void)state;
    make(copies);
    start(&rig.port);
    rig.port.is_lent = false;
    lent("/dev/ttyUSB0 is not there");
    wait_done();
    assert_string_equal(rig.done_why, "/dev/ttyUSB0 is not there");
    assert_false(flasher_has_touched(rig.flasher));
    assert_int_equal(rig.port.taken_back, 0);
}

static void without_a_port_or_with_one_lent_already_no_run_begins(void **state)
{
    (void)state;
    make(copies);
    assert_int_equal(start(NULL), -1);
    assert_non_null(strstr(rig.why, "not there"));
    rig.port.is_lent = true;
    assert_int_equal(start(&rig.port), -1);
    assert_non_null(strstr(rig.why, "another flasher"));
    rig.port.is_lent = false;
    unlink(rig.file);
    assert_int_equal(start(&rig.port), -1);
    assert_false(rig.port.is_lent);
}

static void a_port_that_is_gone_for_long_ends_the_program(void **state)
{
    (void)state;
    make(waits);
    start(&rig.port);
    lent(NULL);
    rig.port.is_there = false;
    pass(1000);
    pass(GONE_MS - 1);
    rig.port.is_there = true; /* a boot loader that is another device for a while */
    pass(1000);
    rig.port.is_there = false;
    pass(1000);
    pass(GONE_MS - 1);
    assert_int_equal(rig.done, 0);
    pass(1);
    wait_done();
    assert_non_null(strstr(rig.done_why, "the board's port was gone for 3 s: tail was stopped"));
    assert_int_equal(rig.port.taken_back, 1);
}

static void a_program_that_does_not_use_the_port_may_miss_it(void **state)
{
    (void)state;
    make(waits_elsewhere);
    start(&rig.port);
    lent(NULL);
    rig.port.is_there = false;
    pass(1000);
    pass(10 * GONE_MS);
    pass(1000);
    assert_int_equal(rig.done, 0);
    assert_true(flasher_is_running(rig.flasher));
}

static void a_program_is_stopped(void **state)
{
    (void)state;
    make(waits);
    start(&rig.port);
    flasher_stop(rig.flasher); /* not yet lent */
    wait_done();
    assert_string_equal(rig.done_why, "stopped before it had begun");
    assert_int_equal(rig.port.taken_back, 1);
    rig.done = 0;
    start(&rig.port);
    lent(NULL);
    flasher_stop(rig.flasher);
    wait_done();
    assert_non_null(strstr(rig.done_why, "tail was stopped before it had ended"));
    assert_int_equal(rig.port.taken_back, 2);
}

static void a_program_outlives_its_port_and_not_its_flasher(void **state)
{
    (void)state;
    make(waits);
    start(&rig.port);
    lent(NULL);
    rig.port.borrower.freed(rig.port.borrower.user);
    rig.port.is_lent = false;
    rig.port.is_there = false;
    pass(10 * GONE_MS);
    assert_int_equal(rig.done, 0);
    flasher_free(rig.flasher);
    rig.flasher = NULL;
    uv_run(&rig.loop.uv, UV_RUN_DEFAULT); /* ends, since nothing is left running */
    assert_int_equal(rig.done, 0);
    assert_int_equal(rig.port.taken_back, 0);
}

static void a_port_that_is_freed_before_it_was_lent_ends_the_run(void **state)
{
    (void)state;
    make(waits);
    start(&rig.port);
    rig.port.borrower.freed(rig.port.borrower.user);
    wait_done();
    assert_non_null(strstr(rig.done_why, "no longer in the configuration"));
    assert_int_equal(rig.port.taken_back, 0);
}

static void words_that_are_no_flasher_are_refused(void **state)
{
    static const char *const words[] = {"avrdude", NULL};
    const struct flasher_options options = {.loop = &rig.loop, .words = words};
    const struct flasher_events events = {NULL, on_progress, on_done};
    (void)state;
    assert_null(flasher_new(&options, &events, rig.why, sizeof rig.why));
    assert_non_null(strstr(rig.why, "{file}"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_goes_to_the_board_as_the_file_has_it),
        TEST(what_never_will_be_is_told_apart_from_what_may_be_later),
        TEST(a_slow_line_may_take_as_long_as_it_wants),
        TEST(a_board_may_be_away_and_come_back_on_another_port),
        TEST(a_board_that_is_not_there_yet_is_waited_for),
        TEST(a_board_that_loses_what_it_stored_again_and_again_is_given_up),
        TEST(an_upload_is_stopped_or_given_up_without_a_word),
        TEST(what_is_no_image_is_refused_at_once),
        TEST(the_next_run_may_begin_when_one_is_over),
        TEST(the_program_gets_the_port_and_gives_it_back),
        TEST(a_program_that_fails_is_quoted),
        TEST(a_program_that_cannot_be_run_gives_the_port_back),
        TEST(a_port_that_cannot_be_lent_ends_the_run),
        TEST(without_a_port_or_with_one_lent_already_no_run_begins),
        TEST(a_port_that_is_gone_for_long_ends_the_program),
        TEST(a_program_that_does_not_use_the_port_may_miss_it),
        TEST(a_program_is_stopped),
        TEST(a_program_outlives_its_port_and_not_its_flasher),
        TEST(a_port_that_is_freed_before_it_was_lent_ends_the_run),
        TEST(words_that_are_no_flasher_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
