/* Its init takes its time. */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static unsigned int ms = 1500;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long init takes, in milliseconds");

static int __init slowinit_init(void)
{
	msleep(ms);
	return 0;
}

static void __exit slowinit_exit(void)
{
}

module_init(slowinit_init);
module_exit(slowinit_exit);

MODULE_DESCRIPTION("Starts slowly");
MODULE_LICENSE("Dual MIT/GPL");
