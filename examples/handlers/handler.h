/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a handler of examples/handlers.rs is. */
#ifndef HANDLER_H
#define HANDLER_H

#include "module.h"

/*
 * Answers a request: writes at most `room` bytes to `reply` and returns how many
 * they are, or a negative error number. It is called on several threads at once.
 */
long handle(const char *request, size_t length, char *reply, size_t room);

/* Every call marks the module as used, so that it lives through the next idle pass. */
#define HANDLER_ENTER MOD_INC_USE_COUNT
#define HANDLER_LEAVE MOD_DEC_USE_COUNT

/* The server that it is for: the release in its Kernel::builder(). */
__MODINFO("kernel_version", "1.0-handlers");

EXPORT_SYMBOL_PROTO(handle, long handle(const char *, size_t, char *, size_t));

#endif
