/* A file system without a disk, loaded when somebody mounts it: its one file tells a parameter, as fatlike sees it. */
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "fatlike.h"

static int level = 1;
module_param(level, int, 0444);
MODULE_PARM_DESC(level, "a number for the file `level`");

static ssize_t level_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	char text[16];
	int length = scnprintf(text, sizeof(text), "%d\n", fatlike_level(level));

	return simple_read_from_buffer(to, size, at, text, length);
}

static const struct file_operations level_operations = {
	.owner = THIS_MODULE,
	.read = level_read,
};

/* Inode 1 is the root's; an empty name ends the list. */
static const struct tree_descr files[] = {
	[2] = { "level", &level_operations, 0444 },
	[3] = { "" },
};

static int vfatlike_fill(struct super_block *super, struct fs_context *context)
{
	return simple_fill_super(super, 0x76666c6b, files);
}

static int vfatlike_tree(struct fs_context *context)
{
	return get_tree_nodev(context, vfatlike_fill);
}

static const struct fs_context_operations context_operations = {
	.get_tree = vfatlike_tree,
};

static int vfatlike_context(struct fs_context *context)
{
	context->ops = &context_operations;
	return 0;
}

static struct file_system_type vfatlike = {
	.owner = THIS_MODULE,
	.name = "vfatlike",
	.init_fs_context = vfatlike_context,
	.kill_sb = kill_litter_super,
};

static int __init vfatlike_init(void)
{
	return register_filesystem(&vfatlike);
}

static void __exit vfatlike_exit(void)
{
	unregister_filesystem(&vfatlike);
}

module_init(vfatlike_init);
module_exit(vfatlike_exit);

MODULE_ALIAS_FS("vfatlike");
MODULE_DESCRIPTION("A file system that tells a parameter");
MODULE_LICENSE("Dual MIT/GPL");
