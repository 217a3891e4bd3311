/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The fat module: what the FAT file systems have in common.
 *
 * vfat and msdos differ in how they read names and in nothing else, so this
 * module does the rest for both: it understands the boot sector, follows
 * chains, walks directories, and reads files.  It registers no file system of
 * its own.  The part below "Exported" is what the two are compiled against.
 *
 * Everything is read from the image; nothing is ever written.  All state of a
 * mount is in its struct fat_volume, which does not change after the mount
 * except for the two caches, each behind its lock or atomic; so any number of
 * threads may be in here.
 */
#ifndef FAT_H
#define FAT_H

#include <stdbool.h>

#include "disk.h"
#include "module.h"

/* The width of a link; the value is its size in bits. */
enum fat_width { FAT12 = 12, FAT16 = 16, FAT32 = 32 };

/* Where reading stopped in a recently read chain. */
struct fat_hint {
	uint32_t first;   /* first cluster of the chain, 0 = unused */
	uint32_t index;   /* this many links from there ... */
	uint32_t cluster; /* ... is this cluster */
};

enum { FAT_HINTS = 16 };

/* A mounted volume.  Offsets and sizes are bytes of the device. */
struct fat_volume {
	kdev_t dev;
	enum fat_width width;
	uint32_t cluster_size;
	uint32_t clusters;     /* data clusters; numbered from FAT_FIRST_CLUSTER */
	uint32_t root_slots;   /* FAT12, FAT16: slots of the fixed root directory */
	uint32_t root_cluster; /* FAT32: where the root directory's chain begins; else 0 */
	uint64_t size;
	uint64_t fat_start;
	uint64_t fat_size;
	uint64_t root_start;
	uint64_t data_start;
	uint32_t umask_file;     /* permission bits that files lose */
	uint32_t umask_dir;      /* permission bits that directories lose */
	int64_t free_clusters;   /* -1 until they have been counted; atomic */
	struct mutex hints_lock;
	struct fat_hint hints[FAT_HINTS];
};

/* A piece of the allocation table, so that links are not read one by one. */
enum { FAT_WINDOW_STEP = 512 };
struct fat_window {
	bool loaded;
	uint64_t start;
	uint8_t bytes[FAT_WINDOW_STEP + 4];
};

/* ---- Inside the module ---------------------------------------------------- */

/* boot.c */

/* Fill in the geometry from the first FAT_SECTOR_MIN bytes of the device.
 * Returns what is wrong with them, or NULL. */
const char *fat_parse_boot_sector(const uint8_t *boot, struct fat_volume *volume);

/* chain.c */

enum { FAT_CHAIN_END = 0, FAT_CHAIN_MORE = 1 };

bool fat_cluster_valid(const struct fat_volume *volume, uint32_t cluster);
/* Where a valid cluster begins on the device. */
uint64_t fat_cluster_offset(const struct fat_volume *volume, uint32_t cluster);
/* The raw link of a valid cluster.  0 or -EIO. */
int fat_read_link(const struct fat_volume *volume, struct fat_window *window, uint32_t cluster, uint32_t *link);
/* Step from a valid cluster to the next, which is valid too.
 * FAT_CHAIN_MORE, FAT_CHAIN_END (and *cluster as it was), or -EIO. */
int fat_follow(const struct fat_volume *volume, struct fat_window *window, uint32_t *cluster);
/* Walk a whole chain: 0, or -EIO if it leaves the volume or never ends. */
int fat_check_chain(const struct fat_volume *volume, uint32_t first);
int fat_count_free(const struct fat_volume *volume, uint32_t *count);

/* seek.c */

/* The cluster `index` links into a chain.  -EIO if the chain is shorter or damaged. */
int fat_seek(struct fat_volume *volume, struct fat_window *window, uint32_t first, uint32_t index, uint32_t *cluster);
/* Remember for the next fat_seek() how far a reader came. */
void fat_remember(struct fat_volume *volume, uint32_t first, uint32_t index, uint32_t cluster);

