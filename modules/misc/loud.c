/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * loud: exports a function of a name that the kernel exports too. Modules that
 * are loaded after it get this one; those before it keep what they have.
 */
#include "module.h"

static size_t loud_strlen(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

/* One more than it is, so that a user can tell. */
size_t strlen(const char *text)
{
	return loud_strlen(text) + 1;
}

EXPORT_SYMBOL(strlen);

static int __init loud_init(void)
{
	printk(KERN_INFO "loud: my strlen of \"four\" is %zu\n", strlen("four"));
	return 0;
}

static void __exit loud_exit(void)
{
}

module_init(loud_init);
module_exit(loud_exit);

MODULE_DESCRIPTION("Overrides a symbol of the kernel");
MODULE_LICENSE("MIT OR Apache-2.0");
