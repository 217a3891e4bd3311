/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* no_cleanup: has no cleanup_module(), so insmod must not even ask for memory. */
#include "module.h"

int init_module(void)
{
	printk(KERN_ERR "no_cleanup: was started all the same\n");
	return 0;
}

EXPORT_NO_SYMBOLS;
