/*
 * perevent CALM CHILDREN PROGRAM [OPTION]...: the smallest device manager. Has all devices announced again, and runs
 * PROGRAM OPTION... MODALIAS for each announcement that has one, as many as CHILDREN at a time; ends when nothing has come for CALM
 * seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int running, processes;

static int announce(const char *path, const struct stat *about, int kind, struct FTW *at)
{
	(void)about;
	if (kind == FTW_F && strcmp(path + at->base, "uevent") == 0) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			if (write(fd, "add", 3) < 0)
				perror(path);
			close(fd);
		}
	}
	return 0;
}

static void reap(int flags)
{
	while (running > 0 && waitpid(-1, NULL, flags) > 0)
		running--;
}

static void serve(int most, char **command, int words, char *alias)
{
	while (running >= most)
		if (waitpid(-1, NULL, 0) > 0)
			running--;
	processes++;
	running++;
	if (fork() == 0) {
		char *argv[words + 2];
		memcpy(argv, command, words * sizeof *argv);
		argv[words] = alias;
		argv[words + 1] = NULL;
		execv(argv[0], argv);
		_exit(127);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	int calm = atoi(argv[1]) * 1000, most = atoi(argv[2]), room = 16 << 20, quiet = 0;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (bind(fd, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return 1;
	if (fork() == 0) {
		nftw("/sys/devices", announce, 16, FTW_PHYS);
		_exit(0);
	}
	while (quiet < calm) {
		struct pollfd waiting = { fd, POLLIN, 0 };
		if (poll(&waiting, 1, 100) <= 0) {
			reap(WNOHANG);
			quiet = running > 0 ? 0 : quiet + 100;
			continue;
		}
		quiet = 0;
		char text[8192];
		ssize_t length = recv(fd, text, sizeof text - 1, 0);
		if (length <= 0)
			continue;
		text[length] = 0;
		for (char *field = text; field < text + length; field += strlen(field) + 1)
			if (strncmp(field, "MODALIAS=", 9) == 0)
				serve(most, argv + 3, argc - 3, field + 9);
	}
	printf("PROCESSES %d\n", processes);
	return 0;
}
