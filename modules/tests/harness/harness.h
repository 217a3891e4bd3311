/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The file-system modules as an ordinary program: the kernel's exports they
 * need, over an image in memory, so that sanitizers can watch them.  The
 * modules are compiled with init_module, cleanup_module and mod_use_count_
 * renamed (see testkit), so that several fit into one program.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>

#include "module.h"

/* The device: a private copy of the image file, so that it may be damaged. */
struct device {
	u8 *bytes;
	u64 size;
	u64 reads;       /* calls of block_read so far */
	u64 reads_limit; /* more than that is an endless loop; 0 = no limit */
};

extern struct device device;
extern bool log_to_stderr;

void device_open(const char *path);
/* Blocks that kmalloc() gave and nobody freed. */
long blocks_in_use(void);
/* A registered type, or NULL. */
struct file_system_type *find_type(const char *name);
/* A failure of the module under test: says so and ends the program. */
void fail(const char *format, ...) __printf(1, 2) __attribute__((noreturn));

void load_modules(void);
void unload_modules(void);
/* Users of fat, vfat and msdos together. */
long users(void);

int mount_image(const char *type, const char *options, struct super_block *sb);
void unmount_image(struct super_block *sb);

/* What a walk over everything met. */
struct totals {
	u64 entries;
	u64 bytes;
	u64 errors;
};
enum listing { QUIET, PRINT };
/* Reads every directory and file; PRINT: a line for each. */
void walk(struct super_block *sb, enum listing listing, struct totals *totals);

void fuzz(u64 seed, u64 rounds);

#endif
