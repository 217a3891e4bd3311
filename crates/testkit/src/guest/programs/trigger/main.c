/* trigger [user|namespace] < names: the table of requests, and how many modules each class of them brought in. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "trigger.h"

#define USER 1000

/* Who can ask. */
enum who { ANYONE, NAMESPACE };

/* Rows with one class stand together; of the prefixes that a name begins with, the first counts. */
static const struct row {
	const char *class;
	enum who who;
	const char *prefix;
	void (*ask)(const char *rest);
	void (*sweep)(void);
} table[] = {
	{ "net-pf", ANYONE, "net-pf-", ask_socket, sweep_sockets },
	{ "net-pf", ANYONE, "bt-proto-", ask_bluetooth, NULL },
	{ "net-pf", ANYONE, "rdma-netlink-subsys-", ask_rdma, NULL },
	{ "can", ANYONE, "can-proto-", ask_can, NULL },
	{ "crypto", ANYONE, "algif", ask_algif, NULL },
	{ "crypto", ANYONE, "crypto-", ask_crypto, sweep_crypto },
	{ "tty-ldisc", ANYONE, "tty-ldisc-", ask_ldisc, sweep_ldiscs },
	{ "binfmt", ANYONE, "binfmt-", ask_binfmt, NULL },
	{ "net", ANYONE, "tcp_", ask_tcp, NULL },
	{ "net", ANYONE, "tcp-ulp-", ask_ulp, NULL },
	{ "netdev", ANYONE, "netdev-", ask_netdev, NULL },
	{ "rtnl-link", NAMESPACE, "rtnl-link-", ask_link, NULL },
	{ "fs", NAMESPACE, "fs-", ask_fs, NULL },
	{ "nft", NAMESPACE, "nfnetlink-subsys-", ask_subsystem, NULL },
	{ "nft", NAMESPACE, "nft-chain-", ask_chain, NULL },
	{ "nft", NAMESPACE, "nft-expr-", ask_expression, NULL },
	{ "nft", NAMESPACE, "nft-obj-", ask_object, NULL },
	{ "nft", NAMESPACE, "nf-flowtable-", ask_flowtable, NULL },
	{ "nft", NAMESPACE, "nf-logger-", ask_logger, NULL },
	{ "nft", NAMESPACE, "nfct-helper-", ask_helper, NULL },
	{ "xt", NAMESPACE, "ipt_", ask_ipt, NULL },
	{ "xt", NAMESPACE, "ip6t_", ask_ip6t, NULL },
	{ "xt", NAMESPACE, "ebt_", ask_ebt, NULL },
	{ "xt", NAMESPACE, "arpt_", ask_arpt, NULL },
	{ "xt", NAMESPACE, "ip_set_", ask_ip_set, NULL },
	{ "xfrm", NAMESPACE, "xfrm-type-", ask_xfrm, NULL },
	{ "tc", NAMESPACE, "sch_", ask_qdisc, NULL },
	{ "tc", NAMESPACE, "net-sch-", ask_qdisc, NULL },
	{ "tc", NAMESPACE, "cls_", ask_classifier, NULL },
	{ "tc", NAMESPACE, "net-cls-", ask_classifier, NULL },
	{ "tc", NAMESPACE, "act_", ask_action, NULL },
	{ "tc", NAMESPACE, "net-act-", ask_action, NULL },
	{ "tc", NAMESPACE, "ematch-kind-", ask_ematch, NULL },
	{ "tc", NAMESPACE, "ife-meta-", NULL, sweep_meta },
	{ "net", NAMESPACE, "rtnl-lwt-", NULL, sweep_routes },
	{ "net", NAMESPACE, "net-l2tp-type-", ask_l2tp, NULL },
	{ "net", NAMESPACE, "vport-type-", ask_vport, NULL },
	{ "net", NAMESPACE, "ip_vs_", ask_ip_vs, NULL },
};

#define ROWS (sizeof table / sizeof *table)

static char *names[20000], *loaded[5000];
static size_t count, modules;

static void nothing(int signal)
{
	(void)signal;
}

static size_t row_of(const char *name)
{
	size_t at = 0;
	while (at < ROWS && strncmp(name, table[at].prefix, strlen(table[at].prefix)) != 0)
		at++;
	return at;
}

/* The modules that are loaded and were not at the last call. */
static void news(int tell)
{
	/* nft_compat and x_tables have hundreds of users, which all stand in one line. */
	char *line = NULL;
	size_t room = 0;
	FILE *list = fopen("/proc/modules", "re");
	while (list && getline(&line, &room, list) > 0) {
		size_t at = 0;
		line[strcspn(line, " \n")] = 0;
		while (at < modules && strcmp(loaded[at], line) != 0)
			at++;
		if (at < modules || modules == sizeof loaded / sizeof *loaded)
			continue;
		loaded[modules++] = strdup(line);
		if (tell)
			printf(" %s", line);
	}
	free(line);
	if (list)
		fclose(list);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* A user, who may have made a user namespace. */
static void become(enum who who)
{
	char map[64];
	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER)) {
		perror("setresuid");
		exit(1);
	}
	if (who == ANYONE)
		return;
	/* Else the files of this process in /proc belong to root. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)) {
		perror("unshare");
		exit(1);
	}
	write_to("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %d 1", USER);
	write_to("/proc/self/uid_map", map);
	write_to("/proc/self/gid_map", map);
}

int main(int argc, char **argv)
{
	enum who who = argc > 1 && strcmp(argv[1], "namespace") == 0 ? NAMESPACE : ANYONE;
	struct sigaction wake = { .sa_handler = nothing };
	char line[4096];
	while (count < sizeof names / sizeof *names && fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		names[count++] = strdup(line);
	}
	sigaction(SIGALRM, &wake, NULL);
	sigaction(SIGPIPE, &wake, NULL);
	become(who);
	news(0);
	for (size_t at = 0; at < ROWS; at++) {
		static int asked;
		const struct row *row = &table[at];
		if (row->who != who)
			continue;
		if (row->sweep) {
			alarm(60);
			row->sweep();
		}
		for (size_t name = 0; name < count; name++) {
			if (row_of(names[name]) != at || !row->ask)
				continue;
			/* What hangs is woken: a module may wait for something that never comes. */
			alarm(20);
			row->ask(names[name] + strlen(row->prefix));
			asked++;
		}
		alarm(0);
		if (at + 1 < ROWS && strcmp(table[at + 1].class, row->class) == 0 && table[at + 1].who == who)
			continue;
		usleep(300000);
		printf("TRIGGER %s %d", row->class, asked);
		news(1);
		printf("\n");
		fflush(stdout);
		asked = 0;
	}
	return 0;
}
