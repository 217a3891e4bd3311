/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* 8.3 slots: which of them are entries, and how their names read. */
#include "fat.h"

#include "codepage.h"

enum { BASE_LENGTH = 8, EXT_LENGTH = 3 };

static bool is_dot(const uint8_t *name)
{
	return memcmp(name, ".          ", BASE_LENGTH + EXT_LENGTH) == 0 ||
	       memcmp(name, "..         ", BASE_LENGTH + EXT_LENGTH) == 0;
}

int fat_slot_is_entry(const struct fat_slot *slot)
{
	const uint8_t *bytes = slot->bytes;

	/* No name begins with a blank; one that does could read as "..". */
	return bytes[SLOT_NAME] != NAME_DELETED && bytes[SLOT_NAME] != ' ' && !(bytes[SLOT_ATTR] & ATTR_VOLUME) &&
	       !is_dot(bytes + SLOT_NAME);
}

/* A hostile name must not look like a path or break a listing. */
static u32 printable(u32 character)
{
	return character < ' ' || character == '/' || character == 0x7f ? '_' : character;
}

static u32 lower(u32 character)
{
	return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character;
}

/* One of the two parts, without the blanks that fill it up. */
static size_t put_part(const uint8_t *part, size_t length, bool small, char *to)
{
	size_t written = 0, i;
	u32 character;

	while (length > 0 && part[length - 1] == ' ')
		length--;
	for (i = 0; i < length; i++) {
		character = printable(fat_codepage_decode(part[i]));
		written += fat_utf8_encode(small ? lower(character) : character, to + written);
	}
	return written;
}

size_t fat_short_name(const struct fat_slot *slot, enum fat_case letters, char *name)
{
	uint8_t flags = letters == FAT_CASE_FLAGS ? slot->bytes[SLOT_CASE] : 0;
	uint8_t raw[BASE_LENGTH + EXT_LENGTH];
	size_t length, ext;

	if (letters == FAT_CASE_LOWER)
		flags = CASE_LOWER_BASE | CASE_LOWER_EXT;
	memcpy(raw, slot->bytes + SLOT_NAME, sizeof(raw));
	if (raw[0] == NAME_KANJI_E5)
		raw[0] = NAME_DELETED;
	length = put_part(raw, BASE_LENGTH, flags & CASE_LOWER_BASE, name);
	name[length] = '.';
	ext = put_part(raw + BASE_LENGTH, EXT_LENGTH, flags & CASE_LOWER_EXT, name + length + 1);
	if (ext > 0)
		length += 1 + ext;
	name[length] = '\0';
	return length;
}

EXPORT_SYMBOL_PROTO(fat_slot_is_entry, int fat_slot_is_entry(const struct fat_slot *));
EXPORT_SYMBOL_PROTO(fat_short_name, size_t fat_short_name(const struct fat_slot *, enum fat_case, char *));
