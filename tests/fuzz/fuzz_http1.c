/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser against the model: both write the same notes, or one of them is wrong.
 *
 *   byte 0   bit 0: responses; the whole of it: seed of the read sizes
 *   byte 1   what responses answer, two bits each: 1 HEAD, 2 CONNECT, else another method
 *   byte 2...  the stream
 */
#include "http1_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* In pieces of random sizes; now and then ahead with a copy, which is then forgotten. */
static void parse(struct http1_run *r, struct bytes in, uint32_t seed)
{
	static struct http1_run ahead;
	size_t most = 1 + random_next(&seed) % 64;

	while (in.len) {
		size_t n = 1 + random_next(&seed) % most;
		struct bytes piece = { in.ptr, n < in.len ? n : in.len };

		if (random_next(&seed) % 4 == 0) {
			ahead = *r;
			ahead.p = http1_ahead(&r->p);
			http1_run_pieces(&ahead, in, random_next(&seed) % most,
					 1 + random_next(&seed) % most);
		}
		http1_run_pieces(r, piece, 0, piece.len);
		in = bytes_skip(in, piece.len);
	}
	http1_run_end(r);
}

/* What lies whole in the input has a way of its own: it says what the steps say, byte by byte. */
static void whole_and_in_bytes(bool is_response, const char *expect, struct bytes in)
{
	static struct http1_run whole, bytes;
	static char line[HTTP1_LINE_BYTES];

	http1_run_init(&whole, is_response, expect, line, sizeof(line));
	http1_run_pieces(&whole, in, 0, in.len);
	http1_run_end(&whole);
	http1_run_init(&bytes, is_response, expect, line, sizeof(line));
	http1_run_pieces(&bytes, in, 0, 1);
	http1_run_end(&bytes);
	if (strcmp(whole.log, bytes.log) != 0) {
		fprintf(stderr, "whole\n%s--- in bytes\n%s", whole.log, bytes.log);
		abort();
	}
}

/* Takes out of what a run has noted what is told on request. */
static void forget_asked(char *log)
{
	char *to = log;

	while (*log) {
		size_t n = strcspn(log, "\n") + 1;

		if (strncmp(log, "H ", 2) != 0 && strncmp(log, "C ", 2) != 0) {
			memmove(to, log, n);
			to += n;
		}
		log += n;
	}
	*to = 0;
}

/* Who asks for few headers, or none, hears everything else as before. */
static void ask_for_less(struct http1_run *told, struct bytes in, uint32_t seed)
{
	static struct http1_run r;
	static char line[HTTP1_LINE_BYTES];

	http1_run_init(&r, told->is_response, told->expect, line, sizeof(line));
	http1_tell(&r.p, seed % 2 ? 0 : random_next(&seed));
	parse(&r, in, seed);
	forget_asked(r.log);
	forget_asked(told->log);
	if (strcmp(r.log, told->log) != 0) {
		fprintf(stderr, "asked for less\n%s--- told all\n%s", r.log, told->log);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_run got, want, ask;
	static struct model m;
	static char line[HTTP1_LINE_BYTES];
	char expect[] = "....";
	struct bytes in;
	char *why;

	if (size < 3 || size - 2 > STREAM_MAX)
		return 0;
	in = (struct bytes){ (const char *)data + 2, size - 2 };
	for (int i = 0; i < 4; i++)
		expect[i] = "GHCG"[data[1] >> (2 * i) & 3];
	http1_run_init(&got, data[0] & 1, expect, line, sizeof(line));
	parse(&got, in, data[0]);
	whole_and_in_bytes(data[0] & 1, expect, in);
	ask = got;
	ask.expect = expect;
	ask_for_less(&ask, in, data[0]);
	http1_run_init(&want, data[0] & 1, expect, NULL, 0);
	m.s = in.ptr;
	m.len = in.len;
	m.at = 0;
	m.is_response = data[0] & 1;
	m.expect = expect;
	m.out = &want;
	model_run(&m);
	/* The model does not say why. */
	why = strstr(got.log, "\nD ");
	if (!why && !strncmp(got.log, "D ", 2))
		strcpy(got.log, "D\n");
	else if (why && !strchr(why + 3, '\n')[1])
		strcpy(why, "\nD\n");
	if (strcmp(got.log, want.log) != 0) {
		fprintf(stderr, "got\n%s--- wanted\n%s", got.log, want.log);
		abort();
	}
	return 0;
}
