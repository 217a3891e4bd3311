/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hello: the smallest module that says something, with a parameter of each kind.
 *
 *	insmod hello.o times=2 whom=world sizes=1,2,3 tag=ab flags=3
 */
#include "module.h"

int times = 1;
MODULE_PARM(times, "i");
MODULE_PARM_DESC(times, "how often to say it");

char *whom = "kernel";
MODULE_PARM(whom, "s");

/* One to four values; what is not given stays as it is. */
int sizes[4] = { 1, 2, 4, 8 };
MODULE_PARM(sizes, "1-4i");

/* A string of fixed room: three letters and the final zero. */
char tag[4] = "-";
MODULE_PARM(tag, "c4");

short small = -1;
MODULE_PARM(small, "h");

char byte = 1;
MODULE_PARM(byte, "b");

long large = 1L << 40;
MODULE_PARM(large, "l");

/* Today's form, which also works for static variables. */
static unsigned int flags = 7;
module_param(flags, uint);

static int __init hello_init(void)
{
	int i;

	if (times < 0)
		return -EINVAL;
	for (i = 0; i < times; i++)
		printk(KERN_INFO "hello, %s\n", whom);
	printk(KERN_INFO "hello: sizes %d %d %d %d, tag %s, small %d, byte %d, large %ld, flags %u\n", sizes[0], sizes[1],
	       sizes[2], sizes[3], tag, small, byte, large, flags);
	return 0;
}

static void __exit hello_exit(void)
{
	printk(KERN_INFO "goodbye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);

EXPORT_NO_SYMBOLS;

MODULE_AUTHOR("The kerneld project");
MODULE_DESCRIPTION("Says hello");
MODULE_LICENSE("MIT OR Apache-2.0");
