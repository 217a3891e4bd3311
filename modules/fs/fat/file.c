/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reading files. */
#include "fat.h"

#include "inode.h"

/* A piece of a file that lies in one piece on the device. */
struct run {
	uint64_t start;
	uint64_t length;
};

/*
 * The longest run from byte `offset` of the file on, at most `wanted` bytes:
 * clusters that follow each other in the chain and on the device are read at
 * once.
 */
static int find_run(struct fat_volume *volume, struct fat_window *window, uint32_t first, uint64_t offset,
		    uint64_t wanted, struct run *run)
{
	uint32_t index = (uint32_t)(offset / volume->cluster_size);
	uint64_t skip = offset % volume->cluster_size;
	uint32_t cluster, next;
	int error, more;

	error = fat_seek(volume, window, first, index, &cluster);
	if (error)
		return error;
	run->start = fat_cluster_offset(volume, cluster) + skip;
	run->length = volume->cluster_size - skip;
	while (run->length < wanted) {
		next = cluster;
		more = fat_follow(volume, window, &next);
		if (more < 0)
			return more;
		if (more == FAT_CHAIN_END || next != cluster + 1)
			break;
		cluster = next;
		index++;
		run->length += volume->cluster_size;
	}
	fat_remember(volume, first, index, cluster);
	if (run->length > wanted)
		run->length = wanted;
	return 0;
}

long fat_read(struct inode *file, void *buffer, size_t size, u64 offset)
{
	struct fat_volume *volume = fat_volume_of(file);
	struct fat_window window = { .loaded = false };
	uint8_t *to = buffer;
	uint64_t left;
	struct run run;
	int error;

	if (S_ISDIR(file->i_mode))
		return -EISDIR;
	if (offset >= file->i_size)
		return 0;
	if (file->i_size > (uint64_t)volume->clusters * volume->cluster_size) {
		printk(KERN_ERR "fat: a file of %llu bytes is larger than its volume\n", (unsigned long long)file->i_size);
		return -EIO;
	}
	left = file->i_size - offset;
	if (left > size)
		left = size;
	while (left > 0) {
		error = find_run(volume, &window, fat_first_cluster(file), offset, left, &run);
		if (!error)
			error = fat_block_read(volume, run.start, to, run.length);
		if (error)
			/* What was read before the damage is still good; the next call meets it first. */
			return to > (uint8_t *)buffer ? to - (uint8_t *)buffer : error;
		to += run.length;
		offset += run.length;
		left -= run.length;
	}
	return to - (uint8_t *)buffer;
}

EXPORT_SYMBOL_PROTO(fat_read, long fat_read(struct inode *, void *, size_t, u64));
