/* SPDX-License-Identifier: Apache-2.0 */
#include "socket.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "compiler.h"
#include "rawsys.h"

/* Bytes of *value that are known. */
static size_t ask(int fd, int level, int name, void *value, size_t size)
{
	socklen_t len = (socklen_t)size;
	long r = raw_syscall6(SYS_getsockopt, fd, level, name, (long)value, (long)&len, 0);

	return r == 0 ? len : 0;
}

bool socket_is_stream(int fd)
{
	int type = 0;

	ask(fd, SOL_SOCKET, SO_TYPE, &type, sizeof(type));
	return type == SOCK_STREAM;
}

uint64_t socket_cookie(int fd)
{
	uint64_t cookie = 0;

	ask(fd, SOL_SOCKET, SO_COOKIE, &cookie, sizeof(cookie));
	return cookie;
}

static const struct {
	int level, name;
} counting[] = {
	{ SOL_SOCKET, SO_ZEROCOPY }, { SOL_SOCKET, SO_TIMESTAMPING },
	{ SOL_SOCKET, 65 }, /* SO_TIMESTAMPING_NEW */
	{ IPPROTO_TCP, TCP_REPAIR }, { IPPROTO_TCP, TCP_FASTOPEN_CONNECT },
	{ IPPROTO_TCP, TCP_ULP },
};

bool socket_option_counts(int level, int name)
{
	for (size_t i = 0; i < ARRAY_LEN(counting); i++)
		if (counting[i].level == level && counting[i].name == name)
			return true;
	return false;
}

bool socket_is_counted(int fd)
{
	for (size_t i = 0; i < ARRAY_LEN(counting); i++) {
		uint64_t value[2] = { 0 }; /* an int, two, or a name */

		ask(fd, counting[i].level, counting[i].name, value, sizeof(value));
		if (value[0])
			return true;
	}
	return false;
}

uint64_t socket_sent(int fd)
{
	struct tcp_info info;
	size_t len = ask(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));

	if (len < offsetof(struct tcp_info, tcpi_dsack_dups)) /* what comes behind them */
		return 0;
	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

unsigned socket_state(int fd)
{
	struct tcp_info info = { .tcpi_state = 0 };

	ask(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));
	return info.tcpi_state;
}
