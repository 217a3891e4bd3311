/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sleeper: takes its time. While it initializes, the kernel must serve others,
 * the module must not be removable, and killing insmod must not matter.
 *
 *	insmod sleeper.o ms=500 exit_ms=100
 */
#include "module.h"

int ms = 1000;
MODULE_PARM(ms, "i");
MODULE_PARM_DESC(ms, "milliseconds that init sleeps");

int exit_ms;
MODULE_PARM(exit_ms, "i");
MODULE_PARM_DESC(exit_ms, "milliseconds that cleanup sleeps");

static int __init sleeper_init(void)
{
	printk(KERN_INFO "sleeper: sleeps for %d ms\n", ms);
	if (ms > 0)
		msleep((unsigned int)ms);
	printk(KERN_INFO "sleeper: awake\n");
	return 0;
}

static void __exit sleeper_exit(void)
{
	if (exit_ms > 0)
		msleep((unsigned int)exit_ms);
	printk(KERN_INFO "sleeper: gone\n");
}

module_init(sleeper_init);
module_exit(sleeper_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Initializes slowly");
MODULE_LICENSE("MIT OR Apache-2.0");
