/*
 * mp_schema.h - the one table: messages, fields, kinds of reading, value types, and what the
 * numbers in them mean.
 *
 * Everything that knows a message comes from here: the structs, sizes, encoders and decoders
 * (mp_msg), the readable dump (mp_dump), the tables of PROTOCOL.md and the round-trip test.
 * Ids are never reused; a message whose fields change gets a new id. All integers are
 * little-endian on the wire.
 */
#ifndef MP_SCHEMA_H
#define MP_SCHEMA_H

/* Travels in the first byte of both hello messages, which keep their shape for ever up to that
 * byte: a mismatch is told as such, with both numbers. */
#define MP_VERSION 1

#define MP_DEVICE_ID_MAX 16 /* bytes of a device's identity */
#define MP_IMAGE_ID_MAX  20 /* bytes of an image id: a GNU build id is 20 */
#define MP_SENSORS_MAX   64 /* of a description, ... */
#define MP_CONTROLS_MAX  32
#define MP_EXPONENT_MAX  12 /* ... and of each of both; also negative; 0 for BOOL and F32 */
#define MP_BODY_MIN      64 /* every peer takes message bodies of this many bytes */
#ifndef MP_BODY_MAX
#if defined __AVR_2_BYTE_PC__ /* mostly 2 KiB of RAM, and three buffers are as long as this */
#define MP_BODY_MAX MP_BODY_MIN
#else
#define MP_BODY_MAX 240 /* no peer sends a longer one; a device may be built for less */
#endif
#endif
#define MP_COUNTED      0x20 /* from this id on, best-effort messages are numbered and gaps counted */
#define MP_CREDIT_EXTRA 4    /* a message counts so many bytes beside its body against the credit */

/* X(id, NAME, name, unit): what a sensor measures. CUSTOM carries its own name and unit in the
 * description. */
#define MP_KINDS(X)                            \
    X(0, CUSTOM, "", "")                       \
    X(1, TEMPERATURE, "temperature", "Cel")    \
    X(2, PRESSURE, "pressure", "hPa")          \
    X(3, ILLUMINANCE, "illuminance", "lx")     \
    X(4, HUMIDITY, "humidity", "%RH")          \
    X(5, VOLTAGE, "voltage", "V")              \
    X(6, CURRENT, "current", "A")              \
    X(7, POWER, "power", "W")                  \
    X(8, SPEED, "speed", "rpm")                \
    X(9, ACCELERATION, "acceleration", "m/s2") \
    X(10, COUNT, "count", "1")

/* X(id, NAME, name, size in bytes): how a value stands on the wire. An integer is multiplied by
 * ten to the power of the description's exponent to get the physical value. */
#define MP_TYPES(X)       \
    X(0, BOOL, "bool", 1) \
    X(1, I16, "i16", 2)   \
    X(2, I32, "i32", 4)   \
    X(3, F32, "f32", 4)

/* X(id, NAME, text): how a request of the host ended. */
#define MP_STATUSES(X)                                             \
    X(0, DONE, "done")                                             \
    X(1, UNKNOWN, "refused: no such control")                      \
    X(2, RANGE, "refused: value out of range")                     \
    X(3, EXPIRED, "refused: past its deadline")                    \
    X(4, CORRUPT, "refused: CRC-32 of the command does not match") \
    X(5, UNSUPPORTED, "refused: this device cannot do that")       \
    X(6, FAILED, "failed in the device")                           \
    X(7, STALE, "refused: older than a command already taken")     \
    X(8, TOO_LARGE, "refused: larger than the place for it")       \
    X(9, MISMATCH, "refused: not what was announced")              \
    X(10, FOREIGN, "refused: an image for another kind of board")

/* X(id, NAME, text): why a control has the value it has. */
#define MP_CAUSES(X)                              \
    X(0, COMMAND, "command")                      \
    X(1, FAILSAFE, "fail-safe: the host is gone") \
    X(2, LOCAL, "changed at the device")

