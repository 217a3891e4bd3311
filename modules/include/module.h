/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * module.h - what a module of the hosted kernel may use, in one file.
 *
 * A module is one relocatable object. It is linked into the running kernel by
 * insmod, may call what the kernel (and the modules loaded before it) export,
 * and offers two routines: init_module(), called once when it is loaded, and
 * cleanup_module(), called once before it is removed.
 *
 *	#include "module.h"
 *
 *	static int __init hello_init(void) { printk(KERN_INFO "hello\n"); return 0; }
 *	static void __exit hello_exit(void) { printk(KERN_INFO "bye\n"); }
 *	module_init(hello_init);
 *	module_exit(hello_exit);
 *	MODULE_LICENSE("MIT");
 *
 * Compile with  cc -std=gnu11 -O2 -ffreestanding -fPIC -fvisibility=hidden
 * -I modules/include -c hello.c -o hello.o  (gcc or clang, nothing else is
 * needed). For an a.out object use -fno-pic -fcommon in the place of -fPIC.
 *
 * Rules of the house: no C library, no thread-local variables, no
 * constructors. A function that fails returns a negative error number
 * (-ENOENT). Several clients may be inside the module at the same time, each
 * on a thread of its own. A module is trusted native code: the kernel checks
 * what it is handed where that is cheap, but it cannot stop a wild store.
 */
#ifndef KERNELD_MODULE_H
#define KERNELD_MODULE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Compiler ---------------------------------------------------------- */

#define __printf(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define __hidden __attribute__((visibility("hidden")))
#define __unused __attribute__((unused))
#define __packed __attribute__((packed))

/* Code and data that only initialization needs: the kernel frees them as soon
 * as init_module() has returned. Never call __init code from anywhere else. */
#define __init __attribute__((section(".init.text"), noinline))
#define __initdata __attribute__((section(".init.data")))
/* Code that only cleanup needs. It stays with the rest of the text. */
#define __exit __attribute__((section(".exit.text"), noinline))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

typedef int8_t s8;
typedef uint8_t u8;
typedef int16_t s16;
typedef uint16_t u16;
typedef int32_t s32;
typedef uint32_t u32;
typedef int64_t s64;
typedef uint64_t u64;

/* ---- Error numbers (errno(3), the ones that the kernel's callers know) -- */

#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define ENOTBLK 15
#define EBUSY 16
#define EEXIST 17
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define EFBIG 27
#define ENOSPC 28
#define EROFS 30
#define ENAMETOOLONG 36
#define ENOSYS 38
#define EPROTO 71
#define ENETUNREACH 101
#define ETIMEDOUT 110

/* ---- The kernel log ---------------------------------------------------- */

/* A level is the first three bytes of the format; without one: a warning. */
#define KERN_EMERG "<0>"   /* the system is unusable */
#define KERN_ALERT "<1>"   /* action must be taken at once */
#define KERN_CRIT "<2>"    /* critical conditions */
#define KERN_ERR "<3>"     /* errors */
#define KERN_WARNING "<4>" /* warnings */
#define KERN_NOTICE "<5>"  /* normal but significant */
#define KERN_INFO "<6>"    /* informational */
#define KERN_DEBUG "<7>"   /* debugging */

/* Writes to the kernel log (`khost dmesg`). Conversions: %d %i %u %o %x %X %c
 * %s %p %% with the flags - 0 + blank #, width and precision (also *), and the
 * sizes hh h l ll z t j. There is no floating point; what is not known is
 * printed as it stands. %s of NULL prints (null). At most 1,023 bytes of a
 * message are kept. Returns the number of bytes written. */
extern int printk(const char *format, ...) __printf(1, 2);

/* As in the C library, with the conversions of printk(). snprintf() returns
 * the length that the whole text would have had. */
extern int sprintf(char *buffer, const char *format, ...) __printf(2, 3);
extern int snprintf(char *buffer, size_t size, const char *format, ...) __printf(3, 4);
extern int vsnprintf(char *buffer, size_t size, const char *format, va_list args) __printf(3, 0);

/* ---- Strings and memory (exactly the C library's functions) ------------- */

extern void *memcpy(void *to, const void *from, size_t size);
extern void *memmove(void *to, const void *from, size_t size);
extern void *memset(void *at, int byte, size_t size);
extern int memcmp(const void *left, const void *right, size_t size);
extern void *memchr(const void *at, int byte, size_t size);
extern size_t strlen(const char *text);
extern size_t strnlen(const char *text, size_t size);
extern int strcmp(const char *left, const char *right);
extern int strncmp(const char *left, const char *right, size_t size);
extern char *strcpy(char *to, const char *from);
extern char *strncpy(char *to, const char *from, size_t size);
extern char *strcat(char *to, const char *from);
extern char *strchr(const char *text, int byte);
extern char *strrchr(const char *text, int byte);
extern char *strstr(const char *text, const char *wanted);
/* A number in base 2 to 36, or 0 = as in C (0x…, 0…); *end is set behind it. */
extern unsigned long simple_strtoul(const char *text, char **end, unsigned int base);

