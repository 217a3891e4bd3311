/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Damaged images: each round changes a few bytes where the volume describes
 * itself, mounts it as both types, reads everything, and puts the bytes back.
 * Any answer is right, but it must be an answer: no trap, no endless loop, no
 * block kept, no user counted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

enum { CHANGES_MAX = 12 };

static u64 state;

/* xorshift64*: the same numbers everywhere. */
static u64 next_number(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static u64 below(u64 limit)
{
	return limit ? next_number() % limit : 0;
}

struct change {
	u64 offset;
	u8 before;
};

/* The parts of an undamaged volume, for aiming at them. */
struct aim {
	u64 fat_start, fat_bytes, root_start, data_start;
};

static struct aim take_aim(void)
{
	const u8 *b = device.bytes;
	u64 sector = b[11] | b[12] << 8;
	u64 fat = (u64)(b[22] | b[23] << 8);
	struct aim aim;

	if (fat == 0)
		fat = (u64)b[36] | (u64)b[37] << 8 | (u64)b[38] << 16;
	aim.fat_start = (u64)(b[14] | b[15] << 8) * sector;
	aim.fat_bytes = fat * sector;
	aim.root_start = aim.fat_start + b[16] * aim.fat_bytes;
	aim.data_start = aim.root_start + (u64)(b[17] | b[18] << 8) * 32;
	return aim;
}

static u64 pick_offset(const struct aim *aim)
{
	switch (below(8)) {
	case 0:
		return 11 + below(53); /* the parameter block */
	case 1:
	case 2:
		return aim->fat_start + below(64); /* the links of the first clusters */
	case 3:
		return aim->fat_start + below(aim->fat_bytes < 4096 ? aim->fat_bytes : 4096);
	case 4:
	case 5:
		return aim->root_start + below(2048); /* the root directory */
	case 6:
		return aim->data_start + below(32768); /* directories, mostly */
	default:
		return below(device.size);
	}
}

static u8 pick_byte(u8 before)
{
	static const u8 telling[] = { 0x00, 0xff, 0xe5, 0x01, 0x02, 0x0f, 0x10, 0x40, 0x41, 0x7f, 0x80, 0xf7, 0xf8 };

	switch (below(3)) {
	case 0:
		return telling[below(sizeof(telling))];
	case 1:
		return (u8)(before ^ 1 << below(8));
	default:
		return (u8)next_number();
	}
}

static size_t damage(const struct aim *aim, struct change *changes)
{
	size_t count = 1 + below(CHANGES_MAX), done = 0;
	u64 offset;

	for (; count > 0; count--) {
		offset = pick_offset(aim);
		if (offset >= device.size)
			continue;
		changes[done].offset = offset;
		changes[done++].before = device.bytes[offset];
		device.bytes[offset] = pick_byte(device.bytes[offset]);
	}
	return done;
}

/* Whether it could be mounted. */
static bool try_one(const char *type, struct totals *totals)
{
	struct super_block sb;
	struct kstatfs statfs;

	device.reads = 0;
	if (mount_image(type, "", &sb))
		return false;
	walk(&sb, QUIET, totals);
	if (sb.s_op->statfs(&sb, &statfs) == 0 && statfs.f_bfree > statfs.f_blocks)
		fail("more free clusters than there are");
	unmount_image(&sb);
	return true;
}

void fuzz(u64 seed, u64 rounds)
{
	struct change changes[CHANGES_MAX];
	struct totals totals;
	struct aim aim = take_aim();
	u64 round, mounted = 0, errors = 0, size = device.size;
	size_t count;

	/* A directory has at most 65,536 slots; the samples have few of them. */
	device.reads_limit = 2000000;
	log_to_stderr = false;
	state = seed | 1;
	for (round = 0; round < rounds; round++) {
		count = damage(&aim, changes);
		/* Every eighth image ends early. */
		if (round % 8 == 0)
			device.size = below(size);
		mounted += try_one("vfat", &totals);
		errors += totals.errors;
		try_one("msdos", &totals);
		device.size = size;
		while (count-- > 0)
			device.bytes[changes[count].offset] = changes[count].before;
	}
	device.reads_limit = 0;
	printf("%llu rounds, %llu mounted, %llu errors\n", (unsigned long long)rounds, (unsigned long long)mounted,
	       (unsigned long long)errors);
}
