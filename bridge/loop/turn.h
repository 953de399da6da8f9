/*
 * turn.h - whose turn it is: of a thousand lanes and ports, those that have something to do. A heap
 * by the time at which each wants to be called, so that an idle one costs nothing when another is
 * called.
 */
#ifndef TURN_H
#define TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct turns;

/* One that is called; its members are turn.c's. */
struct turn {
    struct turns *turns;
    /* Does what is due; returns when it wants to be called again (microseconds of the loop),
     * UINT64_MAX: only when it is woken. */
    uint64_t (*take)(void *user, uint64_t now_us);
    void *user;
    uint32_t number; /* among those of `turns` */
    bool woken;      /* since it was called last */
};

struct turn_time {
    uint64_t due_us;
    uint32_t number;
};

struct turn_place {
    struct turn *turn;
    uint32_t place; /* in the heap */
};

/* Times and places stand here and not with their owners: to move one of a thousand, nobody else's
 * memory is touched. */
struct turns {
    struct loop *loop;
    struct turn_time *heap;    /* the one that is due first is the first */
    struct turn_place *places; /* by number */
    uint32_t count, room;
};

void turns_init(struct turns *turns, struct loop *loop);
void turns_deinit(struct turns *turns); /* when nobody is left */

/* Adds one that is due at once. Returns 0, or -1 when out of memory. `turns` NULL: it is called by
 * hand. */
int turn_begin(struct turn *turn, struct turns *turns,
               uint64_t (*take)(void *user, uint64_t now_us), void *user);
void turn_end(struct turn *turn); /* harmless when never begun */

/* Something happened: it is called soon, and the loop with it. Harmless when never begun. */
void turn_wake(struct turn *turn);
/* It is called at `due_us` and not before, whatever it wanted until now; what `take` returns comes
 * after this. Harmless when never begun. */
void turn_at(struct turn *turn, uint64_t due_us);
void turns_wake_all(struct turns *turns);

/* Calls each that is due, at most once unless it is woken by another. Returns when to do so again.
 */
uint64_t turns_take(struct turns *turns, uint64_t now_us);

#endif
