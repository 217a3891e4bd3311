/*
 * inorder LIST: loads the modules whose files LIST names, one in a line, in that order, and does nothing else: what the kernel itself
 * takes for them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[4096];
	int failed = 0;
	FILE *list = argc == 2 ? fopen(argv[1], "re") : NULL;
	if (!list)
		return 2;
	while (fgets(path, sizeof path, list)) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0)
			failed++;
		close(fd);
	}
	printf("FAILED %d\n", failed);
	return 0;
}
