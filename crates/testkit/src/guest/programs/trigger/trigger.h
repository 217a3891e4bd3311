/*
 * trigger: a program without any right, which makes the kernel ask for every module that such a program can make it ask for.
 *
 * It reads names from its standard input, one in a line: the aliases and names of the modules of a tree. For each name that is in
 * a form that the kernel asks in, it does what makes the kernel ask for just this name. What comes of the calls does not matter.
 */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/* A netlink message that is being written. */
struct message {
	char bytes[16384];
	size_t length;
	size_t start; /* of the last header */
};

/* begin: a header, and room for what follows it at once; answers that room. */
void *begin(struct message *m, int type, int flags, size_t size);
void put(struct message *m, int type, const void *data, size_t size);
void put_text(struct message *m, int type, const char *text);
void put_u32(struct message *m, int type, uint32_t value);
void put_be32(struct message *m, int type, uint32_t value);
size_t nest(struct message *m, int type);
void end(struct message *m, size_t nest);

/* Sends to a netlink protocol, and reads the answers that are there. The first answer, if it is wanted. */
int tell(int protocol, struct message *m, void *answer, size_t size);

/* The number of a generic netlink family: asking for it has its module loaded. */
int family(const char *name);

/* What makes the kernel ask: the part of the name behind the prefix. */
void ask_socket(const char *rest);
void ask_bluetooth(const char *rest);
void ask_rdma(const char *rest);
void ask_can(const char *rest);
void ask_algif(const char *rest);
void ask_crypto(const char *rest);
void ask_ldisc(const char *rest);
void ask_binfmt(const char *rest);
void ask_tcp(const char *rest);
void ask_ulp(const char *rest);
void ask_netdev(const char *rest);
void ask_link(const char *rest);
void ask_fs(const char *rest);
void ask_subsystem(const char *rest);
void ask_chain(const char *rest);
void ask_expression(const char *rest);
void ask_object(const char *rest);
void ask_flowtable(const char *rest);
void ask_logger(const char *rest);
void ask_helper(const char *rest);
void ask_ipt(const char *rest);
void ask_ip6t(const char *rest);
void ask_ebt(const char *rest);
void ask_arpt(const char *rest);
void ask_ip_set(const char *rest);
void ask_ip_vs(const char *rest);
void ask_xfrm(const char *rest);
void ask_qdisc(const char *rest);
void ask_classifier(const char *rest);
void ask_action(const char *rest);
void ask_ematch(const char *rest);
void ask_l2tp(const char *rest);
void ask_vport(const char *rest);

/* What can be asked for whatever modules there are. */
void sweep_sockets(void);
void sweep_crypto(void);
void sweep_ldiscs(void);
void sweep_routes(void);
void sweep_meta(void);

#endif
