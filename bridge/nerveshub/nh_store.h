/*
 * nh_store.h - what has to outlive the program: which firmware has which image id, and how far each
 * board's update is. One folder, private to this program; every file is replaced whole and synced.
 *
 *   UUID.json        what a checked firmware file says, and the ids of its images
 *   board-UUID.json  a board's record, by a UUID made from its name at the server: a board whose
 *                    flash is half written says no name of its own
 *
 * No name of a file comes from anything but a UUID.
 */
#ifndef NH_STORE_H
#define NH_STORE_H

#include "nh_update.h"

#define NH_IMAGE_ID_MAX 20

/* Makes the folder (0700) when it is missing. Returns 0, or -1: it cannot be used, errno says why;
 * EPERM: others may enter it. */
int nh_store_open(const char *folder);

/* A board's record. load: {0} when there is none, or none that can be read. keep: false: not
 * durable. */
void nh_store_load(const char *folder, const char *name, struct nh_record *record);
bool nh_store_keep(const char *folder, const char *name, const struct nh_record *record);

/* Every board's record; `id` is what nh_board_id makes of its name. */
void nh_store_records(const char *folder,
                      void (*each)(void *user, const char *id, const struct nh_record *record),
                      void *user);
void nh_board_id(const char *name, char id[static NH_UUID_TEXT]);

/* A checked firmware and the id of an image in it, which is added to those known. False: not
 * durable. */
bool nh_store_firmware(const char *folder, const struct nh_firmware *firmware, const uint8_t *image,
                       size_t length);
/* The firmware of that image, if a .fw with it was ever checked here. The same image may be in
 * several: the one with the uuid `prefer` ("": none) is taken before all others, and else always
 * the same one. */
bool nh_store_find(const char *folder, const uint8_t *image, size_t length, const char *prefer,
                   struct nh_firmware *firmware);

/* The uuid of an image that no .fw is known of: version 5 of its id in this project's namespace, so
 * that a board flashed by cable joins, always with the same uuid. */
void nh_uuid_of_image(const uint8_t *image, size_t length, char uuid[static NH_UUID_TEXT]);

#endif
