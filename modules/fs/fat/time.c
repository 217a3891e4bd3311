/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * DOS dates.  Date: year since 1980 in 7 bits, month in 4, day in 5; time: hour
 * in 5 bits, minute in 6, two-second units in 5.  The disk does not say in which
 * zone; it is taken as UTC, so that one image gives the same times everywhere.
 */
#include "fat.h"

enum { DAYS_1970_TO_1980 = 3652, SECONDS_PER_DAY = 86400 };

static const uint16_t days_before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };

/* Every fourth year from 1980 is a leap year, but 2100. */
static bool is_leap(int year)
{
	return year % 4 == 0 && year != 120;
}

int64_t fat_time(uint16_t date, uint16_t time, uint8_t centi)
{
	int year = date >> 9, month = date >> 5 & 0xf, day = date & 0x1f;
	int64_t days;

	if (month < 1 || month > 12 || day < 1)
		return 0;
	/* Leap days of the years that are over; 2100 is year 120 and had none. */
	days = DAYS_1970_TO_1980 + 365 * year + (year + 3) / 4 - (year > 120);
	days += days_before[month - 1] + (month > 2 && is_leap(year)) + day - 1;
	return days * SECONDS_PER_DAY + (time >> 11) * 3600 + (time >> 5 & 0x3f) * 60 + (time & 0x1f) * 2 + centi / 100;
}
