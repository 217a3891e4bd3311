/* A module without an exit function, which stays for ever. */
#include <linux/init.h>
#include <linux/module.h>

static int __init noexit_init(void)
{
	return 0;
}

module_init(noexit_init);

MODULE_DESCRIPTION("Stays");
MODULE_LICENSE("Dual MIT/GPL");