/* ---- The use count of this module -------------------------------------- */

/* insmod binds this name to the first word of the module's own data: the
 * number of users, and two flags in high bits. While it is not zero the module
 * cannot be removed. Change it by the macros only. Its address also tells the
 * kernel which module is calling. */
extern long mod_use_count_ __hidden;

#define MOD_AUTOCLEAN 0x40000000L /* loaded on demand: may be removed when idle */
#define MOD_VISITED 0x20000000L   /* used since the last idle tick */

/* One user more. Marking the use restarts the module's idle period. */
#define MOD_INC_USE_COUNT                                                                                              \
	do {                                                                                                           \
		__atomic_fetch_add(&mod_use_count_, 1L, __ATOMIC_SEQ_CST);                                             \
		__atomic_fetch_or(&mod_use_count_, MOD_VISITED, __ATOMIC_SEQ_CST);                                     \
	} while (0)

/* One user less. As soon as the count is zero the module may vanish, so let
 * nothing but the return to the kernel follow. */
#define MOD_DEC_USE_COUNT                                                                                              \
	do {                                                                                                           \
		__atomic_fetch_or(&mod_use_count_, MOD_VISITED, __ATOMIC_SEQ_CST);                                     \
		__atomic_fetch_sub(&mod_use_count_, 1L, __ATOMIC_SEQ_CST);                                             \
	} while (0)

#define MOD_IN_USE ((__atomic_load_n(&mod_use_count_, __ATOMIC_SEQ_CST) & ~(MOD_AUTOCLEAN | MOD_VISITED)) != 0)

/* ---- Entry points ------------------------------------------------------- */

/* 0 = the module is in; a negative error number = it is not, and its
 * cleanup_module() will not be called: undo what was done before returning. */
extern int init_module(void);
/* Undo everything that init_module() did. It cannot fail. */
extern void cleanup_module(void);

/* Name two (static) functions of your own; both lines are needed. The entry
 * points are never exported. */
#define module_init(function) int init_module(void) __attribute__((alias(#function)))
#define module_exit(function) void cleanup_module(void) __attribute__((alias(#function)))

/* ---- What other modules may use ----------------------------------------- */

#define __PASTE2(a, b) a##b
#define __PASTE(a, b) __PASTE2(a, b)
#define __in_section(name) __attribute__((section(name), used, aligned(1)))

/* Puts a symbol on the list of exports. A module with such a list exports
 * nothing else; a module without any exports all its global symbols that are
 * not hidden (-fvisibility=hidden hides them). */
#define EXPORT_SYMBOL(symbol) static const char __ksymstr_##symbol[] __in_section("__ksymtab_strings") = #symbol

/* The same, and gives the prototype that users are compiled against, so that
 * it gets a checksum: a module that was built against another prototype is
 * refused. The compiler checks it against the definition.
 *	EXPORT_SYMBOL_PROTO(fat_bmap, u32 fat_bmap(struct super_block *, u32));  */
#define EXPORT_SYMBOL_PROTO(symbol, ...)                                                                               \
	extern __VA_ARGS__;                                                                                            \
	static const char __kproto_##symbol[] __in_section("__kproto") = #symbol "\0" #__VA_ARGS__;                    \
	EXPORT_SYMBOL(symbol)

/* An empty list: this module exports nothing. */
#define EXPORT_NO_SYMBOLS static const char __kno_symbols[] __in_section("__ksymtab_strings") = ""

/* The older way, from within init_module() only: a table, its end marked by a
 * NULL name. It replaces what insmod has put together; NULL = export nothing.
 *	static struct symbol_table table = SYMBOL_TABLE(X(one), X(two));  */
struct internal_symbol {
	void *addr;
	const char *name;
};
struct symbol_table {
	int size;      /* bytes of an allocated table; 0 for a static one */
	int n_symbols; /* 0: counted up to the NULL name */
	int n_refs;    /* 0: the kernel keeps the references itself */
	struct internal_symbol symbol[32];
};
#define X(symbol) { (void *)&symbol, #symbol }
#define SYMBOL_TABLE(...) { 0, 0, 0, { __VA_ARGS__, { NULL, NULL } } }
extern int register_symtab_from(struct symbol_table *table, long *use_count);
#define register_symtab(table) register_symtab_from((table), &mod_use_count_)

