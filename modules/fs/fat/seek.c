/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Finding a cluster in the middle of a chain.
 *
 * A chain can only be walked from its beginning, and a reader asks for one
 * piece after the other, so a file of n pieces would cost n*n/2 links.  The
 * volume therefore remembers where the last readers stopped.  The first look at
 * a chain also walks it to its end, once, to be sure that it has one.
 */
#include "fat.h"

static struct fat_hint *hint_of(struct fat_volume *volume, uint32_t first)
{
	return &volume->hints[first % FAT_HINTS];
}

/* Whether the chain was seen lately; then also where to begin. */
static bool recall(struct fat_volume *volume, uint32_t first, uint32_t wanted, uint32_t *index, uint32_t *cluster)
{
	struct fat_hint *hint = hint_of(volume, first);
	bool known;

	*index = 0;
	*cluster = first;
	mutex_lock(&volume->hints_lock);
	known = hint->first == first;
	if (known && hint->index <= wanted) {
		*index = hint->index;
		*cluster = hint->cluster;
	}
	mutex_unlock(&volume->hints_lock);
	return known;
}

void fat_remember(struct fat_volume *volume, uint32_t first, uint32_t index, uint32_t cluster)
{
	struct fat_hint *hint = hint_of(volume, first);

	mutex_lock(&volume->hints_lock);
	hint->first = first;
	hint->index = index;
	hint->cluster = cluster;
	mutex_unlock(&volume->hints_lock);
}

int fat_seek(struct fat_volume *volume, struct fat_window *window, uint32_t first, uint32_t index, uint32_t *cluster)
{
	uint32_t at;
	int error, more;

	if (!fat_cluster_valid(volume, first) || !recall(volume, first, index, &at, cluster)) {
		error = fat_check_chain(volume, first);
		if (error)
			return error;
	}
	for (; at < index; at++) {
		more = fat_follow(volume, window, cluster);
		if (more < 0)
			return more;
		if (more == FAT_CHAIN_END) {
			printk(KERN_ERR "fat: the chain from cluster %u ends after %u clusters\n", first, at + 1);
			return -EIO;
		}
	}
	return 0;
}
