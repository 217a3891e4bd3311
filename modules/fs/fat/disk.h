/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a FAT volume looks like on disk: offsets into the boot sector and into a
 * directory slot, as in Microsoft's "FAT32 File System Specification" 1.03.
 * Everything is little-endian and unaligned, so fields are read through le16()
 * and le32() and never by casting the buffer to a struct.
 */
#ifndef FAT_DISK_H
#define FAT_DISK_H

#include <stdint.h>

enum {
	FAT_SECTOR_MIN = 512,
	FAT_SECTOR_MAX = 4096,
	FAT_SLOT_SIZE = 32,
	/* A directory is at most 65,536 slots long (2 MiB), whatever its chain says. */
	FAT_DIR_SLOTS_MAX = 65536,
	FAT_FIRST_CLUSTER = 2,
};

/* The BIOS parameter block, in sector 0. */
enum {
	BPB_BYTES_PER_SECTOR = 11,
	BPB_SECTORS_PER_CLUSTER = 13,
	BPB_RESERVED_SECTORS = 14,
	BPB_FAT_COUNT = 16,
	BPB_ROOT_ENTRIES = 17,
	BPB_TOTAL_SECTORS_16 = 19,
	BPB_MEDIA = 21,
	BPB_FAT_SECTORS_16 = 22,
	BPB_TOTAL_SECTORS_32 = 32,
	/* From here on only where BPB_FAT_SECTORS_16 is zero: FAT32. */
	BPB_FAT_SECTORS_32 = 36,
	BPB_EXT_FLAGS = 40,
	BPB_VERSION = 42,
	BPB_ROOT_CLUSTER = 44,
};

/* BPB_EXT_FLAGS: with MIRROR_OFF only the FAT numbered in the low bits is valid. */
enum { EXT_ACTIVE_FAT = 0x0f, EXT_MIRROR_OFF = 0x80 };

/* A directory slot that holds an 8.3 entry. */
enum {
	SLOT_NAME = 0, /* 8 + 3 bytes, blank padded, no dot */
	SLOT_ATTR = 11,
	SLOT_CASE = 12,
	SLOT_CTIME_CENTI = 13, /* hundredths of a second on top of the even second */
	SLOT_CTIME = 14,
	SLOT_CDATE = 16,
	SLOT_ADATE = 18,
	SLOT_CLUSTER_HIGH = 20, /* FAT32 only */
	SLOT_MTIME = 22,
	SLOT_MDATE = 24,
	SLOT_CLUSTER_LOW = 26,
	SLOT_FILE_SIZE = 28,
};

enum {
	ATTR_READ_ONLY = 0x01,
	ATTR_HIDDEN = 0x02,
	ATTR_SYSTEM = 0x04,
	ATTR_VOLUME = 0x08,
	ATTR_DIRECTORY = 0x10,
	ATTR_ARCHIVE = 0x20,
	/* A combination no 8.3 entry has: the slot carries part of a long name. */
	ATTR_LONG_NAME = 0x0f,
	ATTR_LONG_NAME_MASK = 0x3f,
};

/* SLOT_CASE, as Windows NT uses it: the name is all lower case in that part. */
enum { CASE_LOWER_BASE = 0x08, CASE_LOWER_EXT = 0x10 };

/* The first name byte has meanings of its own. */
enum {
	NAME_END = 0x00,     /* no slot from here on was ever used */
	NAME_DELETED = 0xe5,
	NAME_KANJI_E5 = 0x05, /* stands for a name that really begins with 0xe5 */
};

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

#endif
