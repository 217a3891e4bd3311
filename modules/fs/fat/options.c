/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Mount options, as mount(8) has them for FAT: `umask=` for everything,
 * `dmask=` for directories and `fmask=` for files alone, in octal.  What does
 * not matter to reading is accepted: ro, quiet, utf8.
 */
#include "fat.h"

enum target { NOTHING, FILES = 1, DIRECTORIES = 2 };

static const struct option {
	const char *name; /* with the `=` if it takes a value */
	int target;       /* what its value is for */
} known[] = {
	{ "umask=", FILES | DIRECTORIES },
	{ "fmask=", FILES },
	{ "dmask=", DIRECTORIES },
	{ "ro", NOTHING },
	{ "quiet", NOTHING },
	{ "utf8", NOTHING },
};

static int parse_mask(const char *text, size_t length, u32 *mask)
{
	u32 value = 0;

	if (length == 0 || length > 4)
		return -EINVAL;
	for (; length > 0; text++, length--) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		value = value << 3 | (u32)(*text - '0');
	}
	if (value > 0777)
		return -EINVAL;
	*mask = value;
	return 0;
}

static int apply(struct fat_volume *volume, const struct option *option, const char *value, size_t length)
{
	u32 mask;

	if (option->target == NOTHING)
		return length == 0 ? 0 : -EINVAL;
	if (parse_mask(value, length, &mask))
		return -EINVAL;
	if (option->target & FILES)
		volume->umask_file = mask;
	if (option->target & DIRECTORIES)
		volume->umask_dir = mask;
	return 0;
}

static int parse_one(struct fat_volume *volume, const char *text, size_t length)
{
	size_t i, name;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		name = strlen(known[i].name);
		if (length >= name && memcmp(text, known[i].name, name) == 0)
			return apply(volume, &known[i], text + name, length - name);
	}
	return -EINVAL;
}

int fat_parse_options(struct fat_volume *volume, const char *options)
{
	const char *comma;
	size_t length;

	for (; options && *options; options += length + (options[length] == ',')) {
		comma = strchr(options, ',');
		length = comma ? (size_t)(comma - options) : strlen(options);
		if (length > 0 && parse_one(volume, options, length)) {
			printk(KERN_ERR "fat: unknown mount option `%.*s`\n", (int)(length < 64 ? length : 64), options);
			return -EINVAL;
		}
	}
	return 0;
}
