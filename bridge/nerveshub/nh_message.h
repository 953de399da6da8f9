/*
 * nh_message.h - NervesHub's payloads as JSON text: what a device says, and what it is told.
 *
 * Shapes as recorded from nerves_hub_web main (August 2026) and release 2.4.0; where they differ,
 * what is written here is understood by both. Encoders return text that the caller frees with
 * free(), or NULL when out of memory. Decoders copy into fixed memory and refuse what does not fit.
 * A text that is not UTF-8 never gets into a payload: one such byte would close the whole socket
 * with 1007.
 */
#ifndef NH_MESSAGE_H
#define NH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NH_TEXT_MAX   256
#define NH_SECRET_MAX 256
#define NH_UUID_TEXT  37
#define NH_URL_MAX    4096
#define NH_HASH_TEXT  65
#define NH_PARTS_MAX  256 /* checksums of 1 MiB each */
#define NH_PART_BYTES (1024u * 1024u)

#define NH_TOPIC_DEVICE     "device"
#define NH_TOPIC_CONSOLE    "console"
#define NH_TOPIC_EXTENSIONS "extensions"

/* The firmware that a device runs. The first five are needed: without them main offers no update,
 * and release 2.4.0 crashes the join. "" in another: left out. */
struct nh_firmware {
    char uuid[NH_UUID_TEXT]; /* lower case: an upper-case one is updated again, for ever */
    char product[NH_TEXT_MAX];
    char version[NH_TEXT_MAX];
    char platform[NH_TEXT_MAX];
    char architecture[NH_TEXT_MAX];
    char author[NH_TEXT_MAX];
    char description[NH_TEXT_MAX];
    char vcs_identifier[NH_TEXT_MAX];
    char misc[NH_TEXT_MAX];
};

/* Whether a `device` channel may be joined with it: the five are there, the uuid is one. */
bool nh_firmware_is_known(const struct nh_firmware *firmware);

/* The same in as much memory as its texts need, the uuid first; the caller frees it. NULL: out of
 * memory. */
char *nh_firmware_pack(const struct nh_firmware *firmware);
void nh_firmware_unpack(const char *packed, struct nh_firmware *firmware);

struct nh_join {
    const struct nh_firmware *firmware;
    const char *downloading_uuid; /* NULL: none, and the server forgets an update in flight */
    bool auto_reverted;           /* the board went back to its previous firmware by itself */
};

/* The join payload of `device`, or NULL: firmware not known, or out of memory. */
char *nh_encode_join(const struct nh_join *join);

/* The statuses that a server takes; any other word crashes the channel. */
enum nh_status {
    NH_RECEIVED,
    NH_STARTED,
    NH_DOWNLOADING,
    NH_UPDATING,
    NH_COMPLETED,
    NH_FAILED,
};
const char *nh_status_text(enum nh_status status);

/* Two generations of servers end a failed update differently: main by the word `failed` and its
 * reason, release 2.4.0 by any status that holds "fwup error". An offer tells which one it is. */
enum nh_server { NH_MAIN, NH_RELEASE_2_4 };

/* `reason` NULL: none. What is not UTF-8 in it is replaced. */
char *nh_encode_status(enum nh_server server, enum nh_status status, const char *reason);

/* fwup_progress: `percent` a plain integer of 0 to 100, `stage` NH_DOWNLOADING or NH_UPDATING. */
char *nh_encode_progress(unsigned percent, enum nh_status stage);

/* An answer to scripts/run: never executed. `payload` is the question's; NULL: it has no ref. */
char *nh_encode_script_refused(const char *payload, size_t length);

/* What `update` offers. */
struct nh_offer {
    char url[NH_URL_MAX]; /* a credential: never logged */
    struct nh_firmware firmware;
    enum nh_server server;
    uint64_t size;               /* bytes; 0: not told (release 2.4.0) */
    char checksum[NH_HASH_TEXT]; /* SHA-256, hex in lower case; "": not told */
    size_t part_count;           /* 0: not told */
    char parts[NH_PARTS_MAX][NH_HASH_TEXT];
};

enum nh_offer_verdict {
    NH_OFFER_GOOD,
    NH_OFFER_NONE, /* update_available is not true */
    NH_OFFER_BAD,  /* not such a payload, or of a shape that nothing can be made of */
};
enum nh_offer_verdict nh_decode_offer(const char *payload, size_t length, struct nh_offer *offer);

/* "HOST/PATH" of a URL for a log: without user, password, query and fragment. */
void nh_url_shown(const char *url, char *out, size_t cap);

#endif
