/* Netlink messages. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trigger.h"

static struct nlmsghdr *header(struct message *m)
{
	return (struct nlmsghdr *)(m->bytes + m->start);
}

static void *grow(struct message *m, size_t size)
{
	void *room = m->bytes + m->length;
	size_t whole = (size + 3) & ~(size_t)3;
	if (m->length + whole > sizeof m->bytes)
		_exit(3);
	memset(room, 0, whole);
	m->length += whole;
	header(m)->nlmsg_len = m->length - m->start;
	return room;
}

void *begin(struct message *m, int type, int flags, size_t size)
{
	m->start = m->length;
	m->length += sizeof(struct nlmsghdr);
	*header(m) = (struct nlmsghdr){ .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1 };
	return grow(m, size);
}

void put(struct message *m, int type, const void *data, size_t size)
{
	struct nlattr *attribute = grow(m, sizeof *attribute + size);
	attribute->nla_type = type;
	attribute->nla_len = sizeof *attribute + size;
	if (size)
		memcpy(attribute + 1, data, size);
}

void put_text(struct message *m, int type, const char *text)
{
	put(m, type, text, strlen(text) + 1);
}

void put_u32(struct message *m, int type, uint32_t value)
{
	put(m, type, &value, sizeof value);
}

void put_be32(struct message *m, int type, uint32_t value)
{
	put_u32(m, type, htonl(value));
}

size_t nest(struct message *m, int type)
{
	size_t at = m->length;
	put(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void end(struct message *m, size_t nest)
{
	((struct nlattr *)(m->bytes + nest))->nla_len = m->length - nest;
}

int tell(int protocol, struct message *m, void *answer, size_t size)
{
	static char reply[65536];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), first = 0;
	if (fd < 0)
		return -1;
	if (sendto(fd, m->bytes, m->length, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0) {
		struct pollfd waiting = { fd, POLLIN, 0 };
		while (poll(&waiting, 1, first ? 0 : 50) > 0) {
			ssize_t length = recv(fd, reply, sizeof reply, 0);
			if (length <= 0)
				break;
			if (!first && answer)
				memcpy(answer, reply, (size_t)length < size ? (size_t)length : size);
			first = length;
		}
	}
	close(fd);
	return first;
}

int family(const char *name)
{
	struct message m = { .length = 0 };
	char answer[1024];
	struct genlmsghdr *request = begin(&m, GENL_ID_CTRL, 0, sizeof *request);
	request->cmd = CTRL_CMD_GETFAMILY;
	request->version = 1;
	put_text(&m, CTRL_ATTR_FAMILY_NAME, name);
	int length = tell(NETLINK_GENERIC, &m, answer, sizeof answer);
	struct nlmsghdr *got = (struct nlmsghdr *)answer;
	if (length < (int)sizeof *got || length > (int)sizeof answer || got->nlmsg_type != GENL_ID_CTRL)
		return -1;
	for (int at = NLMSG_HDRLEN + GENL_HDRLEN; at + (int)sizeof(struct nlattr) <= length;) {
		struct nlattr *attribute = (struct nlattr *)(answer + at);
		if (attribute->nla_len < sizeof *attribute)
			break;
		if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(attribute + 1);
		at += (attribute->nla_len + 3) & ~3;
	}
	return -1;
}
