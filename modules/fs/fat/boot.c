/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The boot sector: from the BIOS parameter block to the geometry of the volume.
 *
 * Every number in the sector comes from outside.  They are all checked here,
 * once, so that the rest of the module may compute with them: no later division
 * meets a zero and no later offset leaves 64 bits.
 */
#include "fat.h"

/* Cluster counts, and nothing else, tell FAT12, FAT16 and FAT32 apart. */
enum { FAT12_CLUSTERS_MAX = 4084, FAT16_CLUSTERS_MAX = 65524, FAT32_CLUSTERS_MAX = 0x0ffffff4 };

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* 0xf0 (removable) and 0xf8 to 0xff are the only media bytes ever assigned. */
static bool media_valid(uint8_t media)
{
	return media == 0xf0 || media >= 0xf8;
}

/* The largest cluster count that `bytes` of FAT can describe. */
static uint64_t fat_capacity(uint64_t bytes, enum fat_width width)
{
	uint64_t entries = bytes * 8 / (uint64_t)width;

	return entries > FAT_FIRST_CLUSTER ? entries - FAT_FIRST_CLUSTER : 0;
}

static enum fat_width width_of(bool fat32, uint64_t clusters)
{
	if (fat32)
		return FAT32;
	return clusters <= FAT12_CLUSTERS_MAX ? FAT12 : FAT16;
}

/* What is wrong with the fields that need no arithmetic, or NULL. */
static const char *check_fields(const uint8_t *boot)
{
	uint16_t sector = le16(boot + BPB_BYTES_PER_SECTOR);

	if (!media_valid(boot[BPB_MEDIA]))
		return "no FAT media byte";
	if (!power_of_two(sector) || sector < FAT_SECTOR_MIN || sector > FAT_SECTOR_MAX)
		return "bad sector size";
	if (!power_of_two(boot[BPB_SECTORS_PER_CLUSTER]))
		return "bad cluster size";
	if (le16(boot + BPB_RESERVED_SECTORS) == 0)
		return "no reserved sector";
	if (boot[BPB_FAT_COUNT] == 0)
		return "no FAT";
	if (le16(boot + BPB_ROOT_ENTRIES) % (sector / FAT_SLOT_SIZE) != 0)
		return "root directory does not fill its sectors";
	return NULL;
}

/* FAT32 has a root directory in a chain and may use one FAT of several. */
static const char *read_fat32(const uint8_t *boot, struct fat_volume *volume)
{
	uint16_t flags = le16(boot + BPB_EXT_FLAGS);
	uint32_t active = flags & EXT_MIRROR_OFF ? flags & EXT_ACTIVE_FAT : 0;

	if (le16(boot + BPB_VERSION) != 0)
		return "unknown FAT32 version";
	if (le16(boot + BPB_ROOT_ENTRIES) != 0)
		return "FAT32 with a fixed root directory";
	if (active >= boot[BPB_FAT_COUNT])
		return "active FAT does not exist";
	volume->fat_start += active * volume->fat_size;
	volume->root_cluster = le32(boot + BPB_ROOT_CLUSTER);
	if (!fat_cluster_valid(volume, volume->root_cluster))
		return "root directory outside the volume";
	return NULL;
}

static const char *read_geometry(const uint8_t *boot, struct fat_volume *volume)
{
	uint64_t sector = le16(boot + BPB_BYTES_PER_SECTOR);
	uint64_t total = le16(boot + BPB_TOTAL_SECTORS_16);
	uint64_t fat_sectors = le16(boot + BPB_FAT_SECTORS_16);
	bool fat32 = fat_sectors == 0;
	uint64_t clusters, capacity;

	if (total == 0)
		total = le32(boot + BPB_TOTAL_SECTORS_32);
	if (fat32)
		fat_sectors = le32(boot + BPB_FAT_SECTORS_32);
	if (fat_sectors == 0)
		return "empty FAT";
	volume->cluster_size = (uint32_t)sector * boot[BPB_SECTORS_PER_CLUSTER];
	volume->fat_size = fat_sectors * sector;
	volume->fat_start = le16(boot + BPB_RESERVED_SECTORS) * sector;
	volume->root_start = volume->fat_start + boot[BPB_FAT_COUNT] * volume->fat_size;
	volume->root_slots = le16(boot + BPB_ROOT_ENTRIES);
	volume->data_start = volume->root_start + (uint64_t)volume->root_slots * FAT_SLOT_SIZE;
	volume->size = total * sector;
	if (volume->data_start >= volume->size)
		return "no room for data";
	clusters = (volume->size - volume->data_start) / volume->cluster_size;
	volume->width = width_of(fat32, clusters);
	capacity = fat_capacity(volume->fat_size, volume->width);
	if (clusters > capacity)
		clusters = capacity;
	if (clusters == 0)
		return "no data cluster";
	if (clusters > (fat32 ? FAT32_CLUSTERS_MAX : FAT16_CLUSTERS_MAX))
		return "too many clusters";
	volume->clusters = (uint32_t)clusters;
	if (!fat32 && volume->root_slots == 0)
		return "no root directory";
	return fat32 ? read_fat32(boot, volume) : NULL;
}

const char *fat_parse_boot_sector(const uint8_t *boot, struct fat_volume *volume)
{
	const char *wrong = check_fields(boot);

	return wrong ? wrong : read_geometry(boot, volume);
}
