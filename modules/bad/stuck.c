/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* stuck: counts a user that never goes, so it can never be removed. */
#include "module.h"

static int __init stuck_init(void)
{
	MOD_INC_USE_COUNT;
	return 0;
}

static void __exit stuck_exit(void)
{
	printk(KERN_ERR "stuck: was removed while it was in use\n");
}

module_init(stuck_init);
module_exit(stuck_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Is in use for ever");
MODULE_LICENSE("MIT OR Apache-2.0");
