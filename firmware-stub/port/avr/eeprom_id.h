/*
 * eeprom_id.h - where a board's identity stands in its EEPROM, for the port and for whoever writes
 * it there from outside (a programmer, or avr-run).
 *
 * Two slots of EEPROM_ID_BYTES: the board's own identity, written with the first image, and the one
 * that port_store_id keeps, which counts before it. A slot is the mark, the length, and the bytes.
 */
#ifndef EEPROM_ID_H
#define EEPROM_ID_H

#define EEPROM_ID_MARK  0xb5 /* anything else: the slot is empty, as erased EEPROM is */
#define EEPROM_ID_HEAD  2
#define EEPROM_ID_BYTES 32

enum eeprom_id_slot { EEPROM_ID_OWN, EEPROM_ID_STORED, EEPROM_ID_SLOTS };

#endif
