/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vfat: FAT with long names, as Windows 95 introduced it.  A file has two
 * names, the long one and the 8.3 alias; listings show the long one, and either
 * finds the file, in any case.
 */
#include "fat.h"

#include "long_name.h"

/* An entry of a directory with both its names, which may be the same. */
struct entry {
	struct fat_slot slot;
	size_t length;
	char name[NAME_MAX + 1];
	size_t alias_length;
	char alias[FAT_SHORT_NAME_MAX + 1];
};

static void read_names(struct entry *entry, const struct long_name *collected)
{
	entry->alias_length = fat_short_name(&entry->slot, FAT_CASE_FLAGS, entry->alias);
	entry->length = long_name_of(collected, &entry->slot, entry->name);
	if (entry->length == 0) {
		memcpy(entry->name, entry->alias, entry->alias_length + 1);
		entry->length = entry->alias_length;
	}
}

/* 1 and the next entry, 0 at the end, -EIO. */
static int next_entry(struct fat_dir *dir, struct entry *entry)
{
	struct long_name collected;
	int found;

	long_name_forget(&collected);
	while ((found = fat_dir_next(dir, &entry->slot)) == 1) {
		if (long_name_is_piece(&entry->slot)) {
			long_name_add(&collected, &entry->slot);
			continue;
		}
		if (fat_slot_is_entry(&entry->slot)) {
			read_names(entry, &collected);
			return 1;
		}
		/* Whatever stands between the pieces and their slot parts them. */
		long_name_forget(&collected);
	}
	return found;
}

static bool has_name(const struct entry *entry, const char *name, size_t length)
{
	return fat_same_name(entry->name, entry->length, name, length) ||
	       fat_same_name(entry->alias, entry->alias_length, name, length);
}

static int vfat_lookup(struct inode *inode, const char *name, size_t length, struct inode *result)
{
	struct fat_dir dir;
	struct entry entry;
	int found = fat_dir_open(&dir, inode, 0);

	if (found < 0)
		return found;
	/* No name ends in a dot on disk; asking with one is the same as without. */
	while (length > 0 && name[length - 1] == '.')
		length--;
	while ((found = next_entry(&dir, &entry)) == 1)
		if (has_name(&entry, name, length))
			return fat_fill_inode(inode, &entry.slot, result);
	return found < 0 ? found : -ENOENT;
}

static int vfat_readdir(struct inode *inode, u64 *position, filldir_t fill, void *context)
{
	struct fat_dir dir;
	struct entry entry;
	int found = fat_dir_open(&dir, inode, *position);

	if (found < 0)
		return found;
	while ((found = next_entry(&dir, &entry)) == 1) {
		*position = entry.slot.number + 1;
		if (fill(context, entry.name, entry.length, *position, fat_slot_ino(&entry.slot),
			 fat_slot_mode(inode, &entry.slot)))
			return 0;
	}
	return found;
}

static void vfat_put_super(struct super_block *sb)
{
	fat_put_super(sb);
	MOD_DEC_USE_COUNT;
}

static const struct super_operations vfat_operations = {
	.lookup = vfat_lookup,
	.readdir = vfat_readdir,
	.read = fat_read,
	.statfs = fat_statfs,
	.put_super = vfat_put_super,
};

static int vfat_read_super(struct super_block *sb, const char *options, int silent)
{
	int error;

	/* First of all, because reading sleeps, and an unused module may be removed. */
	MOD_INC_USE_COUNT;
	error = fat_read_super(sb, options, silent);
	if (error)
		MOD_DEC_USE_COUNT;
	else
		sb->s_op = &vfat_operations;
	return error;
}

static struct file_system_type vfat_type = {
	.name = "vfat",
	.fs_flags = FS_REQUIRES_DEV,
	.read_super = vfat_read_super,
};

static int __init vfat_init(void)
{
	return register_filesystem(&vfat_type);
}

static void __exit vfat_exit(void)
{
	unregister_filesystem(&vfat_type);
}

module_init(vfat_init);
module_exit(vfat_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("FAT file systems with long names");
MODULE_LICENSE("MIT OR Apache-2.0");
MODULE_ALIAS("fs-vfat");
