/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Ways for code to go wrong, by name. */
#ifndef TRAP_H
#define TRAP_H

#include "module.h"

/* Hides from the compiler what it could foresee. */
static inline void *opaque(unsigned long value)
{
	__asm__ volatile("" : "+r"(value));
	return (void *)value;
}

static void trap_null(void)
{
	*(volatile int *)opaque(0) = 1;
}

static void trap_ud2(void)
{
	__asm__ volatile("ud2");
}

/* Not 1 / zero: compilers know a way to that without a division. */
static void trap_div(void)
{
	volatile int zero = 0;

	zero = 1000 / zero;
}

static const char read_only[] = "constant";

static void trap_write_rodata(void)
{
	*(volatile char *)opaque((unsigned long)read_only) = 'C';
}

/* Its own code: memory that runs is never writable. */
static void trap_write_text(void)
{
	*(volatile char *)opaque((unsigned long)trap_null) = (char)0xc3;
}

/* Each call keeps a page, and the caller needs it again after the call. There is
 * an end to it only for the compiler's peace of mind. */
static __attribute__((noinline)) int deeper(volatile char *above, int depth)
{
	static volatile int never = -1;
	volatile char page[4096];

	if (depth == never)
		return 0;
	page[depth % 4096] = (char)(above[0] + 1);
	return deeper(page, depth + 1) + page[depth % 4096];
}

static void trap_stack(void)
{
	volatile char first = 0;

	deeper(&first, 0);
}

static void trap_jump(void)
{
	((void (*)(void))opaque(0x1000))();
}

/* Data is not code. */
static void trap_jump_data(void)
{
	static char code[] = { (char)0xc3 };

	((void (*)(void))opaque((unsigned long)code))();
}

static const struct trap {
	const char *how;
	void (*go)(void);
} traps[] = {
	{ "null", trap_null },
	{ "ud2", trap_ud2 },
	{ "div", trap_div },
	{ "write-rodata", trap_write_rodata },
	{ "write-text", trap_write_text },
	{ "stack", trap_stack },
	{ "jump", trap_jump },
	{ "jump-data", trap_jump_data },
};

/* Does not come back; if it does, or if there is no such way, -EINVAL. */
static int trap(const char *how)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(traps); i++)
		if (strcmp(traps[i].how, how) == 0)
			traps[i].go();
	printk(KERN_ERR "trap: nothing happened by `%s`\n", how);
	return -EINVAL;
}

#endif
