/* Links, routes, IPsec, traffic control, tunnels, file systems: what a user namespace opens beside netfilter. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/l2tp.h>
#include <linux/lwtunnel.h>
#include <linux/openvswitch.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_ife.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trigger.h"

#define LOOPBACK 1
#define NEW (NLM_F_CREATE | NLM_F_EXCL)

void ask_link(const char *rest)
{
	struct message m = { .length = 0 };
	begin(&m, RTM_NEWLINK, NEW, sizeof(struct ifinfomsg));
	size_t info = nest(&m, IFLA_LINKINFO);
	put_text(&m, IFLA_INFO_KIND, rest);
	end(&m, info);
	tell(NETLINK_ROUTE, &m, NULL, 0);
}

/* Routes with all ways of encapsulation. */
void sweep_routes(void)
{
	for (int type = 1; type <= 12; type++) {
		struct message m = { .length = 0 };
		struct rtmsg *route = begin(&m, RTM_NEWROUTE, NEW, sizeof *route);
		uint32_t address = htonl(0x0a090000);
		uint16_t encapsulation = type;
		*route = (struct rtmsg){ .rtm_family = AF_INET, .rtm_dst_len = 16, .rtm_table = RT_TABLE_MAIN,
			.rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST };
		put(&m, RTA_DST, &address, sizeof address);
		put_u32(&m, RTA_OIF, LOOPBACK);
		put(&m, RTA_ENCAP_TYPE, &encapsulation, sizeof encapsulation);
		end(&m, nest(&m, RTA_ENCAP));
		tell(NETLINK_ROUTE, &m, NULL, 0);
	}
}

void ask_fs(const char *rest)
{
	if (mount("none", "/mnt", rest, 0, NULL) == 0)
		umount2("/mnt", MNT_DETACH);
}

static void algorithm(struct message *m, int type, const char *name, int bits)
{
	union {
		struct xfrm_algo about;
		char bytes[sizeof(struct xfrm_algo) + 64];
	} value = { .about = { .alg_key_len = bits } };
	strncpy(value.about.alg_name, name, sizeof value.about.alg_name - 1);
	put(m, type, &value, sizeof value.about + bits / 8);
}

/* xfrm-type-FAMILY-PROTOCOL: a state of this kind. */
void ask_xfrm(const char *rest)
{
	struct message m = { .length = 0 };
	int family, protocol;
	if (sscanf(rest, "%d-%d", &family, &protocol) != 2)
		return;
	struct xfrm_usersa_info *state = begin(&m, XFRM_MSG_NEWSA, NEW, sizeof *state);
	state->family = family;
	state->id.proto = protocol;
	state->id.spi = htonl(0x1000);
	state->id.daddr.a6[3] = state->id.daddr.a4 = htonl(0x7f000001);
	state->saddr.a4 = htonl(0x7f000001);
	state->mode = protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
	state->lft.soft_byte_limit = state->lft.hard_byte_limit = XFRM_INF;
	state->lft.soft_packet_limit = state->lft.hard_packet_limit = XFRM_INF;
	if (protocol == IPPROTO_ESP)
		algorithm(&m, XFRMA_ALG_CRYPT, "cbc(aes)", 128);
	if (protocol == IPPROTO_ESP || protocol == IPPROTO_AH)
		algorithm(&m, XFRMA_ALG_AUTH, "hmac(sha256)", 256);
	if (protocol == IPPROTO_COMP)
		algorithm(&m, XFRMA_ALG_COMP, "deflate", 0);
	tell(NETLINK_XFRM, &m, NULL, 0);
}

static void control(struct message *m, int type, uint32_t handle, uint32_t parent, uint32_t info, const char *kind)
{
	struct tcmsg *about = begin(m, type, NEW, sizeof *about);
	*about = (struct tcmsg){ .tcm_family = AF_UNSPEC, .tcm_ifindex = LOOPBACK, .tcm_handle = handle, .tcm_parent = parent,
		.tcm_info = info };
	put_text(m, TCA_KIND, kind);
}

void ask_qdisc(const char *rest)
{
	struct message m = { .length = 0 };
	control(&m, RTM_NEWQDISC, 0, TC_H_ROOT, 0, rest);
	tell(NETLINK_ROUTE, &m, NULL, 0);
	m.length = 0;
	begin(&m, RTM_DELQDISC, 0, sizeof(struct tcmsg));
	struct tcmsg *about = (struct tcmsg *)(m.bytes + NLMSG_HDRLEN);
	about->tcm_ifindex = LOOPBACK;
	about->tcm_parent = TC_H_ROOT;
	tell(NETLINK_ROUTE, &m, NULL, 0);
}

/* A filter, up to where its options begin; the queue that it hangs on is there then. */
static void filter(struct message *m, const char *kind)
{
	m->length = 0;
	control(m, RTM_NEWQDISC, TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT, 0, "clsact");
	tell(NETLINK_ROUTE, m, NULL, 0);
	m->length = 0;
	control(m, RTM_NEWTFILTER, 0, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), TC_H_MAKE(1 << 16, htons(ETH_P_ALL)), kind);
}

void ask_classifier(const char *rest)
{
	struct message m = { .length = 0 };
	filter(&m, rest);
	end(&m, nest(&m, TCA_OPTIONS));
	tell(NETLINK_ROUTE, &m, NULL, 0);
}

