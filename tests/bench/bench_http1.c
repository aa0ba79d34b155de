/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser costs on whole messages, as they nearly always come, with what is kept of their
 * heads: nanoseconds for each, the best round; the head in one call, and step by step.  Only the
 * headers that our side asks for are told, as in a connection.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "config.h"
#include "head.h"
#include "http1.h"

#define ROUNDS 200
#define REPEATS 2000

#define BODY64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct message {
	const char *name;
	bool is_response;
	struct bytes text;
} messages[] = {
	{ "request of wrk", false, BYTES("GET /1k.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n") },
	{ "request of a browser", false,
	  BYTES("GET /api/v1/orders/12345/items?page=2&size=50 HTTP/1.1\r\n"
		"Host: shop.example.org\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/1\r\n"
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*\r\n"
		"Accept-Language: en-US,en;q=0.5\r\n"
		"Accept-Encoding: gzip, deflate, br\r\n"
		"Connection: keep-alive\r\n"
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
		"Upgrade-Insecure-Requests: 1\r\n"
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n") },
	{ "response of nginx", true,
	  BYTES("HTTP/1.1 200 OK\r\n"
		"Server: nginx/1.22.1\r\n"
		"Date: Wed, 25 Nov 2026 18:00:31 GMT\r\n"
		"Content-Type: text/html\r\n"
		"Content-Length: 64\r\n"
		"Last-Modified: Wed, 25 Nov 2026 17:43:11 GMT\r\n"
		"Connection: keep-alive\r\n"
		"ETag: \"6745a0cf-400\"\r\n"
		"Accept-Ranges: bytes\r\n\r\n" BODY64) },
};

static struct head head;
static char text[HEAD_TEXT_BYTES];
static uint64_t told;

static bool take_whole(struct http1 *p, struct bytes *in)
{
	static struct http1_others others;

	if (p->is_response)
		return http1_whole_response(p, in, false, false);
	if (!http1_whole_request(p, in, &head.fields, &others))
		return false;
	head_whole(&head, text, &others);
	return true;
}

static void parse(struct http1 *p, struct bytes in, bool is_whole)
{
	if (is_whole && !take_whole(p, &in))
		abort();
	for (;;) {
		enum http1_event e = http1_step(p, &in);

		if (e == HTTP1_NEED_MORE)
			return;
		if (e == HTTP1_DEAD || e == HTTP1_NEED_LINE)
			abort();
		if (e == HTTP1_START_LINE && !p->is_response)
			head_start(&head, text, p);
		else if (e == HTTP1_HEADER)
			head_field(&head, text, p);
		told += e == HTTP1_MESSAGE_END;
	}
}

static double measure(const struct message *m, bool is_whole)
{
	double best = 1e9;
	struct http1 p;

	if (m->is_response)
		http1_init_response(&p);
	else
		http1_init_request(&p);
	http1_tell(&p, m->is_response ? 0 : HEAD_TELL);
	told = 0;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_monotonic_ns();
		double ns;

		for (int i = 0; i < REPEATS; i++)
			parse(&p, m->text, is_whole);
		ns = (double)(clock_monotonic_ns() - start) / REPEATS;
		if (ns < best)
			best = ns;
	}
	if (told != (uint64_t)ROUNDS * REPEATS)
		abort();
	return best;
}

int main(void)
{
	config_parse(&config, NULL);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		const struct message *m = &messages[i];

		printf("%-22s %4zu bytes  %6.1f ns in one call, %6.1f ns in steps\n", m->name,
		       m->text.len, measure(m, true), measure(m, false));
	}
	return 0;
}
