/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* crash: a handler with a bug. The server reports it, and never calls it again. */
#include "handler.h"

long handle(const char *request, size_t length, char *reply, size_t room)
{
	volatile char *volatile nowhere = NULL;

	(void)reply;
	(void)room;
	*nowhere = length > 0 ? request[0] : 0;
	return 0;
}

int init_module(void)
{
	return 0;
}

void cleanup_module(void)
{
}
