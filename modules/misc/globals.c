/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * globals: a module as they were before there was EXPORT_SYMBOL. Without a list
 * of exports all visible global symbols are exported (insmod -x: none are).
 */
#include "module.h"

/* Whatever -fvisibility says: what is hidden is not global to the loader. */
#pragma GCC visibility push(default)

int globals_value = 42;
int globals_shared[16]; /* with -fcommon a common symbol */

int globals_add(int more);

int globals_add(int more)
{
	globals_value += more;
	return globals_value;
}

#pragma GCC visibility pop

/* Not exported: static. */
static int hidden_value = 1;

int init_module(void)
{
	globals_shared[0] = hidden_value;
	printk(KERN_INFO "globals: %d\n", globals_add(0));
	return 0;
}

void cleanup_module(void)
{
	printk(KERN_INFO "globals: %d at the end\n", globals_value);
}
