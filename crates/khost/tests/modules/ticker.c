/* Counts what the interrupt lines do. */
#include "module.h"

static int line = 0, forget = 0, trap = 0;
module_param(line, int);
module_param(forget, int);
module_param(trap, int);

long ticks, in_context, waited;

static void handler(int irq, void *dev_id, struct pt_regs *regs)
{
	(void)regs;
	if (trap)
		__builtin_trap();
	if (irq == line && dev_id == &ticks) {
		__atomic_fetch_add(&ticks, 1, __ATOMIC_SEQ_CST);
		if (in_interrupt())
			in_context = 1;
		/* Without waiting, as nothing may sleep here. */
		waited = request_module("never-there");
		msleep(1000000);
	}
}

static int __init start(void)
{
	if (in_interrupt() || get_seconds() < 1600000000L)
		return -EPROTO;
	if (request_irq(99, handler, 0, "ticker", NULL) != -EINVAL || request_irq(3, NULL, 0, "ticker", NULL) != -EINVAL)
		return -EPROTO;
	return request_irq((unsigned int)line, handler, SA_SHIRQ, "ticker", &ticks);
}

static void __exit stop(void)
{
	if (!forget)
		free_irq((unsigned int)line, &ticks);
}

EXPORT_SYMBOL(ticks);
EXPORT_SYMBOL(in_context);
EXPORT_SYMBOL(waited);
module_init(start);
module_exit(stop);
