/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* measure: says what strlen() says; tells whether loud came before it. */
#include "module.h"

/* Not known when it is compiled, so that the call stays a call. */
char *word = "four";
MODULE_PARM(word, "s");

static int __init measure_init(void)
{
	printk(KERN_INFO "measure: strlen of \"%s\" is %zu\n", word, strlen(word));
	return 0;
}

static void __exit measure_exit(void)
{
}

module_init(measure_init);
module_exit(measure_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Calls strlen");
MODULE_LICENSE("MIT OR Apache-2.0");
