/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The file allocation table: one link per cluster, 12, 16 or 32 bits wide.
 *
 * A damaged table may link in circles, leave the volume, or point at free
 * clusters.  fat_follow() reports the last two, fat_check_chain() the first;
 * both cost no memory, so a volume of any size can be checked.
 */
#include "fat.h"

/* The top four bits of a FAT32 link are reserved and not part of the number. */
static const uint32_t link_mask[] = { [FAT12] = 0xfff, [FAT16] = 0xffff, [FAT32] = 0x0fffffff };

/* Links from mask-7 up end a chain; the one below them marks a bad cluster. */
enum { LINK_END = 7 };

bool fat_cluster_valid(const struct fat_volume *volume, uint32_t cluster)
{
	return cluster >= FAT_FIRST_CLUSTER && cluster - FAT_FIRST_CLUSTER < volume->clusters;
}

uint64_t fat_cluster_offset(const struct fat_volume *volume, uint32_t cluster)
{
	return volume->data_start + (uint64_t)(cluster - FAT_FIRST_CLUSTER) * volume->cluster_size;
}

/* Where the bytes that hold the link of `cluster` begin inside the table. */
static uint64_t link_offset(const struct fat_volume *volume, uint32_t cluster)
{
	return (uint64_t)cluster * volume->width / 8;
}

/*
 * Bring the link's bytes into the window.  The window reaches one byte past its
 * 512, because a 12-bit link may straddle that border.
 */
static int load_window(const struct fat_volume *volume, struct fat_window *window, uint64_t offset)
{
	uint64_t start = offset - offset % FAT_WINDOW_STEP;
	uint64_t left = volume->fat_size - start;
	size_t length = left < sizeof(window->bytes) ? left : sizeof(window->bytes);
	int error;

	if (window->loaded && window->start == start)
		return 0;
	window->loaded = false;
	error = fat_block_read(volume, volume->fat_start + start, window->bytes, length);
	if (error)
		return error;
	window->start = start;
	window->loaded = true;
	return 0;
}

int fat_read_link(const struct fat_volume *volume, struct fat_window *window, uint32_t cluster, uint32_t *link)
{
	uint64_t offset = link_offset(volume, cluster);
	int error = load_window(volume, window, offset);
	const uint8_t *p;

	if (error)
		return error;
	p = window->bytes + (offset - window->start);
	if (volume->width == FAT12)
		*link = cluster & 1 ? le16(p) >> 4 : le16(p) & 0xfff;
	else
		*link = (volume->width == FAT16 ? le16(p) : le32(p)) & link_mask[volume->width];
	return 0;
}

int fat_follow(const struct fat_volume *volume, struct fat_window *window, uint32_t *cluster)
{
	uint32_t link;
	int error = fat_read_link(volume, window, *cluster, &link);

	if (error)
		return error;
	if (link >= link_mask[volume->width] - LINK_END)
		return FAT_CHAIN_END;
	if (!fat_cluster_valid(volume, link)) {
		printk(KERN_ERR "fat: cluster %u links to %u, which is no data cluster\n", *cluster, link);
		return -EIO;
	}
	*cluster = link;
	return FAT_CHAIN_MORE;
}

/*
 * Brent's algorithm: `mark` waits at a cluster while `cluster` walks on, and
 * moves up after 1, 2, 4, 8 ... steps.  In a cycle the walker meets the mark as
 * soon as the stride is as long as the cycle.
 */
int fat_check_chain(const struct fat_volume *volume, uint32_t first)
{
	struct fat_window window = { .loaded = false };
	uint32_t cluster = first, mark = first, steps = 0, stride = 1;
	int more;

	if (!fat_cluster_valid(volume, first)) {
		printk(KERN_ERR "fat: a chain begins at %u, which is no data cluster\n", first);
		return -EIO;
	}
	while ((more = fat_follow(volume, &window, &cluster)) == FAT_CHAIN_MORE) {
		if (cluster == mark) {
			printk(KERN_ERR "fat: the chain from cluster %u runs in a circle\n", first);
			return -EIO;
		}
		if (++steps == stride) {
			mark = cluster;
			steps = 0;
			stride *= 2;
		}
	}
	return more == FAT_CHAIN_END ? 0 : more;
}

int fat_count_free(const struct fat_volume *volume, uint32_t *count)
{
	struct fat_window window = { .loaded = false };
	uint32_t link, index;
	int error;

	*count = 0;
	for (index = 0; index < volume->clusters; index++) {
		error = fat_read_link(volume, &window, FAT_FIRST_CLUSTER + index, &link);
		if (error)
			return error;
		*count += link == 0;
	}
	return 0;
}
