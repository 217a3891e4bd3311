/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* leak: keeps memory when it goes; the kernel has to notice and free it. */
#include "module.h"

int blocks = 3;
MODULE_PARM(blocks, "i");

int bytes = 100;
MODULE_PARM(bytes, "i");

static int __init leak_init(void)
{
	void *freed = kmalloc(64, GFP_KERNEL);
	void *block;
	int i;

	if (bytes < 0)
		return -EINVAL;
	for (i = 0; i < blocks; i++) {
		block = kmalloc((size_t)bytes, GFP_KERNEL);
		if (!block)
			return -ENOMEM;
		memset(block, 0x5a, (size_t)bytes);
	}
	/* This one is not leaked. */
	kfree(freed);
	return 0;
}

static void __exit leak_exit(void)
{
}

module_init(leak_init);
module_exit(leak_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Leaks memory");
MODULE_LICENSE("MIT OR Apache-2.0");
