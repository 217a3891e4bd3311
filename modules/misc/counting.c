/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* counting: stands on counter, and on rot13 if that is there when it starts. */
#include "module.h"

extern long counter_next(void);

static int __init counting_init(void)
{
	void (*rot13)(unsigned char *, unsigned long) = get_module_symbol("rot13", "rot13");
	char text[] = "counting";

	/* Only for now: a symbol that was looked up is no reference. */
	if (rot13)
		rot13((unsigned char *)text, sizeof(text) - 1);
	printk(KERN_INFO "%s: %ld\n", text, counter_next());
	return 0;
}

static void __exit counting_exit(void)
{
	printk(KERN_INFO "counting: %ld\n", counter_next());
}

module_init(counting_init);
module_exit(counting_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Uses counter");
MODULE_LICENSE("MIT OR Apache-2.0");
