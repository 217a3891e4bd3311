/* Asks for another module from its own init. */
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static char *name = "greeting-5";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "what to ask for");

static int __init reqmod_init(void)
{
	pr_info("reqmod: asked for %s: %d\n", name, request_module("%s", name));
	return 0;
}

static void __exit reqmod_exit(void)
{
}

module_init(reqmod_init);
module_exit(reqmod_exit);

MODULE_DESCRIPTION("Asks for a module while it starts");
MODULE_LICENSE("Dual MIT/GPL");
