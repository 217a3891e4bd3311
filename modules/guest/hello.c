/* Parameters of every kind, aliases with patterns, softdeps before and behind. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static int num = 1;
static char *who = "world";
static bool loud;
static int many[3];
static int many_given;

module_param(num, int, 0444);
MODULE_PARM_DESC(num, "how many greetings");
module_param(who, charp, 0444);
MODULE_PARM_DESC(who, "whom to greet");
module_param(loud, bool, 0444);
module_param_array(many, int, &many_given, 0444);
MODULE_PARM_DESC(many, "up to three numbers");

static int __init hello_init(void)
{
	pr_info("hello: %d to <%s>%s, %d more\n", num, who, loud ? " loudly" : "", many_given);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("hello: gone\n");
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_ALIAS("greeting-[0-9]");
MODULE_ALIAS("gr?ting");
MODULE_SOFTDEP("pre: nls_ascii post: nls_cp437");
MODULE_VERSION("1.2");
MODULE_DESCRIPTION("Says hello in the log");
MODULE_LICENSE("Dual MIT/GPL");
