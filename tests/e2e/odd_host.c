/* SPDX-License-Identifier: Apache-2.0 */
/*
 * odd_host PORT: calls that a careful program does not make, on a connection that is watched;
 * prints what each says.  It exports names of libraries that a preload may carry, and dies if one
 * is called.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define DEADLY(name)                                          \
	void name(void);                                      \
	void name(void)                                       \
	{                                                     \
		static const char text[] = #name " called\n"; \
                                                              \
		(void)!write(2, text, sizeof(text) - 1);      \
		_exit(99);                                    \
	}
DEADLY(curl_easy_init)
DEADLY(curl_easy_setopt)
DEADLY(curl_easy_perform)
DEADLY(curl_multi_perform)
DEADLY(curl_global_init_mem)
DEADLY(ares_init_options)
DEADLY(ares_getaddrinfo)
DEADLY(protobuf_c_message_pack)
DEADLY(protobuf_c_message_get_packed_size)
DEADLY(SSL_read)
DEADLY(SSL_write)
DEADLY(inflate)
DEADLY(deflate)
DEADLY(backtrace)
DEADLY(unw_step)
DEADLY(span_start)
DEADLY(config)
DEADLY(conn_write)

#define SAY(call)                                                 \
	do {                                                      \
		long r_;                                          \
                                                                  \
		errno = 77;                                       \
		r_ = (long)(call);                                \
		printf("%s = %ld, errno %d\n", #call, r_, errno); \
	} while (0)

static int connected(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		exit(1);
	return fd;
}

int main(int argc, char **argv)
{
	int fd = connected(argc > 1 ? atoi(argv[1]) : 0);
	struct iovec none = { NULL, 0 };
	struct iovec holes[] = { { NULL, 0 },
				 { (void *)"GET /b ", 7 },
				 { NULL, 0 },
				 { (void *)"HTTP/1.1\r\nHost: h\r\n\r\n", 21 },
				 { NULL, 0 } };
	struct msghdr empty = { 0 };
	char buf[4096];
	struct iovec room[] = { { buf, 1 }, { NULL, 0 }, { buf + 1, sizeof(buf) - 1 } };
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	void *volatile nowhere = (void *)8;

	SAY(write(fd, "", 0));
	SAY(write(fd, NULL, 0));
	SAY(send(fd, NULL, 0, 0));
	SAY(writev(fd, &none, 1));
	SAY(writev(fd, NULL, 0));
	SAY(writev(fd, holes, -1));
	SAY(writev(fd, holes, 1025));
	SAY(sendmsg(fd, &empty, 0));
	SAY(write(fd, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", 28));
	SAY(read(fd, buf, 0));
	SAY(poll(&answer, 1, -1)); /* else the next one says what the peer's haste wants */
	SAY(recv(fd, NULL, 0, MSG_DONTWAIT | MSG_PEEK) <= 0);
	SAY(readv(fd, room, 3) > 0);
	SAY(writev(fd, holes, 5));
	SAY(read(fd, nowhere, 10));
	SAY(readv(fd, nowhere, 2));
	SAY(recvmsg(fd, nowhere, 0));
	SAY(write(fd, nowhere, 10));
	SAY(writev(fd, nowhere, 2));
	SAY(sendmsg(fd, nowhere, 0));
	SAY(fcntl(fd, F_GETFL) == fcntl(fd, F_GETFL, 0));
	SAY(fcntl(fd, F_SETFD, FD_CLOEXEC));
	SAY(fcntl(fd, F_GETFD));
	SAY(fcntl(fd, F_DUPFD, -1));
	SAY(read(fd, buf, sizeof(buf)) > 0);
	SAY(close(fd));
	SAY(read(fd, buf, 1));
	SAY(write(fd, buf, 1));
	SAY(close(fd));
	SAY(close(-1));
	SAY(dup2(fd, -1));
	usleep(300000); /* an exporter may work meanwhile */
	return 0;
}