/* X(id, NAME, text): why the device last started. */
#define MP_RESETS(X)           \
    X(0, UNKNOWN, "unknown")   \
    X(1, POWER, "power on")    \
    X(2, PIN, "reset pin")     \
    X(3, WATCHDOG, "watchdog") \
    X(4, SOFTWARE, "software") \
    X(5, BROWNOUT, "brown-out")

/* X(id, NAME, text): syslog's upper half, in its order of urgency. */
#define MP_LEVELS(X)         \
    X(0, ERROR, "error")     \
    X(1, WARNING, "warning") \
    X(2, INFO, "info")       \
    X(3, DEBUG, "debug")

/* What a RESET asks for. */
#define MP_RESET_MODES(X)            \
    X(0, APPLICATION, "application") \
    X(1, BOOTLOADER, "boot loader")

/*
 * Fields, F(TYPE, name, "what it is"). TYPE is U8, U16, U32, U64, STR (a length byte, then that
 * many bytes) or REST (all bytes up to the end of the message; only last).
 */

/* -- The link's own messages: never numbered, never resent by the window. */
#define MP_HELLO(F)                                                                     \
    F(U8, version, "MP_VERSION of the host")                                            \
    F(U32, nonce, "names the session that the host asks for; drawn at random, never 0") \
    F(U32, epoch_offer, "random; the boot epoch of a device that has none yet")         \
    F(U8, max_body, "longest message body the host takes")                              \
    F(U16, credit, "bytes of messages the host takes beyond what is safe")

#define MP_HELLO_ACK(F)                                                                       \
    F(U8, version, "MP_VERSION of the device")                                                \
    F(U32, nonce, "the hello it answers")                                                     \
    F(U32, epoch, "names this run of the device since its start")                             \
    F(U32, first, "number of the oldest message that the device still holds")                 \
    F(U8, reset, "why the device started: MP_RESETS; MP_RESET_TAKEN_BACK may be added")       \
    F(U8, max_body, "longest message body the device takes")                                  \
    F(U16, credit, "bytes of messages the device takes beyond what is safe")                  \
    F(U16, tick_us, "unit of the time stamps of readings, in microseconds")                   \
    F(U32, schema, "CRC-32 of the description")                                               \
    F(STR, device, "identity of the device, at most MP_DEVICE_ID_MAX bytes; empty: none set") \
    F(STR, image, "identity of its firmware image, at most MP_IMAGE_ID_MAX bytes")

/* The frame's number field holds the low byte of the next number expected. */
#define MP_ACK(F)                                                                         \
    F(U8, safe, "low byte of the first number that is not yet safe")                      \
    F(U16, credit, "bytes of messages taken beyond what is safe")                         \
    F(U8, flags,                                                                          \
      "MP_ACK_BAD_FRAME: a damaged frame arrived since the last ack; MP_ACK_ASK: answer") \
    F(REST, bitmap, "bit i of byte j: number next + 1 + 8j + i has arrived")

#define MP_NO_SESSION(F)                       \
    F(U8, version, "MP_VERSION of the device") \
    F(U32, epoch, "its boot epoch, 0 before its first hello")

/* -- Time and keep-alive: sent best effort, one answer for one question. */
#define MP_TIME_ASK(F) F(U8, ref, "comes back in the answer")

#define MP_TIME(F)                                              \
    F(U8, ref, "of the question")                               \
    F(U64, device_us, "device clock when the question arrived") \
    F(U32, turnaround_us, "time from then to the answer")

/* -- Self-description, in chunks. */
#define MP_DESCRIBE(F) F(U16, offset, "first byte wanted")

#define MP_DESCRIPTION_CHUNK(F)                     \
    F(U16, offset, "of the first byte here")        \
    F(U16, total, "bytes of the whole description") \
    F(REST, bytes, "as many as fit")

