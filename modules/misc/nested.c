/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* nested: asks for another module while it is being loaded itself. */
#include "module.h"

char *want = "hello";
MODULE_PARM(want, "s");

static int __init nested_init(void)
{
	int status = request_module(want);

	printk(KERN_INFO "nested: %s was answered with %d\n", want, status);
	return status < 0 ? status : status > 0 ? -ENODEV : 0;
}

static void __exit nested_exit(void)
{
	printk(KERN_INFO "nested: gone\n");
}

module_init(nested_init);
module_exit(nested_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Loads another module from its init routine");
MODULE_LICENSE("MIT OR Apache-2.0");
