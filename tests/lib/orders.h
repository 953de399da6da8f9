/*
 * orders.h - the orders that a probe of the end-to-end tests takes on its standard input, a line
 * each, on its uv loop.
 */
#ifndef ORDERS_H
#define ORDERS_H

#include <uv.h>

#define ORDERS_LINE_MAX (1 << 20) /* a longer line is taken for the end of the input */

/* `order` gets each line without its end, to be written over as it likes, and NULL when nothing
 * more comes; then, and at any other time, it may call orders_close. A program does this once. */
void orders_open(uv_loop_t *loop, void (*order)(void *user, char *line), void *user);
/* No order is taken any more, not even one that has come; does nothing the second time. */
void orders_close(void);

#endif
