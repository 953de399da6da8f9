/*
 * hub.h - what the boards of a bridge have in common at NervesHub: the files of firmware and the
 * keys that sign them.
 */
#ifndef HUB_H
#define HUB_H

#include "config/config.h"
#include "loop/loop.h"
#include "nerveshub/nh_board.h"

struct phx_context;

struct hub {
    struct nh_board_shared boards;
    /* Of the start: those of the files. */
    const struct config_nerveshub *config;
};

/* Opens the folder of firmware. `config` must last as long as the hub, which is then closed with
 * hub_close. Returns 0, or -1 after a line in the log. */
int hub_open(struct hub *hub, struct loop *loop, struct phx_context *phx,
             const struct config_nerveshub *config);
/* Which MCUs there are from now on. */
void hub_boards(struct hub *hub, const struct config *config);
/* When no board is left; the loop must run on. */
void hub_close(struct hub *hub);

/* As phx.h and nh_download.h want it: "" for "none". */
const char *hub_proxy(const struct config_nerveshub *config);

/* The public keys of fwup that the configuration names. Returns 0, or -1 with one line in `why`
 * that says what is wrong; it begins with the setting's name. */
int hub_keys(const struct config_nerveshub *config, struct fw_keys *keys, char *why, size_t cap);

#endif
