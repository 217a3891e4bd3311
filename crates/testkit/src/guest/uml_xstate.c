/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Preloaded into user-mode Linux: makes its transfers of the extended register
 * state fit hosts whose state is larger than the buffer it was built with.
 *
 * The host refuses to set the state unless it gets all of it (EFAULT), which on
 * a processor with AMX is 11 KB. So the state is read whole, the part that the
 * guest knows is laid over it, and the whole is set.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PTRACE_GETREGSET 0x4204
#define PTRACE_SETREGSET 0x4205
#define NT_X86_XSTATE 0x202L
#define LARGEST 65536

static int transfer(long request, long pid, struct iovec *theirs)
{
	static __thread char whole[LARGEST];
	struct iovec all = { whole, sizeof whole };
	long failed = syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all);

	if (failed)
		return -1;
	if (theirs->iov_len > all.iov_len)
		theirs->iov_len = all.iov_len;
	if (request == PTRACE_GETREGSET) {
		memcpy(theirs->iov_base, whole, theirs->iov_len);
		return 0;
	}
	memcpy(whole, theirs->iov_base, theirs->iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all) ? -1 : 0;
}

long ptrace(int request, ...)
{
	va_list words;
	va_start(words, request);
	long pid = va_arg(words, int);
	void *address = va_arg(words, void *);
	void *data = va_arg(words, void *);
	va_end(words);

	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && (long)address == NT_X86_XSTATE)
		return transfer(request, pid, data);
	/* Peeks answer through the data pointer at this level: do as the C library does. */
	long word;
	if (request > 0 && request < 4)
		return syscall(SYS_ptrace, request, pid, address, &word) < 0 ? -1 : word;
	return syscall(SYS_ptrace, request, pid, address, data);
}