/* device.c */

/* Exactly `size` bytes of the device: 0, or -EIO where it ends before or cannot be read. */
int fat_block_read(const struct fat_volume *volume, uint64_t offset, void *buffer, size_t size);

/* time.c */

/* A DOS date and time, taken as UTC, in seconds since 1970; 0 for no date. */
int64_t fat_time(uint16_t date, uint16_t time, uint8_t centi);

/* options.c */

/* What stands behind `-o`.  0 or -EINVAL. */
int fat_parse_options(struct fat_volume *volume, const char *options);

/* utf8.c */

/* One character of a text that is not at its end; 0 = it is not valid.  *text
 * moves behind it. */
u32 fat_utf8_decode(const char **text, const char *end);

/* upper.c */

/* The capital form of a character, or the character itself. */
u32 fat_upper(u32 character);

/* ---- Exported: for vfat and msdos ------------------------------------------ */

/* One slot of a directory and where it is. */
struct fat_slot {
	uint8_t bytes[FAT_SLOT_SIZE];
	uint64_t number; /* slots from the beginning of the directory */
	uint64_t offset; /* bytes from the beginning of the device */
};

/* A walk over the slots of a directory. */
struct fat_dir {
	struct fat_volume *volume;
	uint32_t first;    /* first cluster; 0 = the fixed root directory */
	uint32_t cluster;  /* of the next slot */
	uint64_t next;     /* number of the next slot */
	bool at_border;    /* the next slot is in the cluster after `cluster` */
	bool buffered;
	uint64_t buffer_start;
	uint8_t buffer[FAT_SECTOR_MIN];
	struct fat_window window;
};

/* Mount: checks the device, allocates the volume, fills in s_root, s_private and
 * counts a user of this module.  The caller sets s_op.  0, -EINVAL (no FAT
 * volume, or an unknown option), -EIO, -ENOMEM. */
int fat_read_super(struct super_block *sb, const char *options, int silent);
/* Unmount: the reverse. */
void fat_put_super(struct super_block *sb);
int fat_statfs(struct super_block *sb, struct kstatfs *result);
long fat_read(struct inode *file, void *buffer, size_t size, u64 offset);

/* Begin at a slot number.  0, -ENOTDIR, or -EIO for a damaged chain. */
int fat_dir_open(struct fat_dir *dir, const struct inode *inode, u64 slot);
/* 1 and the next slot that was ever used (deleted ones too), 0 at the end, -EIO. */
int fat_dir_next(struct fat_dir *dir, struct fat_slot *slot);

/* Whether an 8.3 slot names a file or directory: not deleted, not a volume
 * label, not part of a long name, not "." or "..". */
int fat_slot_is_entry(const struct fat_slot *slot);
/* The inode of such a slot.  0, or -EIO if a directory does not lie where its
 * parent says. */
int fat_fill_inode(const struct inode *dir, const struct fat_slot *slot, struct inode *result);
/* The mode alone, for readdir. */
u32 fat_slot_mode(const struct inode *dir, const struct fat_slot *slot);
/* The number alone. */
u64 fat_slot_ino(const struct fat_slot *slot);

/* How the bytes of an 8.3 name become letters. */
enum fat_case { FAT_CASE_STORED, FAT_CASE_LOWER, FAT_CASE_FLAGS };

/* NAME.EXT of a slot in UTF-8 and NUL-terminated, into FAT_SHORT_NAME_MAX + 1
 * bytes; returns its length. */
enum { FAT_SHORT_NAME_MAX = 11 * 3 + 1 };
size_t fat_short_name(const struct fat_slot *slot, enum fat_case letters, char *name);

/* A character in UTF-8: at most 4 bytes; returns how many. */
size_t fat_utf8_encode(u32 character, char *to);
/* Whether two names in UTF-8 are equal but for the case of their letters. */
int fat_same_name(const char *left, size_t left_length, const char *right, size_t right_length);

#endif
