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
    *turns = (struct turns){.loop = NULL};
}

static void put(struct turns *turns, size_t place, struct turn *turn)
{
    turns->heap[place] = turn;
    turn->place = place;
}

static void rise(struct turns *turns, struct turn *turn)
{
    size_t place = turn->place;
    while (place > 0 && turns->heap[(place - 1) / 2]->due_us > turn->due_us) {
        put(turns, place, turns->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(turns, place, turn);
}

static void sink(struct turns *turns, struct turn *turn)
{
    size_t place = turn->place;
    for (size_t child = 2 * place + 1; child < turns->count; child = 2 * place + 1) {
        if (child + 1 < turns->count && turns->heap[child + 1]->due_us < turns->heap[child]->due_us)
            child++;
        if (turns->heap[child]->due_us >= turn->due_us)
            break;
        put(turns, place, turns->heap[child]);
        place = child;
    }
    put(turns, place, turn);
}

int turn_begin(struct turn *turn, struct turns *turns,
               uint64_t (*take)(void *user, uint64_t now_us), void *user)
{
    *turn = (struct turn){.turns = NULL};
    if (turns == NULL)
        return 0;
    if (turns->count == turns->room) {
        size_t room = turns->room > 0 ? 2 * turns->room : 16;
        struct turn **heap = realloc(turns->heap, room * sizeof(struct turn *));
        if (heap == NULL)
            return -1;
        turns->heap = heap;
        turns->room = room;
    }
    *turn = (struct turn){.turns = turns, .take = take, .user = user};
    put(turns, turns->count++, turn);
    rise(turns, turn);
    loop_wake(turns->loop);
    return 0;
}

void turn_end(struct turn *turn)
{
    struct turns *turns = turn->turns;
    if (turns == NULL)
        return;
    struct turn *last = turns->heap[--turns->count];
    if (last != turn) {
        put(turns, turn->place, last);
        rise(turns, last);
        sink(turns, last);
    }
    turn->turns = NULL;
}

void turn_wake(struct turn *turn)
{
    if (turn->turns == NULL)
        return;
    turn->due_us = 0;
    rise(turn->turns, turn);
    loop_wake(turn->turns->loop);
}

void turns_wake_all(struct turns *turns)
{
    for (size_t i = 0; i < turns->count; i++)
        turns->heap[i]->due_us = 0;
    loop_wake(turns->loop);
}

/* Its new time is put in before it is called, so that a wake from within counts. */
uint64_t turns_take(struct turns *turns, uint64_t now_us)
{
    while (turns->count > 0 && turns->heap[0]->due_us <= now_us) {
        struct turn *turn = turns->heap[0];
        turn->due_us = UINT64_MAX;
        sink(turns, turn);
        uint64_t due_us = turn->take(turn->user, now_us);
        if (turn->turns == NULL || due_us >= turn->due_us)
            continue;
        turn->due_us = due_us > now_us ? due_us : now_us + 1;
        rise(turns, turn);
    }
    return turns->count > 0 ? turns->heap[0]->due_us : UINT64_MAX;
}
