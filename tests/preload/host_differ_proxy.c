/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are made while one is served, with trace headers of all sorts that it brought, or
 * somebody has added; by every call that sends, whole and in pieces.  See differ.h.
 */
#define _GNU_SOURCE
#include "differ_ends.h"

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#define IN_HEAD "GET /in HTTP/1.1\r\nHost: h\r\ntraceparent: " TRACE "\r\n"
#define OTHER "00-1234567890abcdef1234567890abcdef-1234567890abcdef-00"

/* What comes in; %s: the traceparent's value as the program has read it. */
static const char *const incoming[] = {
	IN_HEAD "\r\n",
	IN_HEAD "tracestate: a=1,b=2\r\nbaggage: k=v\r\n\r\n",
	"GET /in HTTP/1.1\r\nHost: h\r\n\r\n",
};

static const char *const outgoing[] = {
	"GET /out HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\ntraceparent: %s\r\n\r\n",
	"GET /out HTTP/1.1\r\ntraceparent: %s\r\ntracestate: a=1,b=2\r\nHost: h\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\ntraceparent: " OTHER "\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\ntraceparent: 00-bad\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\ntraceparent: " OTHER "\r\ntraceparent: " OTHER "\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\ntracestate: a=1,,=\r\n\r\n",
	"GET /out HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 Credential=c, "
	"SignedHeaders=host;traceparent, Signature=s\r\ntraceparent: %s\r\n\r\n",
	"POST /out HTTP/1.1\r\nHost: h\r\nContent-Length: 55\r\n\r\n" OTHER,
};
#define INCOMING (int)(sizeof(incoming) / sizeof(*incoming))
#define OUTGOING (int)(sizeof(outgoing) / sizeof(*outgoing))
#define WAYS 8

static void send_it(int fd, char *at, size_t len, int way)
{
	struct iovec iov[] = { { at, len / 2 }, { at + len / 2, len - len / 2 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct mmsghdr m = { .msg_hdr = msg };

	switch (way) {
	case 0:
		CALL(write, fd, at, len);
		break;
	case 1:
		CALL(writev, fd, iov, 2);
		break;
	case 2:
		CALL(send, fd, at, len, MSG_NOSIGNAL);
		break;
	case 3:
		CALL(sendto, fd, at, len, MSG_DONTWAIT, NULL, 0);
		break;
	case 4:
		CALL(sendmsg, fd, &msg, 0);
		break;
	case 5:
		CALL(sendmmsg, fd, &m, 1, 0);
		break;
	case 6:
		CALL(pwritev2, fd, iov, 2, -1, 0);
		break;
	default:
		CALL(write, fd, at, 30);
		CALL(write, fd, at + 30, len - 30);
		break;
	}
}

static void proxy(int in, int out, int way)
{
	static char request[4096], trace[64];
	struct ends server, client;
	char name[64], *found;
	long n;

	snprintf(name, sizeof(name), "proxy %d %d %d", in, out, way);
	begin(name, "");
	ends_open(&server, HTTP_SERVER, true, true);
	server.arrives = incoming[in];
	server.arrives_len = strlen(incoming[in]);
	feed(&server);
	memset(buf, 0, sizeof(buf));
	n = CALL(read, server.in, buf, sizeof(buf));
	say_bytes("got", buf, n);
	found = strstr(buf, "traceparent: ");
	snprintf(trace, sizeof(trace), "%.55s", found ? found + 13 : OTHER);
	ends_open(&client, HTTP_CLIENT, false, true);
	memset(request, 0, sizeof(request));
	n = snprintf(request, sizeof(request), outgoing[out], trace);
	send_it(client.out, request, (size_t)n, way);
	take_raw(&client, 0);
	feed(&client);
	CALL(read, client.in, buf, sizeof(buf));
	CALL(write, server.out, OK_5, sizeof(OK_5) - 1);
	take_raw(&server, 0);
	ends_close(&client);
	ends_close(&server);
}

int main(void)
{
	differ_start();
	for (int in = 0; in < INCOMING; in++)
		for (int out = 0; out < OUTGOING; out++)
			for (int way = 0; way < WAYS; way++)
				proxy(in, out, way);
	say_state();
	return 0;
}
