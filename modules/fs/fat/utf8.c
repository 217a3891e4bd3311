/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* UTF-8 as RFC 3629 has it: shortest form only, no surrogates, up to U+10FFFF. */
#include "fat.h"

/* What the first byte of a sequence says. */
static const struct lead {
	uint8_t mask, value; /* byte & mask == value */
	uint8_t more;        /* continuation bytes that follow */
	u32 least;           /* a smaller character must use a shorter form */
} leads[] = {
	{ 0x80, 0x00, 0, 0x00 },
	{ 0xe0, 0xc0, 1, 0x80 },
	{ 0xf0, 0xe0, 2, 0x800 },
	{ 0xf8, 0xf0, 3, 0x10000 },
};

static bool is_character(u32 value)
{
	return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

u32 fat_utf8_decode(const char **text, const char *end)
{
	uint8_t byte = (uint8_t)**text;
	const struct lead *lead = leads;
	u32 value;
	int i;

	while (lead < leads + ARRAY_SIZE(leads) && (byte & lead->mask) != lead->value)
		lead++;
	if (lead == leads + ARRAY_SIZE(leads) || end - *text <= lead->more)
		return 0;
	value = byte & (uint8_t)~lead->mask;
	for (i = 1; i <= lead->more; i++) {
		byte = (uint8_t)(*text)[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (byte & 0x3f);
	}
	if (value < lead->least || !is_character(value))
		return 0;
	*text += i;
	return value;
}

size_t fat_utf8_encode(u32 character, char *to)
{
	size_t more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
	size_t i;

	for (i = more; i > 0; i--) {
		to[i] = (char)(0x80 | (character & 0x3f));
		character >>= 6;
	}
	to[0] = (char)(leads[more].value | character);
	return more + 1;
}

EXPORT_SYMBOL_PROTO(fat_utf8_encode, size_t fat_utf8_encode(u32, char *));
