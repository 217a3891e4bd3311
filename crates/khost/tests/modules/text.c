/* What printk, the string functions and the module calls do for a module. */
#include "module.h"

static struct mutex lock = MUTEX_INIT;
long counted;

long count(long times);
long count(long times)
{
	while (times-- > 0) {
		long seen;
		mutex_lock(&lock);
		seen = counted;
		counted = seen + 1;
		mutex_unlock(&lock);
	}
	return counted;
}
EXPORT_SYMBOL(count);

long hidden_by_default(void);
long hidden_by_default(void) { return 77; }
static struct symbol_table table = SYMBOL_TABLE(X(count), { (void *)&hidden_by_default, "shown_later" });

#define CHECK(condition) do { if (!(condition)) { printk(KERN_ERR "text: line %d\n", __LINE__); return -EPROTO; } } while (0)

static int format(char *buffer, size_t size, const char *template, ...)
{
	va_list args;
	int length;
	va_start(args, template);
	length = vsnprintf(buffer, size, template, args);
	va_end(args);
	return length;
}

static int __init start(void)
{
	char buffer[64], *end;
	volatile unsigned long before = jiffies;
	const char *volatile nobody = NULL;
	CHECK(sprintf(buffer, "%s-%03d-%lx", "a", 7, 0xbeefL) == 10 && !strcmp(buffer, "a-007-beef"));
	CHECK(snprintf(buffer, 5, "%d", 123456) == 6 && !strcmp(buffer, "1234"));
	CHECK(format(buffer, sizeof buffer, "%d %d %d %d %d %d %d %s", 1, 2, 3, 4, 5, 6, 7, "end") == 17 && !strcmp(buffer, "1 2 3 4 5 6 7 end"));
	CHECK(simple_strtoul("0x1fz", &end, 0) == 31 && *end == 'z');
	CHECK(strstr("haystack", "st") && !strchr("abc", 'd') && strrchr("a/b/c", '/')[1] == 'c' && strnlen("abcdef", 3) == 3);
	CHECK(memchr("abc", 'c', 3) && !memcmp("ab", "ab", 2) && strncmp("abc", "abd", 2) == 0);
	CHECK(get_module_symbol("", "printk") && !get_module_symbol(NULL, "no such symbol") && !get_module_symbol("text", "count"));
	CHECK(request_module("vfat") == -ENODEV && request_module(NULL) == -EINVAL);
	CHECK(register_symtab(&table) == 0);
	msleep(50);
	CHECK(jiffies > before);
	CHECK(register_symtab_from(&table, NULL) == -EINVAL);
	printk("<6>text: %d items, %s, %p\n", 3, nobody, nobody);
	printk(KERN_NOTICE "text: begun ");
	printk("and ended\n");
	return 0;
}

static void __exit stop(void) { printk(KERN_DEBUG "text: bye\n"); }

module_init(start);
module_exit(stop);
