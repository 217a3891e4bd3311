/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reading the device: all or nothing. */
#include "fat.h"

int fat_block_read(const struct fat_volume *volume, uint64_t offset, void *buffer, size_t size)
{
	long got = block_read(volume->dev, offset, buffer, size);

	if (got >= 0 && (size_t)got == size)
		return 0;
	printk(KERN_ERR "fat: cannot read %zu bytes at %llu of the device\n", size, (unsigned long long)offset);
	return -EIO;
}