/* -- How far an upload is. */
#define MP_BULK_STATE(F)                                            \
    F(U16, request, "of the latest BULK_BEGIN or BULK_COMMIT")      \
    F(U8, status, "MP_STATUSES; other than done: the upload ended") \
    F(U32, offset, "bytes stored: the next one wanted")             \
    F(U16, window, "bytes that may be under way beyond them")

/* -- Up. */
#define MP_READINGS(F)                                                                           \
    F(U32, base, "device clock of the first reading, in ticks")                                  \
    F(REST, entries,                                                                             \
      "each: slot U8, ticks since the one before as a varint (none in the first), value by its " \
      "type")

#define MP_RESULT(F)                                    \
    F(U16, request, "of the host's message it answers") \
    F(U8, status, "MP_STATUSES")                        \
    F(U32, session, "nonce of the session in which it was asked")

#define MP_CONTROL_STATE(F)   \
    F(U8, control, "which")   \
    F(U8, cause, "MP_CAUSES") \
    F(U32, value, "the value's bits, by the control's type")

#define MP_LOG(F)             \
    F(U8, level, "MP_LEVELS") \
    F(REST, text, "UTF-8")

/* One reading of each of several slots, all taken at once. */
#define MP_SCAN(F)                                         \
    F(U32, base, "device clock of the readings, in ticks") \
    F(U8, first, "slot of the first value")                \
    F(REST, values, "one for each slot from there on, by its type")

/* Only best effort: it means the time nearest to now. */
#define MP_READING_NOW(F)                                     \
    F(U16, ticks, "lower half of the device clock, in ticks") \
    F(U8, slot, "which")                                      \
    F(REST, value, "by the slot's type")

#define MP_DROPPED(F) F(U32, count, "readings since the start for which there was no room")

/* -- Down. */
#define MP_COMMAND(F)                                                 \
    F(U16, request, "comes back in the result")                       \
    F(U8, control, "which")                                           \
    F(U32, value, "the value's bits, by the control's type")          \
    F(U32, deadline, "device clock in ticks; never applied after it") \
    F(U32, crc, "CRC-32 over session nonce, id and the fields before")

#define MP_RESET(F)                                                             \
    F(U16, request, "comes back in the result, which is sent before the reset") \
    F(U8, mode, "MP_RESET_MODES")

#define MP_IDENTIFY(F)                          \
    F(U16, request, "comes back in the result") \
    F(U16, ms, "for how long to show which board this is")

#define MP_SET_ID(F)                                                  \
    F(U16, request, "comes back in the result")                       \
    F(U32, crc, "CRC-32 over session nonce, id and the new identity") \
    F(STR, device, "the new identity, kept by the device over power loss")

/* -- Both ways. */
#define MP_CONSOLE(F) F(REST, bytes, "as typed or printed")

/* Down: how much of the console its viewer sees. */
#define MP_CONSOLE_SIZE(F)            \
    F(U16, rows, "lines, at least 1") \
    F(U16, columns, "characters of a line, at least 1")

/* -- Upload of an image. */
#define MP_BULK_BEGIN(F)                         \
    F(U16, request, "comes back in the answers") \
    F(U32, size, "bytes of the image")           \
    F(REST, hash, "SHA-256 of the image: 32 bytes")

#define MP_BULK_DATA(F)                      \
    F(U32, offset, "of the first byte here") \
    F(REST, bytes, "of the image, in order")

#define MP_BULK_COMMIT(F) F(U16, request, "comes back in the answer")

