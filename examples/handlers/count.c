/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* count: answers with the number of its calls, which begins anew when it was unloaded. */
#include "handler.h"

static unsigned long calls;

/* The decimal digits of a number, last first, then turned around. */
static size_t to_decimal(unsigned long number, char *to)
{
	size_t length = 0, i;
	char digit;

	do
		to[length++] = (char)('0' + number % 10);
	while (number /= 10);
	for (i = 0; i < length / 2; i++) {
		digit = to[i];
		to[i] = to[length - 1 - i];
		to[length - 1 - i] = digit;
	}
	return length;
}

long handle(const char *request, size_t length, char *reply, size_t room)
{
	long written;

	(void)request;
	(void)length;
	if (room < 20)
		return -ENOSPC;
	HANDLER_ENTER;
	written = (long)to_decimal(__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED), reply);
	HANDLER_LEAVE;
	return written;
}

int init_module(void)
{
	return 0;
}

void cleanup_module(void)
{
}
