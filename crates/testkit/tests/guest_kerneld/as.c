/* as UID[:GID] COMMAND...: runs a command as another user, with no other group.
 * as UID[:GID] -s COUNT FAMILY...: that user opens sockets of these families, COUNT times each, and says how the last attempt ended. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
