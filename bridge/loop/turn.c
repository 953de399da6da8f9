/*
 * A binary heap of turns. What a turn does is its owner's; when the loop wakes, loop.c's.
 */
#include "turn.h"

#include "loop.h"

#include <stdlib.h>

void turns_init(struct turns *turns, struct loop *loop)
{
    *turns = (struct turns){.loop = loop};
}

void turns_deinit(struct turns *turns)
{
    free(turns->heap);
    free(turns->places);
    *turns = (struct turns){.loop = NULL};
}

static void put(struct turns *turns, uint32_t place, struct turn_time it)
{
    turns->heap[place] = it;
    turns->places[it.number].place = place;
}

static void rise(struct turns *turns, uint32_t place, struct turn_time it)
{
    while (place > 0 && turns->heap[(place - 1) / 2].due_us > it.due_us) {
        put(turns, place, turns->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(turns, place, it);
}

static void sink(struct turns *turns, uint32_t place, struct turn_time it)
{
    for (uint32_t child = 2 * place + 1; child < turns->count; child = 2 * place + 1) {
        if (child + 1 < turns->count && turns->heap[child + 1].due_us < turns->heap[child].due_us)
            child++;
        if (turns->heap[child].due_us >= it.due_us)
            break;
        put(turns, place, turns->heap[child]);
        place = child;
    }
    put(turns, place, it);
}

/* `it` takes the place of what stands there. */
static void move(struct turns *turns, uint32_t place, struct turn_time it)
{
    if (it.due_us < turns->heap[place].due_us)
        rise(turns, place, it);
    else
        sink(turns, place, it);
}

static int make_room(struct turns *turns)
{
    if (turns->count < turns->room)
        return 0;
    uint32_t room = turns->room > 0 ? 2 * turns->room : 16;
    struct turn_time *heap = realloc(turns->heap, room * sizeof *heap);
    if (heap == NULL)
        return -1;
    turns->heap = heap;
    struct turn_place *places = realloc(turns->places, room * sizeof *places);
    if (places == NULL)
        return -1;
    turns->places = places;
    turns->room = room;
    return 0;
}

int turn_begin(struct turn *turn, struct turns *turns,
               uint64_t (*take)(void *user, uint64_t now_us), void *user)
{
    *turn = (struct turn){.turns = NULL};
    if (turns == NULL)
        return 0;
    if (make_room(turns) != 0)
        return -1;
    uint32_t number = turns->count++;
    *turn = (struct turn){.turns = turns, .take = take, .user = user, .number = number};
    turns->places[number].turn = turn;
    rise(turns, number, (struct turn_time){0, number});
    loop_wake(turns->loop);
    return 0;
}

static uint32_t place_of(const struct turn *turn)
{
    return turn->turns->places[turn->number].place;
}

/* The one with the highest number gets the number that has become free. */
static void renumber_last(struct turns *turns, uint32_t number)
{
    struct turn_place last = turns->places[turns->count];
    if (last.turn->number == number)
        return;
    last.turn->number = number;
    turns->places[number] = last;
    turns->heap[last.place].number = number;
}

void turn_end(struct turn *turn)
{
    struct turns *turns = turn->turns;
    if (turns == NULL)
        return;
    struct turn_time last = turns->heap[--turns->count];
    if (last.number != turn->number)
        move(turns, place_of(turn), last);
    renumber_last(turns, turn->number);
    turn->turns = NULL;
}

void turn_wake(struct turn *turn)
{
    if (turn->turns == NULL)
        return;
    turn->woken = true;
    move(turn->turns, place_of(turn), (struct turn_time){0, turn->number});
    loop_wake(turn->turns->loop);
}

void turn_at(struct turn *turn, uint64_t due_us)
{
    struct turns *turns = turn->turns;
    if (turns == NULL || turns->heap[place_of(turn)].due_us == due_us)
        return;
    move(turns, place_of(turn), (struct turn_time){due_us, turn->number});
    if (place_of(turn) == 0)
        loop_wake_at(turns->loop, due_us);
}

void turns_wake_all(struct turns *turns)
{
    for (uint32_t i = 0; i < turns->count; i++)
        turns->heap[i].due_us = 0;
    loop_wake(turns->loop);
}

/* It stays where it is while it is called, so that most have a single move to make. */
uint64_t turns_take(struct turns *turns, uint64_t now_us)
{
    while (turns->count > 0 && turns->heap[0].due_us <= now_us) {
        struct turn *turn = turns->places[turns->heap[0].number].turn;
        turn->woken = false;
        uint64_t due_us = turn->take(turn->user, now_us);
        if (turn->turns == NULL)
            continue;
        if (due_us <= now_us)
            due_us = now_us + 1;
        due_us = turn->woken ? 0 : due_us;
        move(turns, place_of(turn), (struct turn_time){due_us, turn->number});
    }
    return turns->count > 0 ? turns->heap[0].due_us : UINT64_MAX;
}
