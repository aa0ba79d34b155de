/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load PORT CONNECTIONS COUNT PERIOD_US REPLY [STATUS [plain|tls [WARM]]] <request
 *
 * Sends exactly COUNT copies of the request and waits for as many answers.  Each connection has
 * times of its own, PERIOD_US apart, between those of the others, so that requests come evenly (0:
 * each upon the answer, the server is saturated); who has no answer by then asks upon it.
 * Connections that waited for so long after an answer would soon ask all at once, and what a server
 * pays for a request depends on how many it finds when it wakes up.  REPLY: bytes of an answer, or
 * 0 for HTTP/1 with a Content-Length, of which only STATUS (200) is one.  A trace header in the
 * request gets random ids each time, so that no two requests belong to one trace.
 *
 * WARM: so many come first, on the same connections, of which nothing is told; behind them it stops
 * itself (SIGSTOP), so that whoever continues it can look at the server's clocks.
 *
 * Prints: answers, microseconds in all, median and 99th percentile of an answer's microseconds.
 * Ends with 1, and says why, if anything else happens.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 65536
#define STUCK_MS 20000

struct connection {
	int fd; /* -1: to be opened */
	void *ssl;
	uint64_t sent_ns;
	uint64_t due_ns;
	size_t have;
	char answer[ANSWER_MAX + 1];
};

static struct load {
	int epoll;
	uint16_t port;
	int status;
	size_t reply, sent, answered, count;
	uint64_t period_ns, random;
	char request[4096];
	size_t request_len;
	char *ids; /* in the request; NULL: no trace header */
	uint32_t *took_ns;
	/* A queue of those that wait for their time, in the order of that. */
	struct connection **queue;
	size_t queue_size, first, queued;
} load;

/* OpenSSL 3, found when it is wanted: nobody needs it to build this. */
static struct tls {
	void *(*method)(void);
	void *(*ctx_new)(const void *method);
	void *(*new)(void *ctx);
	int (*set_fd)(void *ssl, int fd);
	int (*connect)(void *ssl);
	int (*read)(void *ssl, void *to, int len);
	int (*write)(void *ssl, const void *from, int len);
	int (*pending)(const void *ssl);
	int (*free)(void *ssl);
	void *ctx; /* NULL: plain */
} tls;

static void tls_load(void)
{
	static const char names[][20] = { "TLS_client_method", "SSL_CTX_new", "SSL_new",
					  "SSL_set_fd",        "SSL_connect", "SSL_read",
					  "SSL_write",         "SSL_pending", "SSL_free" };
	void *lib = dlopen("libssl.so.3", RTLD_NOW);
	void **to = (void **)&tls;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!lib || !(to[i] = dlsym(lib, names[i])))
			errx(1, "libssl.so.3: %s", dlerror());
	tls.ctx = tls.ctx_new(tls.method());
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct connection **place(size_t at)
{
	return &load.queue[(load.first + at) % load.queue_size];
}

static void enqueue(struct connection *c, uint64_t due_ns)
{
	size_t at = load.queued++;

	c->due_ns = due_ns;
	/* Answers may come in another order than requests. */
	for (; at && place(at - 1)[0]->due_ns > due_ns; at--)
		*place(at) = *place(at - 1);
	*place(at) = c;
}

static void hex_put(char *to, int digits)
{
	load.random ^= load.random << 13;
	load.random ^= load.random >> 7;
	load.random ^= load.random << 17;
	for (int i = 0; i < digits; i++)
		to[i] = "0123456789abcdef"[load.random >> (4 * i) & 15];
}

static void open_connection(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(load.port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (tls.ctx) {
		c->ssl = tls.new(tls.ctx);
		if (!c->ssl || tls.set_fd(c->ssl, c->fd) != 1 || tls.connect(c->ssl) != 1)
			errx(1, "no TLS");
	}
	epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static ssize_t bytes_send(struct connection *c, const char *from, size_t len)
{
	return c->ssl ? tls.write(c->ssl, from, (int)len) : write(c->fd, from, len);
}

/* All that is there: what the library has is not told by epoll. */
static ssize_t bytes_get(struct connection *c, char *to, size_t len)
{
	ssize_t n;

	if (!c->ssl)
		return read(c->fd, to, len);
	n = tls.read(c->ssl, to, (int)len);
	while (n > 0 && tls.pending(c->ssl) > 0) {
		int more = tls.read(c->ssl, to + n, (int)(len - (size_t)n));

		if (more <= 0)
			return more;
		n += more;
	}
	return n;
}

static void request_send(struct connection *c)
{
	if (load.ids) {
		hex_put(load.ids, 16);
		hex_put(load.ids + 16, 16);
		hex_put(load.ids + 33, 16);
	}
	c->sent_ns = now_ns();
	c->have = 0;
	if (c->fd < 0)
		open_connection(c);
	if (bytes_send(c, load.request, load.request_len) != (ssize_t)load.request_len)
		err(1, "write");
	load.sent++;
}

/* Bytes of the whole answer, or 0: its head is not there yet. */
static size_t http_length(struct connection *c, bool *ret_close)
{
	char *end = strstr(c->answer, "\r\n\r\n"), *line;
	long length = -1;

	*ret_close = false;
	if (!end)
		return 0;
	if (strncmp(c->answer, "HTTP/1.", 7) != 0 || atoi(c->answer + 9) != load.status)
		errx(1, "not a good answer: %.60s", c->answer);
	for (line = strstr(c->answer, "\r\n"); line < end; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, "content-length:", 15) == 0)
			length = atol(line + 15);
		else if (strncasecmp(line, "connection: close", 17) == 0)
			*ret_close = true;
	}
	if (length < 0)
		errx(1, "an answer without a length");
	return (size_t)(end + 4 - c->answer) + (size_t)length;
}

