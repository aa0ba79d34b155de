/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load PORT CONNECTIONS REPLY STATUS plain|tls REQUEST
 *
 * Reads lines "COUNT PERIOD_US".  For each it sends exactly COUNT copies of the request, waits
 * for as many answers, and prints: answers, microseconds in all, median and 99th percentile of an
 * answer's microseconds.  Connections stay open from line to line; who was closed meanwhile is
 * opened anew.
 *
 * Each connection has times of its own, PERIOD_US apart, between those of the others, so that
 * requests come evenly; who has no answer by then asks upon it.  Connections that waited for so
 * long after an answer would soon ask all at once, and what a server pays for a request depends
 * on how many it finds when it wakes up.  0: each upon the answer, the server is saturated.
 * Answers are then looked for every REST_NS alone: a client that is woken by each of them wants
 * as much of the machine as the server does, and whether one waits for the other or the other for
 * the one is a matter of chance, by which the same server pays 12 or 15 us for a request.
 *
 * REPLY: bytes of an answer, or 0 for HTTP/1 with a Content-Length, of which only STATUS is one.
 * A trace header in the request gets random ids each time, so that no two requests belong to one
 * trace.
 *
 * Ends with its input, by 0; with 1, and says why, if anything else happens.
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
#define REST_NS 100000

struct connection {
	int fd; /* -1: to be opened */
	bool waits;
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
	const char *request;
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

static void close_connection(struct connection *c)
{
	if (c->ssl)
		tls.free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	c->fd = -1;
}

/* Between two lines nothing is under way: what is there to be read is the end. */
static bool has_ended(const struct connection *c)
{
	return recv(c->fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
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
	c->waits = true;
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

	if (n <= 0 && !c->waits) {
		close_connection(c);
		return;
	}
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
	c->waits = false;
	if (closes)
		close_connection(c);
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

/* Until the next one is due, or there may be answers; false: there are none. */
static bool wait_for_more(uint64_t until)
{
	uint64_t now = now_ns();
	struct timespec t = { 0, 0 };
	struct pollfd p = { load.epoll, POLLIN, 0 };

	if (!load.period_ns)
		nanosleep(&(struct timespec){ 0, REST_NS }, NULL);
	if (!until)
		return true;
	if (until > now)
		t = (struct timespec){ (time_t)((until - now) / 1000000000u),
				       (long)((until - now) % 1000000000u) };
	/* ppoll: periods are finer than the milliseconds of epoll_wait. */
	return ppoll(&p, 1, &t, NULL) != 0;
}

static void run(void)
{
	struct epoll_event events[64];

	while (load.answered < load.count) {
		uint64_t until = send_due();
		int n;

		if (!wait_for_more(until))
			continue;
		n = epoll_wait(load.epoll, events, 64, until ? 0 : STUCK_MS);
		if (n <= 0 && !until)
			errx(1, "no answer for %d ms, after %zu", STUCK_MS, load.answered);
		for (int i = 0; i < n; i++)
			answer_read(events[i].data.ptr);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The connections begin one after the other, so that they do not ask all at once later. */
static void order(size_t count, uint64_t period_us)
{
	uint64_t now;

	load.sent = load.answered = 0;
	load.count = count;
	load.period_ns = period_us * 1000;
	load.took_ns = realloc(load.took_ns, count * sizeof(*load.took_ns));
	for (size_t i = 0; i < load.queued; i++)
		if ((*place(i))->fd >= 0 && has_ended(*place(i)))
			close_connection(*place(i));
	now = now_ns();
	for (size_t i = 0; i < load.queued; i++)
		(*place(i))->due_ns = now + load.period_ns * i / load.queue_size;
	run();
	now = now_ns() - now;
	qsort(load.took_ns, count, sizeof(*load.took_ns), compare);
	printf("%zu %.1f %.1f %.1f\n", load.answered, (double)now / 1000,
	       load.took_ns[count / 2] / 1e3, load.took_ns[count * 99 / 100] / 1e3);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t connections = argc == 7 ? (size_t)atol(argv[2]) : 0;
	unsigned long count, period_us;
	char *header, *request;

	if (!connections)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1ul); /* else it is 50 us */
	load.port = (uint16_t)atoi(argv[1]);
	load.reply = (size_t)atol(argv[3]);
	load.status = atoi(argv[4]);
	if (strcmp(argv[5], "tls") == 0)
		tls_load();
	request = argv[6];
	load.request = request;
	load.request_len = strlen(request);
	header = strstr(request, "traceparent: 00-");
	load.ids = header ? header + 16 : NULL;
	load.random = now_ns() ^ (uint64_t)getpid() << 32;
	load.epoll = epoll_create1(0);
	load.queue = calloc(load.queue_size = connections, sizeof(struct connection *));
	for (size_t i = 0; i < connections; i++) {
		struct connection *c = calloc(1, sizeof(*c));

		c->fd = -1;
		enqueue(c, 0);
	}
	while (scanf("%lu %lu", &count, &period_us) == 2 && count)
		order(count, period_us);
	return 0;
}
