/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* counter: the base of a stack. It exports three functions, one without a prototype. */
#include "module.h"

static long count;

long counter_next(void);
long counter_value(void);
void counter_hold(int held);

long counter_next(void)
{
	return __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
}

long counter_value(void)
{
	return __atomic_load_n(&count, __ATOMIC_SEQ_CST);
}

/* Who stands on it may also count as a user: a reference alone does not. */
void counter_hold(int held)
{
	if (held)
		MOD_INC_USE_COUNT;
	else
		MOD_DEC_USE_COUNT;
}

EXPORT_SYMBOL_PROTO(counter_next, long counter_next(void));
EXPORT_SYMBOL_PROTO(counter_value, long counter_value(void));
EXPORT_SYMBOL(counter_hold);

static int __init counter_init(void)
{
	printk(KERN_INFO "counter: starts at %ld\n", count);
	return 0;
}

static void __exit counter_exit(void)
{
	printk(KERN_INFO "counter: ends at %ld\n", count);
}

module_init(counter_init);
module_exit(counter_exit);

MODULE_DESCRIPTION("Counts for those who ask");
MODULE_LICENSE("MIT OR Apache-2.0");
