/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * trap: crashes in init.
 *
 *	insmod trap.o how=null|ud2|div|write-rodata|write-text|stack|jump|jump-data
 */
#include "module.h"
#include "trap.h"

char *how = "null";
MODULE_PARM(how, "s");

static int trap_init(void)
{
	return trap(how);
}

static void __exit trap_exit(void)
{
	printk(KERN_ERR "trap: cleanup was called after a crash\n");
}

module_init(trap_init);
module_exit(trap_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Crashes in init");
MODULE_LICENSE("MIT OR Apache-2.0");
