/*
 * test_client.h - what a test does not care about when a board is claimed.
 */
#ifndef TEST_CLIENT_H
#define TEST_CLIENT_H

#include "port/port.h"

/* Listens to nothing, for `user` of NULL: a test copies it and fills in what it wants to hear. */
extern const struct port_client test_client;

#endif
