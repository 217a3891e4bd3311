/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * old_params: parameters as they were before there was a way to declare them.
 * Any symbol could be set; a word that is no number put its address there.
 *
 *	insmod old_params.o io=0x300,5 name=eth
 */
#include "module.h"

int io[2] = { -1, -1 };

/* Eight bytes wide, because it takes an address. */
char *name = "none";

int init_module(void)
{
	printk(KERN_INFO "old_params: io %d %d, name %s\n", io[0], io[1], name);
	return 0;
}

void cleanup_module(void)
{
}