/* The address of a symbol of the named module (NULL: of any module or the
 * kernel, newest first; "": of the kernel), or NULL. It says nothing about how
 * long the module stays. */
extern void *get_module_symbol(const char *module, const char *symbol);

/* ---- What modinfo shows, and parameters --------------------------------- */

#define __MODINFO(tag, text) static const char __PASTE(__modinfo_, __COUNTER__)[] __in_section(".modinfo") = tag "=" text

#define MODULE_AUTHOR(text) __MODINFO("author", text)
#define MODULE_DESCRIPTION(text) __MODINFO("description", text)
#define MODULE_LICENSE(text) __MODINFO("license", text)
#define MODULE_ALIAS(name) __MODINFO("alias", name)

/* Keeps a variable that only insmod writes from being taken for a constant. */
#define __PARAM(variable)                                                                                              \
	static const volatile void *const __PASTE(__param_, variable) __attribute__((used)) = &(variable)

/* Lets `insmod m.o var=1,2` set a variable, static or not. The type is one
 * letter, after an optional least and most number of values for arrays: b byte,
 * h short, i int, l long, s char *, cN char[N]:  MODULE_PARM(ports, "1-4i"); */
#define MODULE_PARM(variable, type)                                                                                    \
	__PARAM(variable);                                                                                             \
	__MODINFO("parm_" #variable, type)
#define MODULE_PARM_DESC(variable, text) __MODINFO("parm", #variable ":" text)

/* Today's form; types: byte short ushort int uint long ulong bool charp. */
#define module_param(variable, type)                                                                                   \
	__PARAM(variable);                                                                                             \
	__MODINFO("parmtype", #variable ":" #type)

/* ---- Memory -------------------------------------------------------------- */

#define GFP_KERNEL 0 /* may wait */
#define GFP_ATOMIC 1 /* must not wait: in interrupt handlers */

/* Aligned to 16 bytes, not cleared; NULL where there is none (or for a size of
 * 0 or over 16 MiB). Every block is booked on the module: what it has not
 * freed when it goes is reported in the kernel log, and freed then. */
extern void *__kmalloc(size_t size, int flags, long *use_count);
extern void *__kzalloc(size_t size, int flags, long *use_count);
#define kmalloc(size, flags) __kmalloc((size), (flags), &mod_use_count_)
#define kzalloc(size, flags) __kzalloc((size), (flags), &mod_use_count_)
/* NULL is fine; a pointer that kmalloc() did not give is reported, not freed. */
extern void kfree(const void *block);

/* ---- Demand loading ------------------------------------------------------ */

/* Asks kerneld to load a module (or what an alias of that name stands for) and
 * waits for it: 0, the exit status of modprobe (> 0), or a negative error
 * number (-ENODEV: no kerneld). Look again for what you wanted afterwards. */
extern int request_module(const char *name);

/* ---- Time and interrupts ------------------------------------------------- */

#define HZ 100
/* Timer ticks since the kernel started. */
extern volatile unsigned long jiffies;
/* Seconds since 1970. */
extern long get_seconds(void);
/* Sleeps; never in an interrupt handler. */
extern void msleep(unsigned int milliseconds);
/* Whether the caller runs in an interrupt handler. */
extern int in_interrupt(void);

#define NR_IRQS 16
#define TIMER_IRQ 0           /* raised HZ times a second */
#define SA_SHIRQ 0x04000000UL /* share the line with others who say so too */

struct pt_regs; /* always NULL here */
typedef void (*irq_handler_t)(int irq, void *dev_id, struct pt_regs *regs);

/* Calls `handler` whenever line `irq` is raised (line 0: the timer; any line:
 * `khost irq raise N`). -EINVAL: no such line or no handler; -EBUSY: taken, and
 * not shared by both. `dev_id` tells sharers apart. Handlers of one line never
 * run at the same time. In a handler: no sleeping, GFP_ATOMIC. */
extern int request_irq(unsigned int irq, irq_handler_t handler, unsigned long flags, const char *device, void *dev_id);
/* Takes the handler back. When it returns, the handler runs nowhere any more
 * (so never call it from that handler). */
extern void free_irq(unsigned int irq, void *dev_id);

/* ---- Locks --------------------------------------------------------------- */

/* Sleeping lock, one owner at a time: static struct mutex lock = MUTEX_INIT; */
struct mutex {
	unsigned int state;
};
#define MUTEX_INIT { 0 }
extern void mutex_lock(struct mutex *lock);
extern void mutex_unlock(struct mutex *lock);

/* ---- Block devices -------------------------------------------------------- */

typedef u32 kdev_t;

struct buffer_head {
	u64 b_blocknr; /* which block */
	size_t b_size; /* bytes in it */
	u8 *b_data;    /* the bytes; do not write */
	kdev_t b_dev;
};

/* Block number `block` of a device, in units of `size` bytes (a power of two,
 * 512 to 65,536), or NULL where the device ends before or cannot be read. Give
 * it back by brelse() (NULL is fine). */
extern struct buffer_head *bread(kdev_t dev, u64 block, size_t size);
extern void brelse(struct buffer_head *buffer);
/* Any range of bytes into a buffer of the caller: `size`, or less where the
 * device ends (0 behind its end), or a negative error number. */
extern long block_read(kdev_t dev, u64 offset, void *buffer, size_t size);
/* Bytes of a device, 0 for one that is not there. */
extern u64 block_size(kdev_t dev);

/* ---- File systems ---------------------------------------------------------- */

/* What a file is: st_mode of stat(2). */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_ISREG(mode) (((mode) & S_IFMT) == S_IFREG)
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)

#define NAME_MAX 255 /* bytes of one name */

struct super_block;
struct super_operations;

/* One file or directory, as the file system describes it. The kernel owns the
 * memory; the file system only fills it in, so there is nothing to release.
 * Inode objects are copied freely: what identifies the file must be in i_ino
 * and i_private. */
struct inode {
	struct super_block *i_sb; /* set by the kernel */
	u64 i_ino;                /* number, unique within the file system */
	u32 i_mode;               /* S_IFREG or S_IFDIR, and permissions (0755) */
	u32 i_nlink;
	u64 i_size;               /* bytes */
	s64 i_mtime;              /* seconds since 1970 */
	s64 i_atime;
	s64 i_ctime;
	u64 i_private[4];         /* the file system's own (first cluster, …) */
};

/* One mounted file system. */
struct super_block {
	kdev_t s_dev;                         /* its device, for bread(); 0 without one */
	u32 s_flags;                          /* MS_RDONLY is always set */
	u64 s_size;                           /* bytes of the device */
	struct file_system_type *s_type;
	const struct super_operations *s_op;  /* read_super sets it … */
	struct inode s_root;                  /* … and fills this in … */
	void *s_private;                      /* … and may keep something here */
};
#define MS_RDONLY 1U

struct kstatfs {
	u64 f_type;    /* magic number (0x4d44 for FAT) */
	u64 f_bsize;   /* bytes of a block */
	u64 f_blocks;  /* blocks in all */
	u64 f_bfree;   /* free blocks */
	u64 f_files;   /* inodes, 0 where that means nothing */
	u64 f_ffree;
	u64 f_namelen; /* longest name in bytes */
};

/* readdir() calls this for each entry: name (not NUL-terminated), its length,
 * the position behind the entry, inode number and mode (0 where not known). It
 * answers 0, or 1 = enough: return then, with *position behind this entry. */
typedef int (*filldir_t)(void *context, const char *name, size_t length, u64 position, u64 ino, u32 mode);

/* Operations on a mounted file system. All but put_super may run at the same
 * time on several threads. NULL = not offered (-ENOSYS), or, for put_super,
 * nothing to do. */
struct super_operations {
	/* Fills *result in for the entry `name` of a directory; -ENOENT. The kernel
	 * never asks for "", "." or "..", and `name` is also NUL-terminated. */
	int (*lookup)(struct inode *dir, const char *name, size_t length, struct inode *result);
	/* Entries from *position on (0 = the first), without "." and "..". 0 when
	 * the end is reached or the callback has enough. */
	int (*readdir)(struct inode *dir, u64 *position, filldir_t fill, void *context);
	/* Bytes of a file from `offset`: how many (0 at the end of the file). */
	long (*read)(struct inode *file, void *buffer, size_t size, u64 offset);
	int (*statfs)(struct super_block *sb, struct kstatfs *result);
	/* The file system is unmounted: free s_private, MOD_DEC_USE_COUNT. */
	void (*put_super)(struct super_block *sb);
};

struct file_system_type {
	const char *name; /* what `mount -t` says */
	int fs_flags;
	/* Mounts: looks whether the device carries this file system (-EINVAL if
	 * not; complain in the log unless `silent`), sets s_op and s_root,
	 * MOD_INC_USE_COUNT. `options` is the text after `-o`, "" without. */
	int (*read_super)(struct super_block *sb, const char *options, int silent);
	struct file_system_type *next; /* the kernel's */
};
#define FS_REQUIRES_DEV 1 /* it lives on a block device */

/* 0; -EBUSY: the name is taken; -EINVAL: no name, or no read_super of a module. */
extern int register_filesystem(struct file_system_type *type);
/* 0; -EINVAL: it is not registered. */
extern int unregister_filesystem(struct file_system_type *type);

#endif
