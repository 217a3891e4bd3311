/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mounting and unmounting, and the module itself. */
#include "fat.h"

#include "inode.h"

enum { FAT_MAGIC = 0x4d44, FAT_NAME_MAX = 255, FREE_UNKNOWN = -1 };

static void fill_root(struct super_block *sb, const struct fat_volume *volume)
{
	struct inode *root = &sb->s_root;

	root->i_sb = sb;
	root->i_ino = FAT_ROOT_INO;
	root->i_mode = S_IFDIR | (0777 & ~volume->umask_dir);
	root->i_nlink = 1;
	root->i_size = (u64)volume->root_slots * FAT_SLOT_SIZE;
	root->i_private[FAT_I_CLUSTER] = volume->root_cluster;
}

/* Read the volume's description into *volume. */
static int recognise(struct super_block *sb, struct fat_volume *volume, const char *options, int silent)
{
	u8 boot[FAT_SECTOR_MIN];
	const char *wrong;
	int error = fat_block_read(volume, 0, boot, sizeof(boot));

	if (error)
		return error;
	wrong = fat_parse_boot_sector(boot, volume);
	if (wrong) {
		if (!silent)
			printk(KERN_ERR "fat: not a FAT volume: %s\n", wrong);
		return -EINVAL;
	}
	if (volume->size > sb->s_size)
		printk(KERN_WARNING "fat: the volume has %llu bytes, its device only %llu\n", (unsigned long long)volume->size,
		       (unsigned long long)sb->s_size);
	return fat_parse_options(volume, options);
}

int fat_read_super(struct super_block *sb, const char *options, int silent)
{
	struct fat_volume *volume = kzalloc(sizeof(*volume), GFP_KERNEL);
	int error;

	if (!volume)
		return -ENOMEM;
	volume->dev = sb->s_dev;
	volume->umask_file = volume->umask_dir = 0022;
	volume->free_clusters = FREE_UNKNOWN;
	error = recognise(sb, volume, options, silent);
	if (error) {
		kfree(volume);
		return error;
	}
	fill_root(sb, volume);
	sb->s_private = volume;
	/* vfat's reference keeps this module until now, the count keeps it after. */
	MOD_INC_USE_COUNT;
	return 0;
}

void fat_put_super(struct super_block *sb)
{
	kfree(sb->s_private);
	sb->s_private = NULL;
	MOD_DEC_USE_COUNT;
}

/* The table is read through once; after that nothing can change it. */
static int free_clusters(struct fat_volume *volume, u64 *count)
{
	int64_t known = __atomic_load_n(&volume->free_clusters, __ATOMIC_RELAXED);
	uint32_t counted;
	int error;

	if (known == FREE_UNKNOWN) {
		error = fat_count_free(volume, &counted);
		if (error)
			return error;
		known = counted;
		__atomic_store_n(&volume->free_clusters, known, __ATOMIC_RELAXED);
	}
	*count = (u64)known;
	return 0;
}

int fat_statfs(struct super_block *sb, struct kstatfs *result)
{
	struct fat_volume *volume = sb->s_private;

	result->f_type = FAT_MAGIC;
	result->f_bsize = volume->cluster_size;
	result->f_blocks = volume->clusters;
	result->f_files = 0;
	result->f_ffree = 0;
	result->f_namelen = FAT_NAME_MAX;
	return free_clusters(volume, &result->f_bfree);
}

EXPORT_SYMBOL_PROTO(fat_read_super, int fat_read_super(struct super_block *, const char *, int));
EXPORT_SYMBOL_PROTO(fat_put_super, void fat_put_super(struct super_block *));
EXPORT_SYMBOL_PROTO(fat_statfs, int fat_statfs(struct super_block *, struct kstatfs *));

static int __init fat_init(void)
{
	printk(KERN_INFO "fat: FAT12, FAT16 and FAT32 volumes\n");
	return 0;
}

static void __exit fat_exit(void)
{
	printk(KERN_INFO "fat: gone\n");
}

module_init(fat_init);
module_exit(fat_exit);

MODULE_DESCRIPTION("What the FAT file systems have in common");
MODULE_LICENSE("MIT OR Apache-2.0");
