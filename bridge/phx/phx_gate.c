/*
 * phx_gate.c - counting. Who waits at a gate, and when it is tried again, is phx_machine.c's.
 */
#include "phx_gate.h"

#include <stdlib.h>
#include <string.h>

static bool is_of(const struct phx_gate *gate, const struct phx_url *url)
{
    return gate->port == url->port && strlen(gate->host) == url->host.len &&
           memcmp(gate->host, url->host.at, url->host.len) == 0;
}

struct phx_gate *phx_gate_of(struct phx_gate **gates, const struct phx_url *url, unsigned at_most)
{
    struct phx_gate *gate;

    for (gate = *gates; gate; gate = gate->next)
        if (is_of(gate, url))
            return gate;
    gate = calloc(1, sizeof *gate + url->host.len + 1);
    if (!gate)
        return NULL;
    gate->at_most = at_most;
    gate->port = url->port;
    memcpy(gate->host, url->host.at, url->host.len);
    gate->next = *gates;
    *gates = gate;
    return gate;
}

void phx_gates_free(struct phx_gate *gates)
{
    struct phx_gate *next;

    for (; gates; gates = next) {
        next = gates->next;
        free(gates);
    }
}

bool phx_gate_enter(struct phx_gate *gate)
{
    if (gate->at_most != 0 && gate->under_way >= gate->at_most)
        return false;
    gate->under_way++;
    return true;
}

void phx_gate_leave(struct phx_gate *gate)
{
    gate->under_way--;
}
