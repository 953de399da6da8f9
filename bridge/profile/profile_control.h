/*
 * profile_control.h - control updates from JSON, in the shapes that servers send.
 *
 *   list     {"control":[{"CONTROL":value,...},...]}      (microcontrollers)
 *   object   {"CONTROL":value,...}
 */
#ifndef PROFILE_CONTROL_H
#define PROFILE_CONTROL_H

#include "profile.h"

enum profile_control_shape { PROFILE_CONTROL_LIST, PROFILE_CONTROL_OBJECT };

/* Calls io->element for each control, in order, and io->bad for what is of another shape. */
void profile_control_read(enum profile_control_shape shape, struct profile_text payload,
                          const struct profile_control_io *io);

#endif
