/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From an 8.3 slot to an inode. */
#include "fat.h"

#include "inode.h"

static u32 first_cluster(const struct fat_volume *volume, const uint8_t *bytes)
{
	u32 low = le16(bytes + SLOT_CLUSTER_LOW);

	return volume->width == FAT32 ? low | (u32)le16(bytes + SLOT_CLUSTER_HIGH) << 16 : low;
}

u64 fat_slot_ino(const struct fat_slot *slot)
{
	return slot->offset / FAT_SLOT_SIZE;
}

u32 fat_slot_mode(const struct inode *dir, const struct fat_slot *slot)
{
	const struct fat_volume *volume = fat_volume_of(dir);
	u8 attr = slot->bytes[SLOT_ATTR];
	u32 write = attr & ATTR_READ_ONLY ? 0222 : 0;

	if (attr & ATTR_DIRECTORY)
		return S_IFDIR | (0777 & ~volume->umask_dir & ~write);
	return S_IFREG | (0777 & ~volume->umask_file & ~write);
}

static bool is_dot_dot(const uint8_t *bytes)
{
	return memcmp(bytes + SLOT_NAME, "..         ", 11) == 0 && bytes[SLOT_ATTR] & ATTR_DIRECTORY;
}

/*
 * A directory begins with "." and "..", the second of which says where its
 * parent is.  Since every directory has one "..", directories that agree with
 * it form a tree; without this test a damaged volume could hold a directory in
 * itself, and whoever lists it recursively would not come to an end.  (Some
 * programs give even these two long names, so ".." need not be the second slot.)
 */
static int check_directory(const struct inode *dir, u32 cluster)
{
	const struct fat_volume *volume = fat_volume_of(dir);
	u32 above = fat_first_cluster(dir), found;
	u8 bytes[FAT_SECTOR_MIN];
	size_t at;
	int error;

	if (!fat_cluster_valid(volume, cluster))
		goto damaged;
	error = fat_block_read(volume, fat_cluster_offset(volume, cluster), bytes, sizeof(bytes));
	if (error)
		return error;
	for (at = 0; at < sizeof(bytes) && bytes[at] != NAME_END; at += FAT_SLOT_SIZE) {
		if (!is_dot_dot(bytes + at))
			continue;
		/* The root directory goes by 0 here, on FAT32 too; some write its cluster. */
		found = first_cluster(volume, bytes + at);
		if (found == above || (found == 0 && above == volume->root_cluster))
			return 0;
		break;
	}
damaged:
	printk(KERN_ERR "fat: the directory at cluster %u is not where its parent says\n", cluster);
	return -EIO;
}

int fat_fill_inode(const struct inode *dir, const struct fat_slot *slot, struct inode *result)
{
	const u8 *bytes = slot->bytes;
	u32 cluster = first_cluster(fat_volume_of(dir), bytes);
	bool directory = bytes[SLOT_ATTR] & ATTR_DIRECTORY;
	int error = directory ? check_directory(dir, cluster) : 0;

	if (error)
		return error;
	result->i_ino = fat_slot_ino(slot);
	result->i_mode = fat_slot_mode(dir, slot);
	result->i_nlink = 1;
	/* A directory's slot has no size; its chain has. */
	result->i_size = directory ? 0 : le32(bytes + SLOT_FILE_SIZE);
	result->i_mtime = fat_time(le16(bytes + SLOT_MDATE), le16(bytes + SLOT_MTIME), 0);
	result->i_ctime = fat_time(le16(bytes + SLOT_CDATE), le16(bytes + SLOT_CTIME), bytes[SLOT_CTIME_CENTI]);
	result->i_atime = fat_time(le16(bytes + SLOT_ADATE), 0, 0);
	result->i_private[FAT_I_CLUSTER] = cluster;
	return 0;
}

EXPORT_SYMBOL_PROTO(fat_slot_ino, u64 fat_slot_ino(const struct fat_slot *));
EXPORT_SYMBOL_PROTO(fat_slot_mode, u32 fat_slot_mode(const struct inode *, const struct fat_slot *));
EXPORT_SYMBOL_PROTO(fat_fill_inode, int fat_fill_inode(const struct inode *, const struct fat_slot *, struct inode *));
