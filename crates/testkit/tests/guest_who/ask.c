/* Makes the kernel ask for a module, as somebody: words before `socket` say as whom.
 *
 *   ask [uid N] [real N] [userns] [cgroup FOLDER] [thread] [killed] [times N] socket FAMILY TYPE PROTOCOL
 *   ask … fs TYPE       mounts a file system that does not exist
 *   ask … hash TYPE     binds a socket of AF_ALG to a type of algorithm
 *   ask … alg TYPE NAME the same, to an algorithm
 *
 * `real N` keeps the rights of root, as a set-uid program has them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char **rest;

static void *ask(void *unused)
{
	(void)unused;
	if (!strcmp(rest[0], "socket"))
		socket(atoi(rest[1]), atoi(rest[2]), atoi(rest[3]));
	else if (!strcmp(rest[0], "hash") || !strcmp(rest[0], "alg")) {
		struct { unsigned short family; char type[14]; unsigned feature, mask; char name[64]; } to = { 38, "", 0, 0, "x" };
		strncpy(to.type, rest[1], sizeof to.type - 1);
		if (rest[2])
			strncpy(to.name, rest[2], sizeof to.name - 1);
		bind(socket(38, SOCK_SEQPACKET, 0), (struct sockaddr *)&to, sizeof to);
	} else
		mount("none", "/mnt", rest[1], 0, "");
	return NULL;
}

int main(int argc, char **argv)
{
	int thread = 0, killed = 0, times = 1;
	for (argv++; *argv; argv++) {
		if (!strcmp(*argv, "uid")) {
			int uid = atoi(*++argv);
			if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
				return 2;
		} else if (!strcmp(*argv, "real")) {
			if (setresuid(atoi(*++argv), 0, 0))
				return 2;
		} else if (!strcmp(*argv, "userns")) {
			if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
				return 3;
		} else if (!strcmp(*argv, "cgroup")) {
			char path[256];
			snprintf(path, sizeof path, "%s/cgroup.procs", *++argv);
			FILE *file = fopen(path, "w");
			if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
				return 4;
		} else if (!strcmp(*argv, "thread")) {
			thread = 1;
		} else if (!strcmp(*argv, "killed")) {
			killed = 1;
		} else if (!strcmp(*argv, "times")) {
			times = atoi(*++argv);
		} else {
			break;
		}
	}
	rest = argv;
	if (!*argv)
		return 1;
	while (times-- > 0) {
		pid_t child = killed ? fork() : 0;
		if (killed && !child) {
			ask(NULL);
			pause();
		} else if (killed) {
			/* On a busy machine it takes longer until the child asks. */
			usleep(3000 * (times % 5 + 1));
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
		} else if (thread) {
			pthread_t other;
			if (pthread_create(&other, NULL, ask, NULL))
				return 5;
			pthread_join(other, NULL);
		} else {
			ask(NULL);
		}
	}
	return 0;
}
