/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* symtab: says what it exports by itself, at run time, by register_symtab(). */
#include "module.h"

int symtab_open(void);
int symtab_kept(void);

int symtab_open(void)
{
	return 1;
}

int symtab_kept(void)
{
	return 2;
}

/* 1: only symtab_open; 0: nothing at all. */
int table = 1;
MODULE_PARM(table, "i");

static struct symbol_table exports = SYMBOL_TABLE(X(symtab_open));

static int __init symtab_init(void)
{
	return register_symtab(table ? &exports : NULL);
}

static void __exit symtab_exit(void)
{
}

module_init(symtab_init);
module_exit(symtab_exit);

MODULE_DESCRIPTION("Registers its own table of exports");
MODULE_LICENSE("MIT OR Apache-2.0");
