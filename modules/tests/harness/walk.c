/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reads everything there is, in two ways, and checks what any volume must keep. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

/* A tree in 65,525 clusters can be deep, but not this deep by accident. */
enum { DEPTH_MAX = 64, PATH_BYTES = 8192, READ_BYTES = 65536, SMALL_READ = 1000 };

/* At most so many bytes of a file are read: damaged sizes reach 4 GiB. */
enum { FILE_BYTES_MAX = 64 << 20 };

struct names {
	struct name {
		char text[NAME_MAX + 1];
		size_t length;
		u64 ino;
		u32 mode;
	} *entries;
	size_t count, room;
	size_t batch; /* entries until the callback has enough */
};

static u32 crc32(u32 crc, const u8 *bytes, size_t length)
{
	static u32 table[256];
	u32 index, bit;

	for (index = 0; table[255] == 0 && index < 256; index++)
		for (table[index] = index, bit = 0; bit < 8; bit++)
			table[index] = table[index] >> 1 ^ (table[index] & 1 ? 0xedb88320 : 0);
	for (crc = ~crc; length > 0; bytes++, length--)
		crc = crc >> 8 ^ table[(crc ^ *bytes) & 0xff];
	return ~crc;
}

static void check_name(const char *name, size_t length)
{
	if (length == 0 || length > NAME_MAX || memchr(name, 0, length) || memchr(name, '/', length))
		fail("a directory has the name `%.*s`", (int)length, name);
	if ((length == 1 && name[0] == '.') || (length == 2 && memcmp(name, "..", 2) == 0))
		fail("a directory lists `%.*s`", (int)length, name);
}

static int take_name(void *context, const char *name, size_t length, u64 position, u64 ino, u32 mode)
{
	struct names *names = context;
	struct name *entry;

	(void)position;
	check_name(name, length);
	if (names->count == names->room) {
		names->room = names->room ? names->room * 2 : 16;
		names->entries = realloc(names->entries, names->room * sizeof(*names->entries));
	}
	entry = &names->entries[names->count++];
	memcpy(entry->text, name, length);
	entry->text[length] = '\0';
	entry->length = length;
	entry->ino = ino;
	entry->mode = mode;
	return names->count % names->batch == 0;
}

/* Lists a directory, seven entries to a call as a caller with a small buffer would. */
static int list(struct inode *dir, struct names *names)
{
	u64 position = 0, before;
	size_t count;
	int error;

	names->batch = 7;
	do {
		before = position;
		count = names->count;
		error = dir->i_sb->s_op->readdir(dir, &position, take_name, names);
		if (!error && names->count > count && position <= before)
			fail("readdir does not get on from position %" PRIu64, before);
	} while (!error && names->count > count);
	return error;
}

/* Reads a file and its checksum; `piece` bytes at once. */
static long read_all(struct inode *file, size_t piece, u32 *crc, u64 *bytes)
{
	static u8 buffer[READ_BYTES];
	u64 offset = 0;
	long got;

	*crc = 0;
	while (offset < FILE_BYTES_MAX) {
		got = file->i_sb->s_op->read(file, buffer, piece, offset);
		if (got > (long)piece)
			fail("read answers %ld bytes of %zu", got, piece);
		if (got <= 0)
			break;
		*crc = crc32(*crc, buffer, (size_t)got);
		offset += (u64)got;
	}
	*bytes += offset;
	if (offset < FILE_BYTES_MAX && got == 0 && offset != file->i_size)
		fail("a file of %" PRIu64 " bytes ends after %" PRIu64, file->i_size, offset);
	return offset < FILE_BYTES_MAX ? got : 0;
}

static void walk_file(struct inode *file, const char *path, enum listing listing, struct totals *totals)
{
	u32 crc, again;
	u64 ignored = 0;
	long error = read_all(file, READ_BYTES, &crc, &totals->bytes);

	if (listing == PRINT) {
		/* Small odd pieces must give the same bytes as large ones. */
		if (read_all(file, SMALL_READ, &again, &ignored) != error || again != crc)
			fail("`%s` reads differently in small pieces", path);
		printf("%s\t%o\t%" PRIu64 "\t%" PRId64 "\t%08x\t%ld\n", path, file->i_mode, file->i_size, file->i_mtime, crc,
		       error);
	}
	totals->errors += error < 0;
}

static void walk_dir(struct inode *dir, char *path, size_t length, int depth, enum listing listing, struct totals *totals);

static void visit(struct inode *dir, const struct name *name, char *path, size_t length, int depth, enum listing listing,
		  struct totals *totals)
{
	struct inode inode = { .i_sb = dir->i_sb };
	int error = dir->i_sb->s_op->lookup(dir, name->text, name->length, &inode);

	totals->entries++;
	snprintf(path + length, PATH_BYTES - length, "/%s", name->text);
	if (error) {
		if (listing == PRINT)
			printf("%s\t%o\t0\t0\t0\t%d\n", path, name->mode, error);
		totals->errors++;
		return;
	}
	if (listing == PRINT && (inode.i_ino != name->ino || inode.i_mode != name->mode))
		fail("`%s`: lookup and readdir disagree", path);
	if (S_ISDIR(inode.i_mode))
		walk_dir(&inode, path, length + 1 + name->length, depth + 1, listing, totals);
	else
		walk_file(&inode, path, listing, totals);
}

static void walk_dir(struct inode *dir, char *path, size_t length, int depth, enum listing listing, struct totals *totals)
{
	struct names names = { 0 };
	int error = list(dir, &names);
	size_t i;

	if (listing == PRINT && depth > 0)
		printf("%.*s\t%o\t%" PRIu64 "\t%" PRId64 "\t-\t%d\n", (int)length, path, dir->i_mode, dir->i_size, dir->i_mtime,
		       error);
	totals->errors += error < 0;
	if (depth > DEPTH_MAX)
		fail("directories are nested %d deep", depth);
	for (i = 0; i < names.count && length + NAME_MAX + 2 < PATH_BYTES; i++)
		visit(dir, &names.entries[i], path, length, depth, listing, totals);
	free(names.entries);
}

void walk(struct super_block *sb, enum listing listing, struct totals *totals)
{
	char path[PATH_BYTES] = "";

	memset(totals, 0, sizeof(*totals));
	walk_dir(&sb->s_root, path, 0, 0, listing, totals);
}
