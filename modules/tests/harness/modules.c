/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Loading, mounting, and what must hold before and after. */
#include "harness.h"

int fat_init_module(void), vfat_init_module(void), msdos_init_module(void);
void fat_cleanup_module(void), vfat_cleanup_module(void), msdos_cleanup_module(void);

long fat_use_count, vfat_use_count, msdos_use_count;

static long users_of(long count)
{
	return count & ~(MOD_AUTOCLEAN | MOD_VISITED);
}

long users(void)
{
	return users_of(fat_use_count) + users_of(vfat_use_count) + users_of(msdos_use_count);
}

void load_modules(void)
{
	if (fat_init_module() || vfat_init_module() || msdos_init_module())
		fail("a module does not initialize");
}

void unload_modules(void)
{
	msdos_cleanup_module();
	vfat_cleanup_module();
	fat_cleanup_module();
	if (find_type("vfat") || find_type("msdos"))
		fail("a file system is registered after its module has gone");
	if (blocks_in_use())
		fail("%ld blocks were not freed", blocks_in_use());
}

int mount_image(const char *name, const char *options, struct super_block *sb)
{
	struct file_system_type *type = find_type(name);
	long before = users(), blocks = blocks_in_use();
	int error;

	if (!type)
		fail("no file system `%s`", name);
	memset(sb, 0, sizeof(*sb));
	sb->s_dev = 1;
	sb->s_flags = MS_RDONLY;
	sb->s_size = device.size;
	sb->s_type = type;
	error = type->read_super(sb, options, 0);
	/* Every mount counts in the type's own module and in fat. */
	if (users() != before + (error ? 0 : 2))
		fail("%ld users after a mount that answered %d, %ld before", users(), error, before);
	if (error && blocks_in_use() != blocks)
		fail("a mount that failed left %ld blocks", blocks_in_use() - blocks);
	if (!error && (!sb->s_op || !S_ISDIR(sb->s_root.i_mode)))
		fail("a mount without operations or root");
	sb->s_root.i_sb = sb;
	return error;
}

void unmount_image(struct super_block *sb)
{
	long before = users();

	sb->s_op->put_super(sb);
	if (users() != before - 2)
		fail("%ld users after an unmount, %ld before", users(), before);
}
