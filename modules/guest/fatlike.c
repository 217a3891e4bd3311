/* The base of a stack: one exported function. */
#include <linux/init.h>
#include <linux/module.h>

#include "fatlike.h"

int fatlike_level(int level)
{
	return level + 1;
}
EXPORT_SYMBOL(fatlike_level);

static int __init fatlike_init(void)
{
	return 0;
}

static void __exit fatlike_exit(void)
{
}

module_init(fatlike_init);
module_exit(fatlike_exit);

MODULE_DESCRIPTION("What vfatlike stands on");
MODULE_LICENSE("Dual MIT/GPL");
