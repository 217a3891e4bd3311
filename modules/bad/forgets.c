/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * forgets: registers a file system and an interrupt handler and goes without
 * taking them back. The kernel must not call what is no longer there.
 */
#include "module.h"

int irq = 5;
MODULE_PARM(irq, "i");

static int forgets_read_super(struct super_block *sb, const char *options, int silent)
{
	(void)sb;
	(void)options;
	(void)silent;
	return -EINVAL;
}

static struct file_system_type forgets_type = {
	.name = "forgets",
	.read_super = forgets_read_super,
};

static void forgets_irq(int line, void *dev_id, struct pt_regs *regs)
{
	(void)dev_id;
	(void)regs;
	printk(KERN_INFO "forgets: interrupt %d\n", line);
}

static int __init forgets_init(void)
{
	int error = register_filesystem(&forgets_type);

	return error ? error : request_irq((unsigned int)irq, forgets_irq, 0, "forgets", NULL);
}

static void __exit forgets_exit(void)
{
}

module_init(forgets_init);
module_exit(forgets_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Forgets to unregister");
MODULE_LICENSE("MIT OR Apache-2.0");
