/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the module keeps in an inode's i_private. */
#ifndef FAT_INODE_H
#define FAT_INODE_H

#include "fat.h"

enum { FAT_I_CLUSTER = 0 };

/* The root directory's number: the slot with that number would lie in the boot
 * sector, so no entry can have it. */
enum { FAT_ROOT_INO = 1 };

static inline struct fat_volume *fat_volume_of(const struct inode *inode)
{
	return inode->i_sb->s_private;
}

/* 0 for an empty file and for the fixed root directory. */
static inline uint32_t fat_first_cluster(const struct inode *inode)
{
	return (uint32_t)inode->i_private[FAT_I_CLUSTER];
}

#endif
