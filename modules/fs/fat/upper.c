/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Capital letters.  FAT leaves open which characters differ in case only; this
 * covers the alphabets that have two cases and simple (one to one) pairs.
 */
#include "fat.h"

static const struct pairs {
	uint16_t first, last; /* small letters from .. to */
	uint16_t step;        /* 1: each; 2: every other, the capital in between */
	int16_t distance;     /* add this */
} table[] = {
	{ 0x00e0, 0x00f6, 1, -32 },  /* Latin-1 around the division sign */
	{ 0x00f8, 0x00fe, 1, -32 },
	{ 0x00ff, 0x00ff, 1, 121 },  /* y with diaeresis */
	{ 0x0101, 0x012f, 2, -1 },   /* Latin Extended-A */
	{ 0x0133, 0x0137, 2, -1 },
	{ 0x013a, 0x0148, 2, -1 },
	{ 0x014b, 0x0177, 2, -1 },
	{ 0x017a, 0x017e, 2, -1 },
	{ 0x01ce, 0x01dc, 2, -1 },   /* Pinyin */
	{ 0x01df, 0x01ef, 2, -1 },
	{ 0x01f9, 0x021f, 2, -1 },
	{ 0x0223, 0x0233, 2, -1 },
	{ 0x03ac, 0x03ac, 1, -38 },  /* Greek with tonos */
	{ 0x03ad, 0x03af, 1, -37 },
	{ 0x03b1, 0x03c1, 1, -32 },
	{ 0x03c3, 0x03cb, 1, -32 },
	{ 0x03cc, 0x03cc, 1, -64 },
	{ 0x03cd, 0x03ce, 1, -63 },
	{ 0x0430, 0x044f, 1, -32 },  /* Cyrillic */
	{ 0x0450, 0x045f, 1, -80 },
	{ 0x0461, 0x0481, 2, -1 },
	{ 0x048b, 0x04bf, 2, -1 },
	{ 0x04c2, 0x04ce, 2, -1 },
	{ 0x04cf, 0x04cf, 1, -15 },
	{ 0x04d1, 0x052f, 2, -1 },
	{ 0x0561, 0x0586, 1, -48 },  /* Armenian */
	{ 0x1e01, 0x1e95, 2, -1 },   /* Latin Extended Additional, Vietnamese */
	{ 0x1ea1, 0x1eff, 2, -1 },
	{ 0x2170, 0x217f, 1, -16 },  /* Roman numerals */
	{ 0x24d0, 0x24e9, 1, -26 },  /* circled letters */
	{ 0xff41, 0xff5a, 1, -32 },  /* full width */
};

u32 fat_upper(u32 character)
{
	size_t i;

	/* Nearly all letters of nearly all names. */
	if (character < 0x80)
		return character >= 'a' && character <= 'z' ? character - ('a' - 'A') : character;
	for (i = 0; i < ARRAY_SIZE(table) && character >= table[i].first; i++)
		if (character <= table[i].last && (character - table[i].first) % table[i].step == 0)
			return (u32)((s32)character + table[i].distance);
	return character;
}
