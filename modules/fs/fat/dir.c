/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Directories: an array of 32-byte slots, in a chain of clusters like a file,
 * or, for the root of FAT12 and FAT16, in a fixed place before the data.
 */
#include "fat.h"

#include "inode.h"

static uint32_t slots_per_cluster(const struct fat_dir *dir)
{
	return dir->volume->cluster_size / FAT_SLOT_SIZE;
}

static bool is_fixed_root(const struct fat_dir *dir)
{
	return dir->first == 0;
}

int fat_dir_open(struct fat_dir *dir, const struct inode *inode, u64 slot)
{
	uint32_t index;
	int error, more;

	if (!S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	dir->volume = fat_volume_of(inode);
	dir->first = fat_first_cluster(inode);
	dir->cluster = dir->first;
	dir->next = slot < FAT_DIR_SLOTS_MAX ? slot : FAT_DIR_SLOTS_MAX;
	dir->at_border = false;
	dir->buffered = false;
	dir->window.loaded = false;
	if (is_fixed_root(dir))
		return 0;
	error = fat_check_chain(dir->volume, dir->first);
	if (error)
		return error;
	for (index = (uint32_t)dir->next / slots_per_cluster(dir); index > 0; index--) {
		more = fat_follow(dir->volume, &dir->window, &dir->cluster);
		if (more < 0)
			return more;
		if (more == FAT_CHAIN_END) {
			/* The position is behind the end: there is nothing more to read. */
			dir->next = FAT_DIR_SLOTS_MAX;
			return 0;
		}
	}
	return 0;
}

/* Where the next slot lies: 1, 0 behind the last one, -EIO. */
static int locate(struct fat_dir *dir, uint64_t *offset)
{
	int more;

	if (is_fixed_root(dir)) {
		*offset = dir->volume->root_start + dir->next * FAT_SLOT_SIZE;
		return dir->next < dir->volume->root_slots;
	}
	if (dir->next >= FAT_DIR_SLOTS_MAX)
		return 0;
	if (dir->at_border) {
		more = fat_follow(dir->volume, &dir->window, &dir->cluster);
		if (more != FAT_CHAIN_MORE)
			return more;
		dir->at_border = false;
	}
	*offset = fat_cluster_offset(dir->volume, dir->cluster) + dir->next % slots_per_cluster(dir) * FAT_SLOT_SIZE;
	return 1;
}

static int load_buffer(struct fat_dir *dir, uint64_t offset)
{
	uint64_t start = offset - offset % sizeof(dir->buffer);
	int error;

	if (dir->buffered && dir->buffer_start == start)
		return 0;
	dir->buffered = false;
	error = fat_block_read(dir->volume, start, dir->buffer, sizeof(dir->buffer));
	if (error)
		return error;
	dir->buffer_start = start;
	dir->buffered = true;
	return 0;
}

int fat_dir_next(struct fat_dir *dir, struct fat_slot *slot)
{
	uint64_t offset = 0;
	int found = locate(dir, &offset);
	int error;

	if (found <= 0)
		return found;
	error = load_buffer(dir, offset);
	if (error)
		return error;
	memcpy(slot->bytes, dir->buffer + (offset - dir->buffer_start), FAT_SLOT_SIZE);
	if (slot->bytes[SLOT_NAME] == NAME_END)
		return 0;
	slot->number = dir->next++;
	slot->offset = offset;
	dir->at_border = dir->next % slots_per_cluster(dir) == 0;
	return 1;
}

EXPORT_SYMBOL_PROTO(fat_dir_open, int fat_dir_open(struct fat_dir *, const struct inode *, u64));
EXPORT_SYMBOL_PROTO(fat_dir_next, int fat_dir_next(struct fat_dir *, struct fat_slot *));
