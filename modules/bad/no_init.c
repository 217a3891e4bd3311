/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* no_init: has no init_module(). */
#include "module.h"

void cleanup_module(void)
{
	printk(KERN_ERR "no_init: was stopped without having been started\n");
}

EXPORT_NO_SYMBOLS;