void ask_ematch(const char *rest)
{
	struct message m = { .length = 0 };
	struct tcf_ematch_tree_hdr tree = { .nmatches = 1 };
	struct {
		struct tcf_ematch_hdr header;
		char data[32];
	} match = { .header = { .kind = atoi(rest) } };
	filter(&m, "basic");
	size_t options = nest(&m, TCA_OPTIONS), matches = nest(&m, TCA_BASIC_EMATCHES);
	put(&m, TCA_EMATCH_TREE_HDR, &tree, sizeof tree);
	size_t list = nest(&m, TCA_EMATCH_TREE_LIST);
	put(&m, 1, &match, sizeof match);
	end(&m, list);
	end(&m, matches);
	end(&m, options);
	tell(NETLINK_ROUTE, &m, NULL, 0);
}

static size_t action(struct message *m, const char *kind, size_t nests[2])
{
	begin(m, RTM_NEWACTION, NEW, sizeof(struct tcamsg));
	nests[0] = nest(m, TCA_ACT_TAB);
	nests[1] = nest(m, 1);
	put_text(m, TCA_ACT_KIND, kind);
	return nest(m, TCA_ACT_OPTIONS);
}

static void finish_action(struct message *m, size_t options, size_t nests[2])
{
	end(m, options);
	end(m, nests[1]);
	end(m, nests[0]);
	tell(NETLINK_ROUTE, m, NULL, 0);
}

void ask_action(const char *rest)
{
	struct message m = { .length = 0 };
	size_t nests[2], options = action(&m, rest, nests);
	finish_action(&m, options, nests);
}

/* ife-meta-NAME: what an action of the kind ife takes along. */
void sweep_meta(void)
{
	for (int meta = 1; meta < 8; meta++) {
		struct message m = { .length = 0 };
		struct tc_ife ife = { .flags = IFE_ENCODE };
		size_t nests[2], options = action(&m, "ife", nests);
		put(&m, TCA_IFE_PARMS, &ife, sizeof ife);
		size_t list = nest(&m, TCA_IFE_METALST);
		put_u32(&m, meta, 0);
		end(&m, list);
		finish_action(&m, options, nests);
	}
}

static void generic(struct message *m, int family, int command, int version)
{
	struct genlmsghdr *request = begin(m, family, NLM_F_ACK, sizeof *request);
	request->cmd = command;
	request->version = version;
}

/* net-l2tp-type-N: a session of this kind, in a tunnel of its own. */
void ask_l2tp(const char *rest)
{
	struct message m = { .length = 0 };
	uint16_t encapsulation = L2TP_ENCAPTYPE_UDP, kind = atoi(rest), port = 1701;
	uint8_t version = 3;
	uint32_t address = htonl(0x7f000001);
	int l2tp = family("l2tp");
	if (l2tp < 0)
		return;
	generic(&m, l2tp, L2TP_CMD_TUNNEL_CREATE, 1);
	put_u32(&m, L2TP_ATTR_CONN_ID, 1);
	put_u32(&m, L2TP_ATTR_PEER_CONN_ID, 1);
	put(&m, L2TP_ATTR_PROTO_VERSION, &version, sizeof version);
	put(&m, L2TP_ATTR_ENCAP_TYPE, &encapsulation, sizeof encapsulation);
	put(&m, L2TP_ATTR_IP_SADDR, &address, sizeof address);
	put(&m, L2TP_ATTR_IP_DADDR, &address, sizeof address);
	put(&m, L2TP_ATTR_UDP_SPORT, &port, sizeof port);
	put(&m, L2TP_ATTR_UDP_DPORT, &port, sizeof port);
	tell(NETLINK_GENERIC, &m, NULL, 0);
	m.length = 0;
	generic(&m, l2tp, L2TP_CMD_SESSION_CREATE, 1);
	put_u32(&m, L2TP_ATTR_CONN_ID, 1);
	put_u32(&m, L2TP_ATTR_SESSION_ID, kind);
	put_u32(&m, L2TP_ATTR_PEER_SESSION_ID, kind);
	put(&m, L2TP_ATTR_PW_TYPE, &kind, sizeof kind);
	tell(NETLINK_GENERIC, &m, NULL, 0);
}

/* vport-type-N: a port of this kind, in a switch of its own. */
void ask_vport(const char *rest)
{
	struct message m = { .length = 0 };
	struct ovs_header *where;
	int datapath = family(OVS_DATAPATH_FAMILY), vport = family(OVS_VPORT_FAMILY);
	if (datapath < 0 || vport < 0)
		return;
	generic(&m, datapath, OVS_DP_CMD_NEW, OVS_DATAPATH_VERSION);
	m.length += sizeof *where;
	((struct nlmsghdr *)m.bytes)->nlmsg_len = m.length;
	put_text(&m, OVS_DP_ATTR_NAME, "switch");
	put_u32(&m, OVS_DP_ATTR_UPCALL_PID, 0);
	tell(NETLINK_GENERIC, &m, NULL, 0);
	memset(&m, 0, sizeof m);
	generic(&m, vport, OVS_VPORT_CMD_NEW, OVS_VPORT_VERSION);
	where = (struct ovs_header *)(m.bytes + m.length);
	where->dp_ifindex = if_nametoindex("switch");
	m.length += sizeof *where;
	((struct nlmsghdr *)m.bytes)->nlmsg_len = m.length;
	put_u32(&m, OVS_VPORT_ATTR_TYPE, atoi(rest));
	put_text(&m, OVS_VPORT_ATTR_NAME, "port");
	put_u32(&m, OVS_VPORT_ATTR_UPCALL_PID, 0);
	tell(NETLINK_GENERIC, &m, NULL, 0);
}
