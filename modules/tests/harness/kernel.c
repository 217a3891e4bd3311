/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The kernel's exports, as far as file systems use them. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "harness.h"

struct device device;
bool log_to_stderr = true;

static struct file_system_type *types;
static long blocks;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "FAILED: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

void device_open(const char *path)
{
	FILE *file = fopen(path, "rb");
	long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;

	if (size > 0)
		device.bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	if (size <= 0 || device.bytes == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	device.size = (u64)size;
	fclose(file);
}

long blocks_in_use(void)
{
	return blocks;
}

int printk(const char *format, ...)
{
	va_list args;
	int length = 0;

	va_start(args, format);
	if (log_to_stderr)
		length = vfprintf(stderr, format, args);
	va_end(args);
	return length;
}

void *__kmalloc(size_t size, int flags, long *use_count)
{
	(void)flags;
	(void)use_count;
	__atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED);
	return malloc(size);
}

void *__kzalloc(size_t size, int flags, long *use_count)
{
	void *block = __kmalloc(size, flags, use_count);

	return block ? memset(block, 0, size) : NULL;
}

void kfree(const void *block)
{
	if (block)
		__atomic_fetch_sub(&blocks, 1, __ATOMIC_RELAXED);
	free((void *)(uintptr_t)block);
}

long block_read(kdev_t dev, u64 offset, void *buffer, size_t size)
{
	u64 reads = __atomic_add_fetch(&device.reads, 1, __ATOMIC_RELAXED);

	(void)dev;
	if (device.reads_limit && reads > device.reads_limit)
		fail("more than %llu reads: an endless loop", (unsigned long long)device.reads_limit);
	if (offset >= device.size)
		return 0;
	if (size > device.size - offset)
		size = device.size - offset;
	memcpy(buffer, device.bytes + offset, size);
	return (long)size;
}

void mutex_lock(struct mutex *lock)
{
	while (__atomic_exchange_n(&lock->state, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

void mutex_unlock(struct mutex *lock)
{
	__atomic_store_n(&lock->state, 0, __ATOMIC_RELEASE);
}

struct file_system_type *find_type(const char *name)
{
	struct file_system_type *type = types;

	while (type && strcmp(type->name, name) != 0)
		type = type->next;
	return type;
}

int register_filesystem(struct file_system_type *type)
{
	if (find_type(type->name))
		return -EBUSY;
	type->next = types;
	types = type;
	return 0;
}

int unregister_filesystem(struct file_system_type *type)
{
	struct file_system_type **at = &types;

	while (*at && *at != type)
		at = &(*at)->next;
	if (!*at)
		return -EINVAL;
	*at = type->next;
	return 0;
}
