/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names are kept as they were written but found in any case. */
#include "fat.h"

int fat_same_name(const char *left, size_t left_length, const char *right, size_t right_length)
{
	const char *left_end = left + left_length, *right_end = right + right_length;
	u32 one, other;

	while (left < left_end && right < right_end) {
		one = fat_utf8_decode(&left, left_end);
		other = fat_utf8_decode(&right, right_end);
		/* What is no text is no name either. */
		if (one == 0 || other == 0 || fat_upper(one) != fat_upper(other))
			return 0;
	}
	return left == left_end && right == right_end;
}

EXPORT_SYMBOL_PROTO(fat_same_name, int fat_same_name(const char *, size_t, const char *, size_t));
