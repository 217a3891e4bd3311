/* What busybox cannot do of an ordinary machine's work.
 *
 * workload nft    a table with a NAT chain and a rule, in the present network namespace, through the netlink socket of nf_tables
 * workload dm     a device-mapper device of zeroes, made and removed again
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

/* One datagram with all messages of a transaction. */
static unsigned char batch[4096] __attribute__((aligned(8)));
static size_t length;
static unsigned sequence;

static struct nlmsghdr *begin(unsigned type, unsigned flags, unsigned char family, unsigned resource)
{
	struct nlmsghdr *message = (void *)(batch + length);
	struct nfgenmsg *header = NLMSG_DATA(message);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++sequence;
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	header->res_id = htons(resource);
	length += NLMSG_SPACE(sizeof *header);
	return message;
}

static void end(struct nlmsghdr *message)
{
	message->nlmsg_len = batch + length - (unsigned char *)message;
}

static struct nlattr *open_attribute(unsigned type)
{
	struct nlattr *attribute = (void *)(batch + length);

	attribute->nla_type = type;
	length += NLA_HDRLEN;
	return attribute;
}

static void close_attribute(struct nlattr *attribute)
{
	attribute->nla_len = batch + length - (unsigned char *)attribute;
	length = NLA_ALIGN(length);
}

static void attribute(unsigned type, const void *value, size_t size)
{
	struct nlattr *made = open_attribute(type);

	memcpy(batch + length, value, size);
	length += size;
	close_attribute(made);
}

static void text(unsigned type, const char *value)
{
	attribute(type, value, strlen(value) + 1);
}

static void number(unsigned type, unsigned value)
{
	unsigned big = htonl(value);

	attribute(type, &big, sizeof big);
}

static struct nlattr *open_expression(const char *name)
{
	struct nlattr *element = open_attribute(NLA_F_NESTED | NFTA_LIST_ELEM);

	text(NFTA_EXPR_NAME, name);
	return element;
}

#define NFT(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

static void transaction(void)
{
	struct nlmsghdr *message;
	struct nlattr *outer, *element, *data;

	end(begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));

	message = begin(NFT(NFT_MSG_NEWTABLE), NLM_F_CREATE | NLM_F_ACK, NFPROTO_IPV4, 0);
	text(NFTA_TABLE_NAME, "work");
	end(message);

	message = begin(NFT(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, NFPROTO_IPV4, 0);
	text(NFTA_CHAIN_TABLE, "work");
	text(NFTA_CHAIN_NAME, "out");
	outer = open_attribute(NLA_F_NESTED | NFTA_CHAIN_HOOK);
	number(NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
	number(NFTA_HOOK_PRIORITY, 100);
	close_attribute(outer);
	text(NFTA_CHAIN_TYPE, "nat");
	end(message);

	message = begin(NFT(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, NFPROTO_IPV4, 0);
	text(NFTA_RULE_TABLE, "work");
	text(NFTA_RULE_CHAIN, "out");
	outer = open_attribute(NLA_F_NESTED | NFTA_RULE_EXPRESSIONS);
	element = open_expression("ct");
	data = open_attribute(NLA_F_NESTED | NFTA_EXPR_DATA);
	number(NFTA_CT_DREG, NFT_REG_1);
	number(NFTA_CT_KEY, NFT_CT_STATE);
	close_attribute(data);
	close_attribute(element);
	element = open_expression("masq");
	close_attribute(open_attribute(NLA_F_NESTED | NFTA_EXPR_DATA));
	close_attribute(element);
	close_attribute(outer);
	end(message);

	end(begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

/* Sends the transaction, and waits for the answers to its three messages. */
static int nft(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	unsigned char answers[16384] __attribute__((aligned(8)));
	int answered = 0, netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

	transaction();
	if (netlink < 0 || sendto(netlink, batch, length, 0, (void *)&kernel, sizeof kernel) < 0) {
		perror("nf_tables");
		return 1;
	}
	while (answered < 3) {
		ssize_t got = recv(netlink, answers, sizeof answers, 0);
		struct nlmsghdr *message = (void *)answers;

		if (got < 0) {
			perror("nf_tables");
			return 1;
		}
		for (unsigned left = got; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			struct nlmsgerr *error = NLMSG_DATA(message);

			if (message->nlmsg_type != NLMSG_ERROR)
				continue;
			answered++;
			if (error->error) {
				fprintf(stderr, "nf_tables: message %u: %s\n", message->nlmsg_seq, strerror(-error->error));
				return 1;
			}
		}
	}
	return 0;
}

/* A request to the device mapper about the device `work`. */
static int map(int control, unsigned long request, const char *what, struct dm_ioctl *filled, size_t size)
{
	filled->version[0] = DM_VERSION_MAJOR;
	filled->data_size = size;
	filled->data_start = sizeof *filled;
	strcpy(filled->name, "work");
	if (ioctl(control, request, filled) == 0)
		return 0;
	fprintf(stderr, "device mapper: %s: %s\n", what, strerror(errno));
	return 1;
}

static int dm(void)
{
	static struct { struct dm_ioctl head; struct dm_target_spec target; char none[8]; } table;
	struct dm_ioctl plain;
	int control = open("/dev/mapper/control", O_RDWR);

	if (control < 0) {
		perror("/dev/mapper/control");
		return 1;
	}
	memset(&plain, 0, sizeof plain);
	if (map(control, DM_DEV_CREATE, "create", &plain, sizeof plain))
		return 1;
	table.head.target_count = 1;
	table.target.length = 1024;
	strcpy(table.target.target_type, "zero");
	if (map(control, DM_TABLE_LOAD, "load", &table.head, sizeof table))
		return 1;
	memset(&plain, 0, sizeof plain);
	if (map(control, DM_DEV_SUSPEND, "resume", &plain, sizeof plain))
		return 1;
	memset(&plain, 0, sizeof plain);
	return map(control, DM_DEV_REMOVE, "remove", &plain, sizeof plain);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "nft") == 0)
		return nft();
	if (argc == 2 && strcmp(argv[1], "dm") == 0)
		return dm();
	return 2;
}
