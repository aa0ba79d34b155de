/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer PORT CALL MODE CUT... : a client whose requests leave by one kind of call, in two pieces.
 *
 * CALL is write, writev, send, sendto or sendmsg, MODE is block or poll (O_NONBLOCK, waits by
 * poll).  The request comes on standard input.  For each CUT a connection: request[0, CUT),
 * request[CUT, end), each piece until all of it has been taken; then the response is read to its
 * end.  CUT -N cuts from the end.  SNDBUF in the environment sets SO_SNDBUF.  A line for each
 * connection tells how many bytes the calls claimed to have taken, whether one claimed more than it
 * was given, and partial takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static char text[1 << 20];
static size_t text_len;
static const char *call, *mode;

struct tally {
	size_t taken;
	unsigned partial, again;
	bool too_much;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Three vectors with an empty one between, so that counts must be walked over vectors. */
static int split(struct iovec *iov, const char *data, size_t len)
{
	iov[0] = (struct iovec){ (void *)data, len / 2 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ (void *)(data + len / 2), len - len / 2 };
	return 3;
}

static ssize_t put(int fd, const char *data, size_t len)
{
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	if (!strcmp(call, "write"))
		return write(fd, data, len);
	if (!strcmp(call, "send"))
		return send(fd, data, len, MSG_NOSIGNAL);
	if (!strcmp(call, "sendto"))
		return sendto(fd, data, len, 0, NULL, 0);
	split(iov, data, len);
	if (!strcmp(call, "writev"))
		return writev(fd, iov, 3);
	return sendmsg(fd, &msg, 0);
}

static void put_all(int fd, const char *data, size_t len, struct tally *t)
{
	while (len > 0) {
		ssize_t n = put(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			t->again++;
			poll(&p, 1, -1);
			continue;
		}
		if (n < 0)
			die(call);
		t->too_much |= (size_t)n > len;
		if (t->too_much)
			return;
		t->partial += (size_t)n < len;
		t->taken += (size_t)n;
		data += n;
		len -= (size_t)n;
	}
}

static int open_connection(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const char *sndbuf = getenv("SNDBUF");

	if (sndbuf) {
		int size = atoi(sndbuf);

		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	if (!strcmp(mode, "poll") && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	return fd;
}

static void exchange(int port, long cut)
{
	struct tally t = { 0 };
	int fd = open_connection(port);
	size_t at = cut < 0 ? text_len - (size_t)-cut : (size_t)cut;
	char answer[512];
	ssize_t n;

	put_all(fd, text, at, &t);
	put_all(fd, text + at, text_len - at, &t);
	do {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		poll(&p, 1, -1);
		n = read(fd, answer, sizeof(answer));
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	close(fd);
	printf("taken=%zu too_much=%d partial=%u again=%u\n", t.taken, t.too_much, t.partial,
	       t.again);
}

int main(int argc, char **argv)
{
	ssize_t n;

	if (argc < 5)
		return 2;
	call = argv[2];
	mode = argv[3];
	while ((n = read(0, text + text_len, sizeof(text) - text_len)) > 0)
		text_len += (size_t)n;
	for (int i = 4; i < argc; i++)
		exchange(atoi(argv[1]), atol(argv[i]));
	return 0;
}
