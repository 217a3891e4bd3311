/* Allocates, and gives back what it is told to. */
#include "module.h"

static int leak;
module_param(leak, int);
static void *blocks[4];

static int __init start(void)
{
	char *zeros = kzalloc(64, GFP_KERNEL);
	size_t i;
	int local;
	for (i = 0; i < 64; i++)
		if (!zeros || zeros[i])
			return -EPROTO;
	kfree(zeros);
	kfree(NULL);
	kfree(zeros);
	kfree(&local);
	if (kmalloc(0, GFP_KERNEL) || kmalloc((size_t)-1, GFP_KERNEL) || kmalloc(17 << 20, GFP_ATOMIC))
		return -EPROTO;
	if (__kmalloc(8, GFP_KERNEL, (long *)zeros))
		return -EPROTO;
	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		blocks[i] = kmalloc(1000 + i, GFP_KERNEL);
		if (!blocks[i] || (uintptr_t)blocks[i] % 16)
			return -ENOMEM;
		memset(blocks[i], 0xa5, 1000 + i);
	}
	return 0;
}

static void __exit stop(void)
{
	size_t i;
	for (i = leak ? 2 : 0; i < ARRAY_SIZE(blocks); i++)
		kfree(blocks[i]);
}

module_init(start);
module_exit(stop);
