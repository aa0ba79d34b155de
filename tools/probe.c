/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

#define STEP_MS 3000
#define SAID_MAX 4096

/* --- the URL --- */

static bool take_host(struct probe_url *ret, struct bytes *rest)
{
	size_t n = 0;
	bool is_v6 = rest->len && rest->ptr[0] == '[';

	if (is_v6)
		*rest = bytes_skip(*rest, 1);
	while (n < rest->len && !strchr(is_v6 ? "]" : ":/?#", rest->ptr[n]))
		n++;
	if (!n || n >= sizeof(ret->host) || (is_v6 && n == rest->len))
		return false;
	memcpy(ret->host, rest->ptr, n);
	ret->host[n] = '\0';
	*rest = bytes_skip(*rest, n + is_v6);
	return true;
}

bool probe_url_parse(struct probe_url *ret, const char *url)
{
	struct bytes rest = bytes_from_str(url);
	size_t n = 0;

	*ret = (struct probe_url){ .is_https = bytes_start_with(rest, BYTES("https://")) };
	if (!ret->is_https && !bytes_start_with(rest, BYTES("http://")))
		return false;
	rest = bytes_skip(rest, ret->is_https ? 8 : 7);
	if (!take_host(ret, &rest))
		return false;
	snprintf(ret->port, sizeof(ret->port), "%s", ret->is_https ? "443" : "80");
	if (rest.len && rest.ptr[0] == ':') {
		rest = bytes_skip(rest, 1);
		while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
			n++;
		if (!n || n > 5)
			return false;
		snprintf(ret->port, sizeof(ret->port), "%.*s", (int)n, rest.ptr);
		rest = bytes_skip(rest, n);
	}
	if (rest.len && rest.ptr[0] != '/')
		return false;
	return snprintf(ret->path, sizeof(ret->path), "%.*s", (int)rest.len,
			rest.len ? rest.ptr : "") < (int)sizeof(ret->path);
}

/* --- the answer --- */