/* X(id, NAME, name, FIELDS, from). 0x00 is never an id; 0x43 to 0x4f are kept for bulk upload. */
#define MP_MESSAGES(X)                                                            \
    X(0x01, HELLO, hello, MP_HELLO, "host")                                       \
    X(0x02, HELLO_ACK, hello_ack, MP_HELLO_ACK, "device")                         \
    X(0x03, ACK, ack, MP_ACK, "both")                                             \
    X(0x04, NO_SESSION, no_session, MP_NO_SESSION, "device")                      \
    X(0x05, TIME_ASK, time_ask, MP_TIME_ASK, "host")                              \
    X(0x06, TIME, time, MP_TIME, "device")                                        \
    X(0x10, DESCRIBE, describe, MP_DESCRIBE, "host")                              \
    X(0x11, DESCRIPTION_CHUNK, description_chunk, MP_DESCRIPTION_CHUNK, "device") \
    X(0x12, BULK_STATE, bulk_state, MP_BULK_STATE, "device")                      \
    X(0x20, READINGS, readings, MP_READINGS, "device")                            \
    X(0x21, RESULT, result, MP_RESULT, "device")                                  \
    X(0x22, CONTROL_STATE, control_state, MP_CONTROL_STATE, "device")             \
    X(0x23, LOG, log, MP_LOG, "device")                                           \
    X(0x24, SCAN, scan, MP_SCAN, "device")                                        \
    X(0x25, READING_NOW, reading_now, MP_READING_NOW, "device")                   \
    X(0x26, DROPPED, dropped, MP_DROPPED, "device")                               \
    X(0x30, COMMAND, command, MP_COMMAND, "host")                                 \
    X(0x31, RESET, reset, MP_RESET, "host")                                       \
    X(0x32, IDENTIFY, identify, MP_IDENTIFY, "host")                              \
    X(0x33, SET_ID, set_id, MP_SET_ID, "host")                                    \
    X(0x38, CONSOLE, console, MP_CONSOLE, "both")                                 \
    X(0x39, CONSOLE_SIZE, console_size, MP_CONSOLE_SIZE, "host")                  \
    X(0x40, BULK_BEGIN, bulk_begin, MP_BULK_BEGIN, "host")                        \
    X(0x41, BULK_DATA, bulk_data, MP_BULK_DATA, "host")                           \
    X(0x42, BULK_COMMIT, bulk_commit, MP_BULK_COMMIT, "host")

#define MP_ACK_BAD_FRAME 0x01u
#define MP_ACK_ASK       0x02u

/* Of HELLO_ACK's reset: what runs is what ran before the latest update, which was taken back. */
#define MP_RESET_TAKEN_BACK 0x80u

#define MP_X_KIND(id, NAME, name, unit)        MP_KIND_##NAME = id,
#define MP_X_TYPE(id, NAME, name, size)        MP_TYPE_##NAME = id,
#define MP_X_STATUS(id, NAME, text)            MP_STATUS_##NAME = id,
#define MP_X_CAUSE(id, NAME, text)             MP_CAUSE_##NAME = id,
#define MP_X_RESET(id, NAME, text)             MP_RESET_##NAME = id,
#define MP_X_LEVEL(id, NAME, text)             MP_LEVEL_##NAME = id,
#define MP_X_RESET_MODE(id, NAME, text)        MP_RESET_TO_##NAME = id,
#define MP_X_MSG(id, NAME, name, FIELDS, from) MP_MSG_##NAME = id,

enum mp_kind { MP_KINDS(MP_X_KIND) MP_KIND_END };
enum mp_type { MP_TYPES(MP_X_TYPE) MP_TYPE_COUNT };
enum mp_status { MP_STATUSES(MP_X_STATUS) MP_STATUS_COUNT };
enum mp_cause { MP_CAUSES(MP_X_CAUSE) MP_CAUSE_COUNT };
enum mp_reset_cause { MP_RESETS(MP_X_RESET) MP_RESET_CAUSE_COUNT };
enum mp_level { MP_LEVELS(MP_X_LEVEL) MP_LEVEL_COUNT };
enum mp_reset_mode { MP_RESET_MODES(MP_X_RESET_MODE) MP_RESET_MODE_COUNT };
enum mp_msg_id { MP_MESSAGES(MP_X_MSG) };

#undef MP_X_KIND
#undef MP_X_TYPE
#undef MP_X_STATUS
#undef MP_X_CAUSE
#undef MP_X_RESET
#undef MP_X_LEVEL
#undef MP_X_RESET_MODE
#undef MP_X_MSG

#endif
