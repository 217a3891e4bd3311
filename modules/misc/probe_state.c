/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * probe_state: what a module can see of itself while it initializes. Its
 * exports are to appear only when it runs, so init must not find them; a lookup
 * from outside any module tells the same later.
 */
#include "module.h"

int probe_state_here(void);

int probe_state_here(void)
{
	return 1;
}

EXPORT_SYMBOL_PROTO(probe_state_here, int probe_state_here(void));

/* Leaves time to look from outside while it is UNINITIALIZED. */
int ms;
MODULE_PARM(ms, "i");

static const char *seen(void)
{
	return get_module_symbol("probe_state", "probe_state_here") ? "visible" : "hidden";
}

static int __init probe_state_init(void)
{
	printk(KERN_INFO "probe_state: in init its exports are %s\n", seen());
	if (ms > 0)
		msleep((unsigned int)ms);
	return 0;
}

static void __exit probe_state_exit(void)
{
	printk(KERN_INFO "probe_state: in cleanup its exports are %s\n", seen());
}

module_init(probe_state_init);
module_exit(probe_state_exit);

MODULE_DESCRIPTION("Looks at its own state");
MODULE_LICENSE("MIT OR Apache-2.0");