static void answer_read(struct connection *c)
{
	ssize_t n = bytes_get(c, c->answer + c->have, ANSWER_MAX - c->have);
	bool closes = false;
	size_t whole;
	uint64_t now;

	if (n <= 0)
		errx(1, "closed in an answer, after %zu answers", load.answered);
	c->have += (size_t)n;
	c->answer[c->have] = '\0';
	whole = load.reply ? load.reply : http_length(c, &closes);
	if (!whole || c->have < whole)
		return;
	if (c->have > whole)
		errx(1, "%zu bytes are too many: %.60s", c->have - whole, c->answer);
	now = now_ns();
	load.took_ns[load.answered++] = (uint32_t)(now - c->sent_ns);
	if (closes) {
		if (c->ssl)
			tls.free(c->ssl);
		c->ssl = NULL;
		close(c->fd);
		c->fd = -1;
	}
	enqueue(c, c->due_ns + load.period_ns);
}

/* Sends what is due; returns until when nothing is, or 0: no end in sight. */
static uint64_t send_due(void)
{
	while (load.queued && load.sent < load.count) {
		struct connection *c = *place(0);

		if (load.period_ns && c->due_ns > now_ns())
			return c->due_ns;
		load.first = (load.first + 1) % load.queue_size;
		load.queued--;
		request_send(c);
	}
	return 0;
}

static void run(void)
{
	struct epoll_event events[64];

	while (load.answered < load.count) {
		uint64_t until = send_due(), now = now_ns(), wait = until > now ? until - now : 0;
		struct timespec t = { (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };
		struct pollfd p = { load.epoll, POLLIN, 0 };
		int n;

		/* ppoll: periods are finer than the milliseconds of epoll_wait. */
		if (until && ppoll(&p, 1, &t, NULL) == 0)
			continue;
		n = epoll_wait(load.epoll, events, 64, until ? 0 : STUCK_MS);
		if (n <= 0 && !until)
			errx(1, "no answer for %d ms, after %zu", STUCK_MS, load.answered);
		for (int i = 0; i < n; i++)
			answer_read(events[i].data.ptr);
	}
}

/* The connections begin one after the other, so that they do not ask all at once later. */
static void run_from_now(size_t count)
{
	uint64_t now = now_ns();

	load.sent = load.answered = 0;
	load.count = count;
	for (size_t i = 0; i < load.queued; i++)
		(*place(i))->due_ns = now + load.period_ns * i / load.queue_size;
	run();
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	size_t connections = argc >= 6 ? (size_t)atol(argv[2]) : 0;
	size_t count = argc >= 6 ? (size_t)atol(argv[3]) : 0;
	size_t warm = argc > 8 ? (size_t)atol(argv[8]) : 0;
	uint64_t start = now_ns();
	char *header;

	if (!connections || !count)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1ul); /* else it is 50 us */
	load.port = (uint16_t)atoi(argv[1]);
	load.period_ns = (uint64_t)atol(argv[4]) * 1000;
	load.reply = (size_t)atol(argv[5]);
	load.status = argc > 6 ? atoi(argv[6]) : 200;
	if (argc > 7 && strcmp(argv[7], "tls") == 0)
		tls_load();
	load.request_len = fread(load.request, 1, sizeof(load.request) - 1, stdin);
	header = strstr(load.request, "traceparent: 00-");
	load.ids = header ? header + 16 : NULL;
	load.random = start ^ (uint64_t)getpid() << 32;
	load.epoll = epoll_create1(0);
	load.took_ns = calloc(count > warm ? count : warm, sizeof(*load.took_ns));
	load.queue = calloc(load.queue_size = connections, sizeof(struct connection *));
	for (size_t i = 0; i < connections; i++) {
		struct connection *c = calloc(1, sizeof(*c));

		c->fd = -1;
		enqueue(c, start);
	}
	if (warm) {
		run_from_now(warm);
		raise(SIGSTOP);
		start = now_ns();
	}
	run_from_now(count);
	start = now_ns() - start;
	qsort(load.took_ns, load.count, sizeof(*load.took_ns), compare);
	printf("%zu %.1f %.1f %.1f\n", load.answered, (double)start / 1000,
	       load.took_ns[load.count / 2] / 1e3, load.took_ns[load.count * 99 / 100] / 1e3);
	return 0;
}
