/* nftables, x_tables by way of nftables, sets, IPVS: what a user namespace opens of netfilter. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trigger.h"

#define IPSET_SUBSYSTEM 6
#define IPSET_CREATE 2
#define IPSET_PROTOCOL 6
#define IP_VS_ADD (64 + 1024 + 64 + 2)

static const int families[] = { NFPROTO_INET, NFPROTO_IPV4, NFPROTO_ARP, NFPROTO_NETDEV, NFPROTO_BRIDGE, NFPROTO_IPV6 };

static void netfilter(struct message *m, int type, int flags, int family, int resource)
{
	struct nfgenmsg *about = begin(m, type, flags, sizeof *about);
	about->nfgen_family = family;
	about->version = NFNETLINK_V0;
	about->res_id = htons(resource);
}

static void nft(struct message *m, int type, int family)
{
	netfilter(m, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_CREATE, family, 0);
}

/* All or nothing: what asks for a module stands in one batch with the table that it needs, and none of it stays. */
static void batch(struct message *m, int family)
{
	m->length = 0;
	netfilter(m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	nft(m, NFT_MSG_NEWTABLE, family);
	put_text(m, NFTA_TABLE_NAME, "t");
}

static void finish(struct message *m)
{
	netfilter(m, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	tell(NETLINK_NETFILTER, m, NULL, 0);
}

void ask_subsystem(const char *rest)
{
	struct message m = { .length = 0 };
	netfilter(&m, atoi(rest) << 8, 0, AF_INET, 0);
	tell(NETLINK_NETFILTER, &m, NULL, 0);
}

void ask_chain(const char *rest)
{
	struct message m = { .length = 0 };
	char type[32];
	int family;
	if (sscanf(rest, "%d-%31s", &family, type) != 2)
		return;
	batch(&m, family);
	nft(&m, NFT_MSG_NEWCHAIN, family);
	put_text(&m, NFTA_CHAIN_TABLE, "t");
	put_text(&m, NFTA_CHAIN_NAME, "c");
	size_t hook = nest(&m, NFTA_CHAIN_HOOK);
	put_be32(&m, NFTA_HOOK_HOOKNUM, 0);
	put_be32(&m, NFTA_HOOK_PRIORITY, 0);
	end(&m, hook);
	put_text(&m, NFTA_CHAIN_TYPE, type);
	finish(&m);
}

/* A rule of one expression, up to where its own attributes begin. */
static void rule(struct message *m, int family, const char *expression, size_t nests[3])
{
	batch(m, family);
	nft(m, NFT_MSG_NEWCHAIN, family);
	put_text(m, NFTA_CHAIN_TABLE, "t");
	put_text(m, NFTA_CHAIN_NAME, "c");
	nft(m, NFT_MSG_NEWRULE, family);
	put_text(m, NFTA_RULE_TABLE, "t");
	put_text(m, NFTA_RULE_CHAIN, "c");
	nests[0] = nest(m, NFTA_RULE_EXPRESSIONS);
	nests[1] = nest(m, NFTA_LIST_ELEM);
	put_text(m, NFTA_EXPR_NAME, expression);
	nests[2] = nest(m, NFTA_EXPR_DATA);
}

static void finish_rule(struct message *m, size_t nests[3])
{
	for (int at = 2; at >= 0; at--)
		end(m, nests[at]);
	finish(m);
}

static void expression(int family, const char *name)
{
	struct message m = { .length = 0 };
	size_t nests[3];
	rule(&m, family, name, nests);
	finish_rule(&m, nests);
}

void ask_expression(const char *rest)
{
	char name[64];
	int family;
	if (sscanf(rest, "%d-%63s", &family, name) == 2) {
		expression(family, name);
		return;
	}
	for (size_t at = 0; at < sizeof families / sizeof *families; at++)
		expression(families[at], rest);
}

static void object(int family, int type, const char *helper)
{
	struct message m = { .length = 0 };
	uint8_t udp = IPPROTO_UDP;
	uint16_t ipv4 = htons(NFPROTO_IPV4);
	batch(&m, family);
	nft(&m, NFT_MSG_NEWOBJ, family);
	put_text(&m, NFTA_OBJ_TABLE, "t");
	put_text(&m, NFTA_OBJ_NAME, "o");
	put_be32(&m, NFTA_OBJ_TYPE, type);
	size_t data = nest(&m, NFTA_OBJ_DATA);
	if (helper) {
		put_text(&m, NFTA_CT_HELPER_NAME, helper);
		put(&m, NFTA_CT_HELPER_L3PROTO, &ipv4, sizeof ipv4);
		put(&m, NFTA_CT_HELPER_L4PROTO, &udp, sizeof udp);
	}
	end(&m, data);
	finish(&m);
}

void ask_object(const char *rest)
{
	object(NFPROTO_INET, atoi(rest), NULL);
}

void ask_helper(const char *rest)
{
	object(NFPROTO_IPV4, NFT_OBJECT_CT_HELPER, rest);
}

void ask_flowtable(const char *rest)
{
	struct message m = { .length = 0 };
	int family = atoi(rest);
	batch(&m, family);
	nft(&m, NFT_MSG_NEWFLOWTABLE, family);
	put_text(&m, NFTA_FLOWTABLE_TABLE, "t");
	put_text(&m, NFTA_FLOWTABLE_NAME, "f");
	size_t hook = nest(&m, NFTA_FLOWTABLE_HOOK);
	put_be32(&m, NFTA_FLOWTABLE_HOOK_NUM, 0);
	put_be32(&m, NFTA_FLOWTABLE_HOOK_PRIORITY, 0);
	end(&m, hook);
	finish(&m);
}

void ask_logger(const char *rest)
{
	struct message m = { .length = 0 };
	size_t nests[3];
	int family, type;
	uint16_t group = 0;
	if (sscanf(rest, "%d-%d", &family, &type) != 2)
		return;
	rule(&m, family, "log", nests);
	if (type == 1)
		put(&m, NFTA_LOG_GROUP, &group, sizeof group);
	finish_rule(&m, nests);
}

/* Matches and targets of x_tables, in the form in which iptables-nft hands them in. */
static void compatible(int family, const char *name)
{
	static const char *const forms[] = { "match", "target" };
	for (int at = 0; at < 2; at++) {
		struct message m = { .length = 0 };
		size_t nests[3];
		char info[256] = { 0 };
		rule(&m, family, forms[at], nests);
		put_text(&m, NFTA_MATCH_NAME, name);
		put_be32(&m, NFTA_MATCH_REV, 0);
		put(&m, NFTA_MATCH_INFO, info, sizeof info);
		finish_rule(&m, nests);
	}
}

void ask_ipt(const char *rest)
{
	compatible(NFPROTO_IPV4, rest);
}

void ask_ip6t(const char *rest)
{
	compatible(NFPROTO_IPV6, rest);
}

void ask_ebt(const char *rest)
{
	compatible(NFPROTO_BRIDGE, rest);
}

void ask_arpt(const char *rest)
{
	compatible(NFPROTO_ARP, rest);
}

void ask_ip_set(const char *rest)
{
	struct message m = { .length = 0 };
	uint8_t protocol = IPSET_PROTOCOL, zero = 0, ipv4 = AF_INET;
	netfilter(&m, IPSET_SUBSYSTEM << 8 | IPSET_CREATE, NLM_F_CREATE, AF_INET, 0);
	put(&m, 1, &protocol, sizeof protocol);
	put_text(&m, 2, "s");
	put_text(&m, 3, rest);
	put(&m, 4, &zero, sizeof zero);
	put(&m, 5, &ipv4, sizeof ipv4);
	end(&m, nest(&m, 7));
	tell(NETLINK_NETFILTER, &m, NULL, 0);
}

/* A virtual service with such a scheduler (struct ip_vs_service_user). */
void ask_ip_vs(const char *rest)
{
	struct {
		uint16_t protocol;
		uint32_t address;
		uint16_t port;
		uint32_t mark;
		char scheduler[16];
		unsigned flags, timeout;
		uint32_t mask;
	} service = { .protocol = IPPROTO_TCP, .address = htonl(0x7f000001), .mask = ~0u };
	static int port = 80;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	family("IPVS");
	service.port = htons(port++);
	strncpy(service.scheduler, rest, sizeof service.scheduler - 1);
	setsockopt(fd, IPPROTO_IP, IP_VS_ADD, &service, sizeof service);
	close(fd);
}
