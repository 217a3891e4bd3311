/* as UID[:GID] COMMAND...: runs a command as another user, with no other group.
 * as UID[:GID] -s COUNT FAMILY...: that user opens sockets of these families, COUNT times each, and says how the last attempt ended.
 * as UID[:GID] -k COUNT FAMILY: COUNT processes of that user do so once, and are killed while they do. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void killed(int family, int moment)
{
	pid_t child = fork();

	if (child == 0) {
		socket(family, SOCK_RAW, 2);
		_exit(0);
	}
	/* Somewhere between its start and the answer. */
	usleep(moment % 7 * 300);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	char *end;
	unsigned uid, gid;

	if (argc < 3)
		return 2;
	uid = gid = strtoul(argv[1], &end, 10);
	if (*end == ':')
		gid = strtoul(end + 1, NULL, 10);
	if (setgroups(0, NULL) || setgid(gid) || setuid(uid)) {
		perror("as");
		return 2;
	}
	if (strcmp(argv[2], "-k") == 0 && argc == 5) {
		for (long left = strtol(argv[3], NULL, 10); left > 0; left--)
			killed(atoi(argv[4]), left);
		return 0;
	}
	if (strcmp(argv[2], "-s") != 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		return 2;
	}
	for (int at = 4; at < argc; at++) {
		int last = 0;
		for (long left = strtol(argv[3], NULL, 10); left > 0; left--) {
			int made = socket(atoi(argv[at]), SOCK_RAW, 2);
			last = made < 0 ? errno : 0;
			if (made >= 0)
				close(made);
		}
		printf("%s: %s\n", argv[at], strerror(last));
	}
	return 0;
}
