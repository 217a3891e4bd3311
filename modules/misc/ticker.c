/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* ticker: an interrupt handler. It counts the ticks of a line, the timer's by default. */
#include "module.h"

unsigned int irq = TIMER_IRQ;
MODULE_PARM(irq, "i");

/* Says how many ticks there were after each `every` of them; 0 = never. */
int every;
MODULE_PARM(every, "i");

static unsigned long ticks;
static unsigned long outside; /* times that the handler was not in an interrupt */

static void tick(int line, void *dev_id, struct pt_regs *regs)
{
	unsigned long now = __atomic_add_fetch(&ticks, 1, __ATOMIC_SEQ_CST);

	(void)dev_id;
	(void)regs;
	if (!in_interrupt())
		__atomic_add_fetch(&outside, 1, __ATOMIC_SEQ_CST);
	if (every > 0 && now % (unsigned long)every == 0)
		printk(KERN_INFO "ticker: %lu ticks of line %d\n", now, line);
}

static int __init ticker_init(void)
{
	int error = request_irq(irq, tick, SA_SHIRQ, "ticker", &ticks);

	if (error)
		printk(KERN_ERR "ticker: line %u is not to be had: %d\n", irq, error);
	return error;
}

static void __exit ticker_exit(void)
{
	free_irq(irq, &ticks);
	printk(KERN_INFO "ticker: %lu ticks, %lu outside of interrupts\n", ticks, outside);
}

module_init(ticker_init);
module_exit(ticker_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Counts interrupts");
MODULE_LICENSE("MIT OR Apache-2.0");
