/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "long_name.h"

/* A slot that holds a piece of a long name. */
enum {
	PIECE_ORDER = 0,
	PIECE_CHECKSUM = 13,
};

/* PIECE_ORDER: numbers from 1; the slot met first, with the end of the name, is marked. */
enum { ORDER_NUMBER = 0x1f, ORDER_LAST = 0x40, ORDER_UNUSED = 0xa0 };

/* Where the 13 units of a slot are. */
static const u8 unit_at[LONG_PIECE_UNITS] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };

enum { REPLACEMENT = 0xfffd };

bool long_name_is_piece(const struct fat_slot *slot)
{
	return slot->bytes[PIECE_ORDER] != NAME_DELETED &&
	       (slot->bytes[SLOT_ATTR] & ATTR_LONG_NAME_MASK) == ATTR_LONG_NAME;
}

/* Whether the piece begins a name or carries on the one that is being collected. */
static bool fits(struct long_name *name, u8 order, u8 checksum)
{
	u8 number = order & ORDER_NUMBER;

	if (order & ORDER_UNUSED || number == 0 || number > LONG_PIECES_MAX)
		return false;
	if (order & ORDER_LAST) {
		name->pieces = number;
		name->missing = number;
		name->checksum = checksum;
	}
	return name->pieces != 0 && name->missing == number && name->checksum == checksum;
}

void long_name_add(struct long_name *name, const struct fat_slot *piece)
{
	u16 *to;
	size_t i;

	if (!fits(name, piece->bytes[PIECE_ORDER], piece->bytes[PIECE_CHECKSUM])) {
		long_name_forget(name);
		return;
	}
	name->missing--;
	to = name->units + name->missing * LONG_PIECE_UNITS;
	for (i = 0; i < LONG_PIECE_UNITS; i++)
		to[i] = le16(piece->bytes + unit_at[i]);
}

/* Rotate right by one and add, over the 11 bytes of the 8.3 name. */
static u8 checksum_of(const struct fat_slot *slot)
{
	u8 sum = 0;
	size_t i;

	for (i = 0; i < 11; i++)
		sum = (u8)((sum >> 1 | sum << 7) + slot->bytes[SLOT_NAME + i]);
	return sum;
}

/* The character at units[*at], which moves behind it; surrogates come in pairs. */
static u32 next_character(const u16 *units, size_t length, size_t *at)
{
	u32 unit = units[(*at)++];

	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	if (unit <= 0xdbff && *at < length && units[*at] >= 0xdc00 && units[*at] <= 0xdfff)
		return 0x10000 + ((unit - 0xd800) << 10) + (units[(*at)++] - 0xdc00u);
	return REPLACEMENT;
}

/* The units in UTF-8; 0 if they are no name for a path or too long for one. */
static size_t to_utf8(const u16 *units, size_t count, char text[NAME_MAX + 1])
{
	size_t length = 0, at = 0;
	char bytes[4];
	u32 character;
	size_t more;

	while (at < count && units[at] != 0) {
		character = next_character(units, count, &at);
		if (character < ' ' || character == '/' || character == 0x7f)
			return 0;
		more = fat_utf8_encode(character, bytes);
		if (length + more > NAME_MAX)
			return 0;
		memcpy(text + length, bytes, more);
		length += more;
	}
	text[length] = '\0';
	return strcmp(text, ".") == 0 || strcmp(text, "..") == 0 ? 0 : length;
}

size_t long_name_of(const struct long_name *name, const struct fat_slot *slot, char text[NAME_MAX + 1])
{
	if (name->pieces == 0 || name->missing != 0 || name->checksum != checksum_of(slot))
		return 0;
	return to_utf8(name->units, (size_t)name->pieces * LONG_PIECE_UNITS, text);
}
