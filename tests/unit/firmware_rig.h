/*
 * firmware_rig.h - the sample firmware and a host in one process under a virtual clock: a port of
 * memory, and a line of two byte queues.
 */
#ifndef FIRMWARE_RIG_H
#define FIRMWARE_RIG_H

#include "fw_app.h"
#include "mp_host.h"
#include "port.h"

#define RIG_LINE_BYTES 16384
#define RIG_TEXT_BYTES 2048
#define RIG_READS_MOST 10000 /* in one step: more is for ever */

struct rig_queue {
    uint8_t bytes[RIG_LINE_BYTES];
    size_t len;
};

struct rig {
    uint64_t now_us;
    struct fw_app app;
    struct mp_host host;
    struct mp_host_space space;
    struct rig_queue up, down; /* up: from the firmware */
    bool host_there;           /* false: it neither hears nor says anything */
    bool babble;               /* the UART never runs out of noise */
    unsigned reads;            /* of the UART in this step */
    size_t uart_room;          /* bytes that the UART takes at once */
    /* What the port was asked for. */
    uint8_t stored_id[MP_DEVICE_ID_MAX];
    uint8_t stored_len;
    bool store_fails, reset_asked, identifying, confirmed;
    bool takes_images;
    enum port_image_state image_state;
    /* What the host was told. */
    uint32_t readings, results;
    enum mp_status last_status;
    double last_value[FW_SENSOR_COUNT];
    uint32_t failsafe_reports;
    uint32_t next_number, holes; /* of the reliable messages */
    char console[RIG_TEXT_BYTES], log[RIG_TEXT_BYTES];
    uint8_t tx[4096], rx[4096];
};

/* One at a time: the port's functions find it by this. */
extern struct rig rig;

/* Everything anew, at a time shortly before the microsecond counter wraps, with the host there. */
void rig_start(void);
/* The same on a board that takes images, with its update in that state. */
void rig_start_with_images(enum port_image_state state);
void rig_run(uint32_t ms);
/* Runs until the host is ready. */
void rig_meet(void);
/* Sends a command and runs until its result: enum mp_status. */
enum mp_status rig_command(uint8_t control, union mp_value value);
/* Types a line and runs until it is answered; what the console said since stands in rig.console. */
void rig_type(const char *line);

#endif
