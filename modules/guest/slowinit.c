/* Its init takes its time, or until it is told to go on: parameters can be written while it runs. */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static unsigned int ms = 1500;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long init takes, in milliseconds");

static bool go;
module_param(go, bool, 0644);
MODULE_PARM_DESC(go, "ends the waiting");

static int __init slowinit_init(void)
{
	unsigned int waited;

	for (waited = 0; waited < ms && !READ_ONCE(go); waited += 50)
		msleep(50);
	return 0;
}

static void __exit slowinit_exit(void)
{
}

module_init(slowinit_init);
module_exit(slowinit_exit);

MODULE_DESCRIPTION("Starts slowly");
MODULE_LICENSE("Dual MIT/GPL");