static void keep_line(struct probe_answer *ret, struct bytes said)
{
	size_t n = 0;

	while (n < said.len && n < sizeof(ret->said) - 1 && said.ptr[n] != '\r' &&
	       said.ptr[n] != '\n')
		n++;
	memcpy(ret->said, said.ptr, n);
	ret->said[n] = '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

void probe_judge(struct probe_answer *ret, struct bytes said)
{
	const unsigned char *b = (const unsigned char *)said.ptr;

	*ret = (struct probe_answer){ .kind = PROBE_OTHER };
	if (!said.len) {
		ret->kind = PROBE_SILENT;
		return;
	}
	/* A frame of type SETTINGS or GOAWAY on stream 0. */
	if (said.len >= 9 && (b[3] == 4 || b[3] == 7) && b[0] == 0 &&
	    !memcmp(b + 5, "\0\0\0\0", 4)) {
		ret->kind = PROBE_HTTP2;
		return;
	}
	/* An alert. */
	if (said.len >= 3 && b[0] == 0x15 && b[1] == 3) {
		ret->kind = PROBE_TLS;
		return;
	}
	keep_line(ret, said);
	if (said.len < 12 || memcmp(b, "HTTP/1.", 7) != 0 || !is_digit(said.ptr[9]) ||
	    !is_digit(said.ptr[10]) || !is_digit(said.ptr[11]))
		return;
	ret->kind = PROBE_HTTP;
	ret->status = (unsigned)((b[9] - '0') * 100 + (b[10] - '0') * 10 + (b[11] - '0'));
	/* Go's and nginx's words. */
	if (ret->status == 400 &&
	    (memmem(said.ptr, said.len, "HTTPS", 5) || memmem(said.ptr, said.len, "https", 5)))
		ret->kind = PROBE_TLS;
}

/* --- the request --- */

static void put_field(struct text *to, unsigned number, const void *data, size_t n)
{
	text_add_char(to, (char)(number << 3 | 2));
	text_add_char(to, (char)n); /* all of ours are short */
	text_add(to, (struct bytes){ data, n });
}

static void put_message(struct text *to, unsigned number, struct text *inner)
{
	put_field(to, number, inner->ptr, inner->len);
	text_done(inner);
}

static void put_time(struct text *to, unsigned number, uint64_t ns)
{
	text_add_char(to, (char)(number << 3 | 1));
	for (int i = 0; i < 8; i++)
		text_add_char(to, (char)(ns >> 8 * i));
}

/* O101-O104: resource_spans { resource { attributes } scope_spans { spans } } */
static void put_protobuf(struct text *to, const uint8_t id[24])
{
	struct text value = { 0 }, attr = { 0 }, resource = { 0 }, span = { 0 }, scope = { 0 },
		    all = { 0 };
	uint64_t now = clock_realtime_ns();

	put_field(&value, 1, "interspan-doctor", 16);
	put_field(&attr, 1, "service.name", 12);
	put_message(&attr, 2, &value);
	put_message(&resource, 1, &attr);
	put_message(&all, 1, &resource);
	put_field(&span, 1, id, 16);
	put_field(&span, 2, id + 16, 8);
	put_field(&span, 5, "test", 4);
	text_add(&span, BYTES("\x30\x01")); /* INTERNAL */
	put_time(&span, 7, now);
	put_time(&span, 8, now);
	put_message(&scope, 2, &span);
	put_message(&all, 2, &scope);
	put_message(to, 1, &all);
}

static void put_json(struct text *to, const uint8_t id[24])
{
	unsigned long long now = clock_realtime_ns();

	text_add_str(to, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":"
			 "\"service.name\",\"value\":{\"stringValue\":\"interspan-doctor\"}}]},"
			 "\"scopeSpans\":[{\"spans\":[{\"traceId\":\"");
	text_add_hex(to, id, 16);
	text_add_str(to, "\",\"spanId\":\"");
	text_add_hex(to, id + 16, 8);
	text_printf(to, "\",\"name\":\"test\",\"kind\":1,\"startTimeUnixNano\":\"%llu\",", now);
	text_printf(to, "\"endTimeUnixNano\":\"%llu\"}]}]}]}", now);
}

static void put_request(struct text *to, const struct probe_url *url, enum probe_body kind,
			struct bytes headers)
{
	struct text body = { 0 };
	uint8_t id[24];

	if (kind == PROBE_BODY_HTTP2_PREFACE) {
		/* RFC 9113 3.4: the preface, and SETTINGS without any. */
		text_add_str(to, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
		text_add(to, BYTES("\0\0\0\4\0\0\0\0\0"));
		return;
	}
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		memset(id, 0xd0, sizeof(id));
	if (kind == PROBE_BODY_JSON)
		put_json(&body, id);
	else
		put_protobuf(&body, id);
	text_add_str(to, "POST ");
	text_add_str(to, *url->path ? url->path : "/");
	text_add_str(to, " HTTP/1.1\r\nHost: ");
	text_add_str(to, url->host);
	text_printf(to, ":%s\r\nUser-Agent: OTel-OTLP-Exporter-interspan-doctor\r\n", url->port);
	text_printf(to, "Content-Type: application/%s\r\nContent-Length: %zu\r\n",
		    kind == PROBE_BODY_JSON ? "json" : "x-protobuf", body.len);
	text_add(to, headers);
	text_add_str(to, "Connection: close\r\n\r\n");
	text_add(to, (struct bytes){ body.ptr, body.len });
	text_done(&body);
}

/* --- the wire --- */

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, STEP_MS) > 0;
}

/* A connected socket, or -errno. */
static int connect_to(const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS)
		error = errno;
	else if (!wait_for(fd, POLLOUT))
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (!error)
		return fd;
	close(fd);
	return -error;
}

/* Until its end, or as much as tells who is there. */
static void exchange(struct probe_answer *ret, int fd, struct bytes request)
{
	char said[SAID_MAX];
	size_t n = 0;
	ssize_t r;

	while (request.len && wait_for(fd, POLLOUT)) {
		r = send(fd, request.ptr, request.len, MSG_NOSIGNAL);
		if (r <= 0)
			break;
		request = bytes_skip(request, (size_t)r);
	}
	while (n < sizeof(said) && wait_for(fd, POLLIN)) {
		r = recv(fd, said + n, sizeof(said) - n, 0);
		if (r <= 0)
			break;
		n += (size_t)r;
		if (said[0] != 'H' || memmem(said, n, "\r\n\r\n", 4))
			break;
	}
	probe_judge(ret, (struct bytes){ said, n });
}

void probe_send(struct probe_answer *ret, const struct probe_url *url, enum probe_body body,
		struct bytes headers)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	struct text request = { 0 };
	int r = getaddrinfo(url->host, url->port, &hints, &list), fd = -EHOSTUNREACH;

	*ret = (struct probe_answer){ .kind = PROBE_NO_NAME, .error = r };
	if (r != 0)
		return;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = connect_to(at);
	freeaddrinfo(list);
	if (fd < 0) {
		ret->kind = fd == -ECONNREFUSED ? PROBE_REFUSED : PROBE_NO_ROUTE;
		ret->error = -fd;
		return;
	}
	put_request(&request, url, body, headers);
	exchange(ret, fd, (struct bytes){ request.ptr, request.len });
	text_done(&request);
	close(fd);
}
