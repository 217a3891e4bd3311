/*
 * watch CALM COMMAND...: runs a command, and says how long after its start the set of loaded modules changed for the last time.
 * Ends when the command has ended and the set has been the same for CALM seconds. Marks on the console let the host look at the processor
 * time that the machine has taken up to there.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* How many modules are there, and how many of them are live. */
static void count(int *all, int *live)
{
	static char text[1 << 20];
	size_t length = 0;
	ssize_t n;
	int fd = open("/proc/modules", O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += n;
	close(fd);
	text[length] = 0;
	*all = *live = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		*all += 1;
		*live += strstr(line, " Live ") != NULL;
	}
}

static void mark(const char *what)
{
	int fd = open("/dev/console", O_WRONLY | O_CLOEXEC);
	dprintf(fd, "\n@@MARK %s\n", what);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	double calm = atof(argv[1]), start = now(), last = start, ended = 0;
	int all, live, all_before, live_before, status = 0;
	count(&all_before, &live_before);
	int first = live_before;
	mark("start");
	pid_t child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	for (;;) {
		/* Reading the list takes a millisecond of an emulated processor: seldom enough not to be measured itself. */
		usleep(50000);
		count(&all, &live);
		if (all != all_before || live != live_before) {
			last = now();
			mark("change");
		}
		all_before = all;
		live_before = live;
		if (!ended && waitpid(child, &status, WNOHANG) == child)
			ended = now();
		if (ended && now() - last > calm && now() - ended > 0)
			break;
	}
	printf("WATCH last %.0f ended %.0f modules %d status %d\n", (last - start) * 1000, (ended - start) * 1000, live - first,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128);
	return 0;
}
