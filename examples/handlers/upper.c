/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* upper: answers with the text in capital letters. */
#include "handler.h"

long handle(const char *request, size_t length, char *reply, size_t room)
{
	size_t i;

	if (length > room)
		return -E2BIG;
	HANDLER_ENTER;
	for (i = 0; i < length; i++)
		reply[i] = (char)(request[i] >= 'a' && request[i] <= 'z' ? request[i] - ('a' - 'A') : request[i]);
	HANDLER_LEAVE;
	return (long)length;
}

int init_module(void)
{
	return 0;
}

void cleanup_module(void)
{
}
