/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* trap_exit: crashes in cleanup, in the ways of trap. */
#include "module.h"
#include "trap.h"

char *how = "null";
MODULE_PARM(how, "s");

static int trap_exit_init(void)
{
	return 0;
}

static void trap_exit_exit(void)
{
	trap(how);
}

module_init(trap_exit_init);
module_exit(trap_exit_exit);

EXPORT_NO_SYMBOLS;

MODULE_DESCRIPTION("Crashes in cleanup");
MODULE_LICENSE("MIT OR Apache-2.0");
