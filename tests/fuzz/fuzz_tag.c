/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header tag: what a program finds in its buffers when it reads a stream in pieces of any size,
 * into vectors of any shape, and peeks now and then.  The first four bytes are size of the reads,
 * size of the vector's pieces, how often a peek comes first and how far it looks; then the stream.
 *
 * The judge is a list of what must hold for each byte that differs from the stream.
 */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "tag.h"

#define FD 700
#define STREAM_MAX 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool is_lower_hex(const char *s, size_t n)
{
	for (; n; n--, s++)
		if (!isdigit((unsigned char)*s) && (*s < 'a' || *s > 'f'))
			return false;
	return true;
}

/* Is there an empty line in s, or what ends one that began before? */
static bool has_head_end(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] != '\n')
			continue;
		if (i + 1 < n && s[i + 1] == '\n')
			return true;
		if (i + 2 < n && s[i + 1] == '\r' && s[i + 2] == '\n')
			return true;
	}
	return false;
}

/* The name of the header whose value begins at v, over blanks, and a fold. */
static bool is_named(const char *stream, const char *v)
{
	while (v > stream && (v[-1] == ' ' || v[-1] == '\t' || v[-1] == '\r' || v[-1] == '\n'))
		v--;
	return v - stream >= 13 && strncasecmp(v - 13, "\ntraceparent:", 13) == 0;
}

struct seen {
	const char *stream;
	const char *got;
	size_t from, to; /* of this read */
	size_t peeked;   /* so far has been shown */
};

/* One tag of 16 digits at `at`. */
static void judge(const struct seen *s, size_t at)
{
	const char *v = s->stream + at - 36;
	struct trace_id trace;
	struct span_id id;
	struct span_ref span;

	check(at >= s->from + 36 && at + 19 <= s->to);
	check(at - 36 >= s->peeked);
	check(is_named(s->stream, v));
	check(is_lower_hex(v, 2) && v[2] == '-' && v[35] == '-' && v[52] == '-');
	check(is_lower_hex(v + 3, 32) && is_lower_hex(v + 36, 16) && is_lower_hex(v + 53, 2));
	check(has_head_end(v, s->to - (at - 36)));
	check(hex_decode(trace.bytes, v + 3, 16) && hex_decode(id.bytes, s->got + at, 8));
	check(!span_id_is_zero(&id));
	/* Its own, or lost among too many. */
	check(tag_find(&trace, &id, &span) != TAG_UNKNOWN);
}

static void judge_read(const struct seen *s)
{
	size_t at = s->from;

	while (at < s->to) {
		size_t first = at;

		if (s->stream[at] == s->got[at]) {
			at++;
			continue;
		}
		/* Digits may be equal by chance: the tag begins where the value says. */
		while (first > s->from && s->stream[first - 1] != '-')
			first--;
		judge(s, first);
		at = first + 16;
	}
}

/* Reads from..to into the vector; true: goes on. */
static bool read_piece(struct seen *s, char *got, size_t piece)
{
	struct conn_token t = conn_look(FD, true);
	struct iovec iov[64];
	size_t count = 0;

	if (!t.conn)
		return false;
	for (size_t at = s->from; at < s->to; at += piece) {
		size_t n = s->to - at < piece ? s->to - at : piece;

		if (count == 64)
			return false;
		iov[count++] = (struct iovec){ got + at, n };
	}
	conn_read_done(FD, t, iov, count, (ssize_t)(s->to - s->from), s->to - s->from, 0);
	judge_read(s);
	return true;
}

static void start(void)
{
	static int fd = -1;

	if (fd < 0) {
		config_parse(&config, NULL);
		config.traces_exporter = EXPORTER_NONE;
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		check(dup2(fd, FD) == FD);
	}
	conn_accepted(FD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char got[STREAM_MAX];
	struct seen s = { .stream = (const char *)data + 4, .got = got };
	size_t step, piece;

	if (size < 5 || size > STREAM_MAX)
		return 0;
	size -= 4;
	step = data[0] ? data[0] * 8u : size;
	piece = data[1] ? data[1] : step;
	memcpy(got, s.stream, size);
	start();
	for (unsigned n = 1; s.from < size; n++) {
		s.to = s.from + step < size ? s.from + step : size;
		if (data[2] && n % data[2] == 0) {
			size_t shown = data[3] < size - s.from ? data[3] : size - s.from;

			conn_peek_done(FD, conn_peek_begin(FD), (ssize_t)shown);
			s.peeked = s.from + shown > s.peeked ? s.from + shown : s.peeked;
		}
		if (!read_piece(&s, got, piece))
			break;
		s.from = s.to;
	}
	conn_fd_closing(FD);
	return 0;
}
