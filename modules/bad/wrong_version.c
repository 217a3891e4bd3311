/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * wrong_version: says that it was built for a kernel that nobody runs. -f
 * loads it all the same. With -DWRONG_CHECKSUM it also says that it knows
 * printk() with another prototype; a kernel with symbol versions refuses that,
 * whatever is forced.
 */
#include "module.h"

__MODINFO("kernel_version", "1.2.13");

#ifdef WRONG_CHECKSUM
__MODINFO("using_checksums", "1");

/* As modpost writes it: a checksum and the name, in 64 bytes. */
static const struct {
	unsigned long crc;
	char name[64 - sizeof(unsigned long)];
} versions[] __attribute__((section("__versions"), used)) = {
	{ 0xdeadbeef, "printk" },
};
#endif

static int __init wrong_version_init(void)
{
	printk(KERN_INFO "wrong_version: loaded by force\n");
	return 0;
}

static void __exit wrong_version_exit(void)
{
}

module_init(wrong_version_init);
module_exit(wrong_version_exit);

EXPORT_NO_SYMBOLS;
