/* Its init answers what it is told to. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static int err = -19;
module_param(err, int, 0444);
MODULE_PARM_DESC(err, "what init answers");

static int __init failinit_init(void)
{
	pr_info("failinit: answers %d\n", err);
	return err;
}

static void __exit failinit_exit(void)
{
}

module_init(failinit_init);
module_exit(failinit_exit);

MODULE_DESCRIPTION("Fails as told");
MODULE_LICENSE("Dual MIT/GPL");
