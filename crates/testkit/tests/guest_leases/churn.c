/* Needs modules again and again, with pauses in which a reaper may take them away, and counts how often one could not be had.
 *
 *   churn SECONDS     one process for each kind of need; a line `CHURN kind demands failed errno` for each at the end
 *   churn table       makes the table `filter` of iptables, as iptables does */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct kind {
	const char *name;
	int (*need)(const struct kind *kind);
	int family, type, protocol;
};

/* All answer 0, or the error that means that there is no such module. */

static int file_system(const struct kind *kind)
{
	/* The image is of another type: the module looks at it and says so. */
	if (!mount("/dev/loop0", "/mnt", kind->name, MS_RDONLY, ""))
		return umount("/mnt") ? errno : 0;
	return errno == ENODEV ? ENODEV : 0;
}

static int fat(const struct kind *kind)
{
	struct stat about;
	if (mount("/dev/loop1", "/fat", "vfat", MS_RDONLY, ""))
		return errno;
	int wrong = stat("/fat/A long name.txt", &about) ? errno : 0;
	(void)kind;
	usleep(200000);
	return umount("/fat") ? errno : wrong;
}

static int line(const struct kind *kind)
{
	int number = kind->family, pty = open("/dev/ptmx", O_RDWR | O_NOCTTY), wrong = 0;
	if (pty < 0)
		return errno;
	if (ioctl(pty, TIOCSETD, &number))
		wrong = errno;
	usleep(100000);
	close(pty);
	return wrong;
}

static int family(const struct kind *kind)
{
	int one = socket(kind->family, kind->type, kind->protocol);
	if (one < 0)
		return errno;
	usleep(100000);
	close(one);
	return 0;
}

static int hash(const struct kind *kind)
{
	struct { unsigned short family; char type[14]; unsigned feature, mask; char name[64]; } to = { 38, "hash", 0, 0, "sha256" };
	int one = socket(38, SOCK_SEQPACKET, 0), wrong = 0;
	(void)kind;
	if (one < 0)
		return errno;
	if (bind(one, (struct sockaddr *)&to, sizeof to))
		wrong = errno;
	usleep(100000);
	close(one);
	return wrong;
}

static const struct kind KINDS[] = {
	{ "vfat", fat, 0, 0, 0 },
	{ "squashfs", file_system, 0, 0, 0 },
	{ "hfs", file_system, 0, 0, 0 },
	{ "minix", file_system, 0, 0, 0 },
	{ "romfs", file_system, 0, 0, 0 },
	{ "ufs", file_system, 0, 0, 0 },
	{ "n_hdlc", line, 13, 0, 0 },
	{ "algif_hash", hash, 0, 0, 0 },
	{ "af_key", family, 15, SOCK_RAW, 2 },
	{ "llc2", family, 26, SOCK_STREAM, 0 },
	{ "can_raw", family, 29, SOCK_RAW, 1 },
};

static int churn(const struct kind *kind, int seconds)
{
	time_t until = time(NULL) + seconds;
	int demands = 0, failed = 0, last = 0;
	char text[128];
	srand(getpid());
	while (time(NULL) < until) {
		int wrong = kind->need(kind);
		demands++;
		if (wrong) {
			failed++;
			last = wrong;
		}
		/* Between far less and far more than the period of the reaper. */
		usleep(rand() % 3000 * 1000);
	}
	int length = snprintf(text, sizeof text, "CHURN %s %d %d %d\n", kind->name, demands, failed, last);
	return write(1, text, length) != length;
}

static int table(void)
{
	struct { char name[32]; unsigned hooks, entry[5], underflow[5], entries, size; } info = { .name = "filter" };
	socklen_t length = sizeof info;
	int raw = socket(AF_INET, SOCK_RAW, 255);
	if (raw < 0 || getsockopt(raw, 0, 64, &info, &length)) {
		perror("table");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "table"))
		return table();
	for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
		if (!fork())
			return churn(&KINDS[i], atoi(argv[1]));
	while (wait(NULL) > 0)
		;
	return 0;
}
