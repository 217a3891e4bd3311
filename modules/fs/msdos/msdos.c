/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * msdos: FAT as DOS knew it.  A name has up to 8 characters, a dot, and up to 3
 * more; on disk all are capitals.  Listings show them small, and a name is found
 * in any case.  Long names are skipped: on a volume that vfat wrote, files appear
 * under their aliases.
 */
#include "fat.h"

/* 1 and the next entry, 0 at the end, -EIO. */
static int next_entry(struct fat_dir *dir, struct fat_slot *slot)
{
	int found;

	do
		found = fat_dir_next(dir, slot);
	while (found == 1 && !fat_slot_is_entry(slot));
	return found;
}

static int msdos_lookup(struct inode *inode, const char *name, size_t length, struct inode *result)
{
	char text[FAT_SHORT_NAME_MAX + 1];
	struct fat_dir dir;
	struct fat_slot slot;
	int found = fat_dir_open(&dir, inode, 0);

	if (found < 0)
		return found;
	while ((found = next_entry(&dir, &slot)) == 1)
		if (fat_same_name(text, fat_short_name(&slot, FAT_CASE_LOWER, text), name, length))
			return fat_fill_inode(inode, &slot, result);
	return found < 0 ? found : -ENOENT;
}

static int msdos_readdir(struct inode *inode, u64 *position, filldir_t fill, void *context)
{
	char text[FAT_SHORT_NAME_MAX + 1];
	struct fat_dir dir;
	struct fat_slot slot;
	size_t length;
	int found = fat_dir_open(&dir, inode, *position);

	if (found < 0)
		return found;
	while ((found = next_entry(&dir, &slot)) == 1) {
		length = fat_short_name(&slot, FAT_CASE_LOWER, text);
		*position = slot.number + 1;
		if (fill(context, text, length, *position, fat_slot_ino(&slot), fat_slot_mode(inode, &slot)))
			return 0;
	}
	return found;
}

static int msdos_statfs(struct super_block *sb, struct kstatfs *result)
{
	int error = fat_statfs(sb, result);

	result->f_namelen = 12; /* 8 + 1 + 3 */
	return error;
}

static void msdos_put_super(struct super_block *sb)
{
	fat_put_super(sb);
	MOD_DEC_USE_COUNT;
}

static const struct super_operations msdos_operations = {
	.lookup = msdos_lookup,
	.readdir = msdos_readdir,
	.read = fat_read,
	.statfs = msdos_statfs,
	.put_super = msdos_put_super,
};

static int msdos_read_super(struct super_block *sb, const char *options, int silent)
{
	int error;

	/* First of all, because reading sleeps, and an unused module may be removed. */
	MOD_INC_USE_COUNT;
	error = fat_read_super(sb, options, silent);
	if (error)
		MOD_DEC_USE_COUNT;
	else
		sb->s_op = &msdos_operations;
	return error;
}

static struct file_system_type msdos_type = {
	.name = "msdos",
	.fs_flags = FS_REQUIRES_DEV,
	.read_super = msdos_read_super,
};

static int __init msdos_init(void)
{
	return register_filesystem(&msdos_type);
}

static void __exit msdos_exit(void)
{
	unregister_filesystem(&msdos_type);
}

module_init(msdos_init);
module_exit(msdos_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("FAT file systems with 8.3 names");
MODULE_LICENSE("MIT OR Apache-2.0");
MODULE_ALIAS("fs-msdos");
