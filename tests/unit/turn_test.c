/* Who is due is called, in the order of the times, and a wake from within is not lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/turn.h"

#include <stdlib.h>

static unsigned woken;

void loop_wake(struct loop *loop);
void loop_wake(struct loop *loop)
{
    (void)loop;
    woken++;
}

static uint64_t woken_at_us;

void loop_wake_at(struct loop *loop, uint64_t due_us);
void loop_wake_at(struct loop *loop, uint64_t due_us)
{
    (void)loop;
    woken_at_us = due_us;
}

struct one {
    struct turn turn;
    uint64_t next_us, taken_us;
    unsigned taken;
    struct one *wakes, *ends;
};

static uint64_t take(void *user, uint64_t now_us)
{
    struct one *one = user;
    one->taken++;
    one->taken_us = now_us;
    if (one->wakes != NULL)
        turn_wake(&one->wakes->turn);
    one->wakes = NULL;
    if (one->ends != NULL)
        turn_end(&one->ends->turn);
    one->ends = NULL;
    return one->next_us;
}

static void begin(struct one *one, struct turns *turns, uint64_t next_us)
{
    *one = (struct one){.next_us = next_us};
    assert_int_equal(turn_begin(&one->turn, turns, take, one), 0);
}

static void each_is_called_when_it_is_due_and_not_before(void **state)
{
    (void)state;
    struct turns turns;
    struct one a, b;
    turns_init(&turns, NULL);
    begin(&a, &turns, 500);
    begin(&b, &turns, UINT64_MAX);
    assert_int_equal(turns_take(&turns, 100), 500);
    assert_int_equal(a.taken, 1);
    assert_int_equal(b.taken, 1);
    assert_int_equal(turns_take(&turns, 499), 500);
    assert_int_equal(a.taken, 1);
    a.next_us = 900;
    assert_int_equal(turns_take(&turns, 500), 900);
    assert_int_equal(a.taken, 2);
    assert_int_equal(b.taken, 1);
    turns_wake_all(&turns);
    turns_take(&turns, 600);
    assert_int_equal(b.taken, 2);
    turn_end(&a.turn);
    turn_end(&b.turn);
    turns_deinit(&turns);
}

static void one_that_is_always_due_does_not_keep_the_others_waiting(void **state)
{
    (void)state;
    struct turns turns;
    struct one greedy, other;
    turns_init(&turns, NULL);
    begin(&greedy, &turns, 0);
    begin(&other, &turns, UINT64_MAX);
    assert_int_equal(turns_take(&turns, 100), 101);
    assert_int_equal(greedy.taken, 1);
    assert_int_equal(other.taken, 1);
    turn_end(&greedy.turn);
    turn_end(&other.turn);
    turns_deinit(&turns);
}

static void a_wake_from_within_is_obeyed_in_the_same_round(void **state)
{
    (void)state;
    struct turns turns;
    struct one a, b;
    turns_init(&turns, NULL);
    begin(&a, &turns, UINT64_MAX);
    begin(&b, &turns, UINT64_MAX);
    turns_take(&turns, 1);
    woken = 0;
    a.wakes = &b;
    turn_wake(&a.turn);
    assert_int_equal(turns_take(&turns, 2), UINT64_MAX);
    assert_int_equal(b.taken, 2);
    assert_int_equal(woken, 2);
    a.wakes = &a;
    turn_wake(&a.turn);
    turns_take(&turns, 3);
    assert_int_equal(a.taken, 4);
    turn_end(&a.turn);
    turn_end(&b.turn);
    turns_deinit(&turns);
}

static void one_whose_time_is_moved_is_called_then_and_only_then(void **state)
{
    (void)state;
    struct turns turns;
    struct one a, b;
    turns_init(&turns, NULL);
    begin(&a, &turns, 500);
    begin(&b, &turns, 300);
    turns_take(&turns, 1);
    woken = 0;
    turn_at(&b.turn, 900); /* later: the loop may come for nothing once, and is not told */
    assert_int_equal(woken + woken_at_us, 0);
    turn_at(&b.turn, 200);
    assert_int_equal(woken_at_us, 200);
    turn_at(&a.turn, 700);
    assert_int_equal(turns_take(&turns, 200), 300);
    assert_int_equal(b.taken, 2);
    turns_take(&turns, 699);
    assert_int_equal(a.taken, 1);
    turns_take(&turns, 700);
    assert_int_equal(a.taken, 2);
    turn_end(&a.turn);
    turn_at(&a.turn, 1); /* harmless */
    turn_end(&b.turn);
    turns_deinit(&turns);
}

static void one_may_end_while_another_is_called(void **state)
{
    (void)state;
    struct turns turns;
    struct one a, b, c;
    turns_init(&turns, NULL);
    begin(&a, &turns, 10);
    begin(&b, &turns, 20);
    begin(&c, &turns, 30);
    a.ends = &b;
    assert_int_equal(turns_take(&turns, 1), 10);
    assert_int_equal(turns.count, 2);
    turn_end(&b.turn); /* harmless */
    turn_wake(&b.turn);
    turn_end(&a.turn);
    turn_end(&c.turn);
    turns_deinit(&turns);
}

static void a_thousand_keep_their_order(void **state)
{
    (void)state;
    struct turns turns;
    static struct one many[1000];
    turns_init(&turns, NULL);
    srand(20261121);
    for (size_t i = 0; i < 1000; i++)
        begin(&many[i], &turns, 0);
    for (size_t i = 0; i < 1000; i++)
        many[i].next_us = 1000 + (uint64_t)(rand() % 5000);
    turns_take(&turns, 1);
    for (uint64_t now = 1000; now < 6000; now += 7) {
        uint64_t next = turns_take(&turns, now);
        for (size_t i = 0; i < 1000; i++) {
            assert_true(many[i].next_us > now ? many[i].taken == 1 : many[i].taken >= 2);
            assert_true(many[i].next_us <= now || next <= many[i].next_us);
        }
        for (size_t i = 0; i < 1000; i += 3)
            if (many[i].next_us <= now)
                turn_end(&many[i].turn);
    }
    for (size_t i = 0; i < 1000; i++)
        turn_end(&many[i].turn);
    assert_int_equal(turns.count, 0);
    turns_deinit(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_called_when_it_is_due_and_not_before),
        cmocka_unit_test(one_that_is_always_due_does_not_keep_the_others_waiting),
        cmocka_unit_test(a_wake_from_within_is_obeyed_in_the_same_round),
        cmocka_unit_test(one_whose_time_is_moved_is_called_then_and_only_then),
        cmocka_unit_test(one_may_end_while_another_is_called),
        cmocka_unit_test(a_thousand_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
