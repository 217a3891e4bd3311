/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Long names.  They stand in extra slots before the 8.3 slot of the file, the
 * last piece first; each slot carries 13 UTF-16 units, its number, and a
 * checksum of the 8.3 name.  Old systems take such slots for volume labels, so
 * they may have renamed or deleted the file and left the pieces behind:  a long
 * name counts only if every piece is there and the checksum agrees.
 */
#ifndef VFAT_LONG_NAME_H
#define VFAT_LONG_NAME_H

#include "fat.h"

enum { LONG_PIECE_UNITS = 13, LONG_PIECES_MAX = 20 };

/* The pieces that were met so far. */
struct long_name {
	u8 pieces;   /* how many the name has; 0 = none is being collected */
	u8 missing;  /* how many are still to come */
	u8 checksum;
	u16 units[LONG_PIECES_MAX * LONG_PIECE_UNITS];
};

static inline void long_name_forget(struct long_name *name)
{
	name->pieces = 0;
}

bool long_name_is_piece(const struct fat_slot *slot);
/* Take the next piece; one out of order makes the name forgotten. */
void long_name_add(struct long_name *name, const struct fat_slot *piece);
/* The name in UTF-8, NUL-terminated, if it is whole and belongs to this 8.3
 * slot: its length; 0 if there is none that the kernel could show. */
size_t long_name_of(const struct long_name *name, const struct fat_slot *slot, char text[NAME_MAX + 1]);

#endif
