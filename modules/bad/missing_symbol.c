/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* missing_symbol: needs a function and a variable that nobody exports. */
#include "module.h"

extern int no_such_function(int);
extern int no_such_variable;

/* Weak: it is all right if this one is not there. */
extern int maybe_there(void) __attribute__((weak));

static int __init missing_symbol_init(void)
{
	return maybe_there ? 0 : no_such_function(no_such_variable);
}

static void __exit missing_symbol_exit(void)
{
}

module_init(missing_symbol_init);
module_exit(missing_symbol_exit);

EXPORT_NO_SYMBOLS;
