/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * harness IMAGE TYPE OPTIONS tree           a line for each entry: path, mode,
 *                                           size, mtime, CRC-32, error
 * harness IMAGE TYPE OPTIONS statfs         block size, blocks, free blocks
 * harness IMAGE TYPE OPTIONS stat PATH...   inode number, mode, or the error
 * harness IMAGE TYPE OPTIONS threads        reads everything on four threads
 * harness IMAGE - SEED fuzz ROUNDS          reads damaged images
 *
 * Exit status 0; 1 and the error number if the mount fails; abort() on a fault
 * of the modules.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

/* Walks a path without a leading slash; it is cut into its names on the way. */
static int find(struct super_block *sb, char *path, struct inode *inode)
{
	struct inode next;
	char *slash;
	int error;

	*inode = sb->s_root;
	for (; path; path = slash ? slash + 1 : NULL) {
		slash = strchr(path, '/');
		if (slash)
			*slash = '\0';
		memset(&next, 0, sizeof(next));
		next.i_sb = sb;
		error = sb->s_op->lookup(inode, path, strlen(path), &next);
		if (error)
			return error;
		*inode = next;
	}
	return 0;
}

static void print_stat(struct super_block *sb, char *path)
{
	struct inode inode;
	int error;

	printf("%s\t", path);
	error = find(sb, path, &inode);
	if (error)
		printf("error\t%d\n", error);
	else
		printf("%llu\t%o\n", (unsigned long long)inode.i_ino, inode.i_mode);
}

static void print_statfs(struct super_block *sb)
{
	struct kstatfs result;
	int error = sb->s_op->statfs(sb, &result);

	if (error)
		fail("statfs answers %d", error);
	printf("%llu\t%llu\t%llu\t%llu\n", (unsigned long long)result.f_bsize, (unsigned long long)result.f_blocks,
	       (unsigned long long)result.f_bfree, (unsigned long long)result.f_namelen);
}

static void *reader(void *sb)
{
	struct inode root = ((struct super_block *)sb)->s_root;
	struct kstatfs result;
	u64 turns;

	for (turns = 0; turns < 50; turns++) {
		struct inode file = { .i_sb = sb };
		u8 buffer[3000];
		u64 offset = 0;
		long got;

		if (root.i_sb->s_op->lookup(&root, "frag1.bin", 9, &file) || root.i_sb->s_op->statfs(sb, &result))
			fail("a thread does not find its file");
		do {
			got = root.i_sb->s_op->read(&file, buffer, sizeof(buffer), offset);
			for (long i = 0; i < got; i++)
				if (buffer[i] != (u8)((offset + (u64)i) * 7 + 1))
					fail("a thread reads wrong bytes");
			offset += got > 0 ? (u64)got : 0;
		} while (got > 0);
		if (got < 0 || offset != file.i_size)
			fail("a thread cannot read");
	}
	return NULL;
}

static void run_threads(struct super_block *sb)
{
	pthread_t threads[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		if (pthread_create(&threads[i], NULL, reader, sb))
			fail("no thread");
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	printf("4 threads agree\n");
}

static void run(struct super_block *sb, int argc, char **argv)
{
	struct totals totals;
	int i;

	if (strcmp(argv[4], "tree") == 0)
		walk(sb, PRINT, &totals);
	else if (strcmp(argv[4], "statfs") == 0)
		print_statfs(sb);
	else if (strcmp(argv[4], "threads") == 0)
		run_threads(sb);
	for (i = 5; strcmp(argv[4], "stat") == 0 && i < argc; i++)
		print_stat(sb, argv[i]);
}

int main(int argc, char **argv)
{
	struct super_block sb;
	int error = 0;

	if (argc < 5)
		return 2;
	device_open(argv[1]);
	load_modules();
	if (strcmp(argv[4], "fuzz") == 0) {
		fuzz(strtoull(argv[3], NULL, 0), strtoull(argv[5], NULL, 0));
	} else {
		error = mount_image(argv[2], argv[3], &sb);
		if (error) {
			printf("mount\t%d\n", error);
		} else {
			run(&sb, argc, argv);
			unmount_image(&sb);
		}
	}
	unload_modules();
	return error != 0;
}
