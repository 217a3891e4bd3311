/* What any process can ask for with a socket, a terminal or a file of its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_alg.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "trigger.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#define RDMA_CLIENT_SHIFT 10

static void try_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (fd >= 0)
		close(fd);
}

/* What is asked for first names the type as well; then the kernel asks without it. */
static void any_type(int domain, int protocol)
{
	try_socket(domain, SOCK_STREAM, protocol);
	try_socket(domain, SOCK_DGRAM, protocol);
}

static void diagnose(int domain, int protocol)
{
	struct message m = { .length = 0 };
	unsigned char *request = begin(&m, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, 72);
	request[0] = domain;
	request[1] = protocol;
	tell(NETLINK_SOCK_DIAG, &m, NULL, 0);
}

/* net-pf-FAMILY[-proto-PROTOCOL[-type-TYPE[-PROTOCOL]]], net-pf-16-proto-16-family-NAME. */
void ask_socket(const char *rest)
{
	int domain, protocol, type, more, fields;
	char name[64];
	if (sscanf(rest, "16-proto-16-family-%63s", name) == 1) {
		family(name);
		return;
	}
	fields = sscanf(rest, "%d-proto-%d-type-%d-%d", &domain, &protocol, &type, &more);
	if (fields >= 3 && domain == AF_NETLINK && protocol == NETLINK_SOCK_DIAG)
		diagnose(type, fields == 4 ? more : 0);
	else if (fields >= 3)
		try_socket(domain, type, protocol);
	else if (fields == 2)
		any_type(domain, protocol);
	else if (fields == 1)
		try_socket(domain, SOCK_RAW, 0);
}

void sweep_sockets(void)
{
	for (int domain = 0; domain < 50; domain++)
		try_socket(domain, SOCK_RAW, 0);
	for (int protocol = 0; protocol < 32; protocol++)
		try_socket(AF_NETLINK, SOCK_RAW, protocol);
	diagnose(AF_INET, 0);
}

void ask_bluetooth(const char *rest)
{
	try_socket(AF_BLUETOOTH, SOCK_RAW, atoi(rest));
}

void ask_rdma(const char *rest)
{
	struct message m = { .length = 0 };
	begin(&m, atoi(rest) << RDMA_CLIENT_SHIFT, 0, 0);
	tell(20 /* NETLINK_RDMA */, &m, NULL, 0);
}

void ask_can(const char *rest)
{
	try_socket(AF_CAN, SOCK_RAW, atoi(rest));
	try_socket(AF_CAN, SOCK_DGRAM, atoi(rest));
}

static void bind_algorithm(const char *type, const char *name)
{
	struct sockaddr_alg address = { .salg_family = AF_ALG };
	int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	strncpy((char *)address.salg_type, type, sizeof address.salg_type - 1);
	strncpy((char *)address.salg_name, name, sizeof address.salg_name - 1);
	bind(fd, (struct sockaddr *)&address, sizeof address);
	close(fd);
}

static const char *const kinds[] = { "hash", "skcipher", "aead", "rng" };

/* algif-TYPE, as the kernel asks; algif_TYPE, as the module is called. */
void ask_algif(const char *rest)
{
	bind_algorithm(rest + 1, "nosuch");
}

/* The kernel asks by the name alone, whatever kind of algorithm is wanted. */
void ask_crypto(const char *rest)
{
	bind_algorithm("skcipher", rest);
}

/* Names of constructions: the kernel makes them from parts, and asks for the parts itself. */
void sweep_crypto(void)
{
	static const char *const made[][2] = {
		{ "aead", "authenc(hmac(sha1),cbc(aes))" },
		{ "aead", "authencesn(hmac(sha256),cbc(aes))" },
		{ "aead", "rfc4106(gcm(aes))" },
		{ "aead", "seqiv(rfc4106(gcm(aes)))" },
		{ "aead", "echainiv(authenc(hmac(sha256),cbc(aes)))" },
		{ "aead", "rfc7539(chacha20,poly1305)" },
		{ "aead", "pcrypt(rfc4106(gcm(aes)))" },
		{ "aead", "cryptd(gcm(aes))" },
		{ "aead", "ccm(aes)" },
		{ "aead", "aegis128" },
		{ "skcipher", "adiantum(xchacha12,aes)" },
		{ "skcipher", "hctr2(aes)" },
		{ "skcipher", "essiv(cbc(aes),sha256)" },
		{ "skcipher", "cts(cbc(aes))" },
		{ "skcipher", "xts(serpent)" },
		{ "skcipher", "lrw(twofish)" },
		{ "skcipher", "pcbc(camellia)" },
		{ "skcipher", "ofb(cast5)" },
		{ "skcipher", "cfb(blowfish)" },
		{ "skcipher", "keywrap(aes)" },
		{ "hash", "xcbc(aes)" },
		{ "hash", "cmac(des3_ede)" },
		{ "hash", "vmac64(aes)" },
		{ "hash", "hmac(streebog256)" },
		{ "hash", "michael_mic" },
		{ "rng", "drbg_nopr_hmac_sha256" },
		{ "rng", "jitterentropy_rng" },
	};
	for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++)
		bind_algorithm(kinds[at], "nosuch");
	for (size_t at = 0; at < sizeof made / sizeof *made; at++)
		bind_algorithm(made[at][0], made[at][1]);
}

void ask_ldisc(const char *rest)
{
	int master, slave, number = atoi(rest);
	if (openpty(&master, &slave, NULL, NULL, NULL))
		return;
	ioctl(slave, TIOCSETD, &number);
	close(slave);
	close(master);
}

void sweep_ldiscs(void)
{
	for (int number = 1; number < 31; number++) {
		char text[8];
		snprintf(text, sizeof text, "%d", number);
		ask_ldisc(text);
	}
}

/* The kernel asks by bytes 2 and 3 of a file that no format knows, if one of the first four is not printable. */
void ask_binfmt(const char *rest)
{
	unsigned value;
	char path[] = "/tmp/trigger.XXXXXX", bytes[128] = { 1, 2 };
	int fd;
	pid_t child;
	if (sscanf(rest, "%4x", &value) != 1 || (fd = mkstemp(path)) < 0)
		return;
	bytes[2] = value & 0xff;
	bytes[3] = value >> 8;
	if (write(fd, bytes, sizeof bytes) < 0)
		perror(path);
	fchmod(fd, 0755);
	close(fd);
	child = fork();
	if (child == 0) {
		execl(path, path, NULL);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	unlink(path);
}

static void set_tcp(int option, const char *value)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_TCP, option, value, strlen(value));
	close(fd);
}

void ask_tcp(const char *rest)
{
	set_tcp(TCP_CONGESTION, rest);
}

void ask_ulp(const char *rest)
{
	set_tcp(TCP_ULP, rest);
}

void ask_netdev(const char *rest)
{
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, rest, sizeof request.ifr_name - 1);
	ioctl(fd, SIOCGIFFLAGS, &request);
	close(fd);
}
