/* Preloaded into depmod: counts the calls that change a file or a directory, and at the one with the number INTERRUPT_AT ends the
 * process as a power failure would, or lets the call fail as on a full disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int calls;

/* Whether this call is to fail; does not come back if it is the one to end at. */
static int struck(void)
{
	const char *at = getenv("INTERRUPT_AT"), *how = getenv("INTERRUPT_HOW");

	if (!at || !how || atomic_fetch_add(&calls, 1) + 1 != atoi(at))
		return 0;
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "terminate")) {
		kill(getpid(), SIGTERM);
		return 0;
	}
	errno = ENOSPC;
	return 1;
}

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size)
{
	return fd > 2 && struck() ? -1 : NEXT(write)(fd, bytes, size);
}

int fsync(int fd)
{
	return struck() ? -1 : NEXT(fsync)(fd);
}

int rename(const char *from, const char *to)
{
	return struck() ? -1 : NEXT(rename)(from, to);
}

int unlink(const char *path)
{
	return struck() ? -1 : NEXT(unlink)(path);
}

int linkat(int from, const char *path, int to, const char *name, int flags)
{
	return struck() ? -1 : NEXT(linkat)(from, path, to, name, flags);
}

int futimens(int fd, const struct timespec times[2])
{
	return struck() ? -1 : NEXT(futimens)(fd, times);
}

int open64(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = va_arg(rest, mode_t);
	va_end(rest);
	if ((flags & O_TMPFILE) == O_TMPFILE && getenv("INTERRUPT_NAMED")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) && struck())
		return -1;
	return NEXT(open64)(path, flags, mode);
}
