/* A file system over any device: one directory with three files, one of which is the device itself. How it misbehaves is chosen
 * by a parameter, and each copy of the module registers under the name in another. */
#include "module.h"

static char *type_name = "toyfs";
static char *how = "well";
module_param(type_name, charp);
module_param(how, charp);

enum { ROOT = 1, DEVICE, TEXT, SUB };
static const char text[] = "what the file says\n";

static int fill_in(struct inode *inode, u64 number)
{
	inode->i_ino = number;
	inode->i_nlink = 1;
	inode->i_mtime = 951782400;
	inode->i_mode = number == ROOT || number == SUB ? S_IFDIR | 0755 : S_IFREG | 0644;
	inode->i_size = number == DEVICE ? inode->i_sb->s_size : number == TEXT ? sizeof text - 1 : 0;
	return 0;
}

static int lookup(struct inode *dir, const char *name, size_t length, struct inode *result)
{
	if (dir->i_ino != ROOT || name[length] != '\0')
		return -ENOENT;
	if (!strcmp(name, "device"))
		return fill_in(result, DEVICE);
	if (!strcmp(name, "text"))
		return fill_in(result, TEXT);
	if (!strcmp(name, "sub"))
		return fill_in(result, SUB);
	return -ENOENT;
}

static int readdir(struct inode *dir, u64 *position, filldir_t fill, void *context)
{
	static const char *const names[] = { "device", "text", "sub" };
	if (dir->i_ino != ROOT)
		return 0;
	if (!strcmp(how, "hostile-names")) {
		char name[300];
		memset(name, 'x', sizeof name);
		fill(context, name, sizeof name, 1, 9, 0);
		fill(context, "a/b", 3, 2, 9, 0);
		fill(context, "", 0, 3, 9, 0);
		fill(context, "nul\0", 4, 4, 9, 0);
		fill(context, NULL, 4, 4, 9, 0);
	}
	while (*position < ARRAY_SIZE(names)) {
		u64 at = (*position)++;
		if (fill(context, names[at], strlen(names[at]), *position, at, 0))
			break;
	}
	return 0;
}

static long read(struct inode *file, void *buffer, size_t size, u64 offset)
{
	if (!strcmp(how, "trap"))
		*(volatile int *)(size + 8) = 1; /* a page that is not there: sizes are small */
	if (!strcmp(how, "too-much"))
		return (long)size + 1;
	if (!strcmp(how, "odd-error"))
		return -4242;
	if (file->i_ino == TEXT) {
		if (offset >= sizeof text - 1)
			return 0;
		if (size > sizeof text - 1 - offset)
			size = sizeof text - 1 - offset;
		memcpy(buffer, text + offset, size);
		return (long)size;
	}
	/* By whole blocks where one fits, else by bytes: both ways must agree. */
	if (offset % 512 == 0 && size >= 512) {
		struct buffer_head *bh = bread(file->i_sb->s_dev, offset / 512, 512);
		if (bh) {
			memcpy(buffer, bh->b_data, bh->b_size);
			if (strcmp(how, "keep-buffers"))
				brelse(bh);
			return 512;
		}
	}
	return block_read(file->i_sb->s_dev, offset, buffer, size);
}

static int statfs(struct super_block *sb, struct kstatfs *result)
{
	result->f_type = 0x746f79;
	result->f_bsize = 512;
	result->f_blocks = block_size(sb->s_dev) / 512;
	result->f_namelen = NAME_MAX;
	return 0;
}

static void put_super(struct super_block *sb)
{
	kfree(sb->s_private);
	printk(KERN_INFO "%s: put_super\n", type_name);
	MOD_DEC_USE_COUNT;
}

static const struct super_operations operations = {
	.lookup = lookup, .readdir = readdir, .read = read, .statfs = statfs, .put_super = put_super,
};

static int read_super(struct super_block *sb, const char *options, int silent)
{
	if (!strcmp(how, "trap-in-mount"))
		__builtin_trap();
	if (sb->s_size < 512 || !strcmp(options, "refuse")) {
		if (!silent)
			printk(KERN_ERR "%s: not a device of mine\n", type_name);
		return -EINVAL;
	}
	sb->s_op = !strcmp(how, "wild-operations") ? (const struct super_operations *)8 : &operations;
	sb->s_private = kmalloc(100, GFP_KERNEL);
	fill_in(&sb->s_root, !strcmp(how, "root-is-a-file") ? TEXT : ROOT);
	MOD_INC_USE_COUNT;
	return 0;
}

static struct file_system_type type = { .fs_flags = FS_REQUIRES_DEV, .read_super = read_super };

static int __init start(void)
{
	struct file_system_type wild = { .name = "wild", .read_super = (void *)0x1000 };
	type.name = type_name;
	if (register_filesystem(NULL) != -EINVAL || register_filesystem(&wild) != -EINVAL || unregister_filesystem(&wild) != -EINVAL)
		return -EPROTO;
	return register_filesystem(&type);
}

static void __exit stop(void)
{
	if (strcmp(how, "forget"))
		unregister_filesystem(&type);
}

module_init(start);
module_exit(stop);
