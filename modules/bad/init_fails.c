/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * init_fails: its init routine fails, by default with -5. Nothing of it may
 * stay, and its cleanup routine must not be called.
 */
#include "module.h"

int init_fails_symbol(void);

int init_fails_symbol(void)
{
	return 1;
}

EXPORT_SYMBOL(init_fails_symbol);

int value = -EIO;
MODULE_PARM(value, "i");

static int __init init_fails_init(void)
{
	printk(KERN_INFO "init_fails: fails with %d\n", value);
	return value;
}

static void __exit init_fails_exit(void)
{
	printk(KERN_ERR "init_fails: cleanup was called although init had failed\n");
}

module_init(init_fails_init);
module_exit(init_fails_exit);

MODULE_DESCRIPTION("Fails to initialize");
MODULE_LICENSE("MIT OR Apache-2.0");
