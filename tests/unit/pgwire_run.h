/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PGWIRE_RUN_H
#define PGWIRE_RUN_H
/*
 * Both sides of a connection that speaks PostgreSQL's protocol, made up, and what is told of it:
 * for the unit test and the fuzzer.  A script is lines of "C" (client) or "S" (server) and
 * messages:
 *   Q{SELECT 1}     a type and its body, in which ~ is NUL and ^ the next byte minus 64
 *   *{...}          without a type: number and body of a first message
 *   !X              a bare byte
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "config.h"
#include "conn.h"
#include "fd_table.h"
#include "store.h"

#define RUN_FD 901
#define RUN_BYTES 70000u

struct run_bytes {
	size_t len;
	char at[RUN_BYTES];
};

static inline void run_put(struct run_bytes *b, const void *from, size_t len)
{
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

/* The messages of one line, as bytes. */
static inline void run_line(struct run_bytes *to, const char *line)
{
	to->len = 0;
	for (const char *p = line; *p; p++) {
		char type = *p;
		size_t at = to->len;
		uint32_t len;

		if (type == ' ')
			continue;
		if (type == '!') {
			run_put(to, ++p, 1);
			continue;
		}
		if (type != '*')
			run_put(to, &type, 1);
		run_put(to, "\0\0\0\0", 4);
		for (p += 2; *p != '}'; p++) {
			char c = *p == '~' ? '\0' : *p == '^' ? (char)(*++p - 64) : *p;

			run_put(to, &c, 1);
		}
		at += type != '*';
		len = __builtin_bswap32((uint32_t)(to->len - at));
		memcpy(to->at + at, &len, 4);
	}
}

/* Those bytes go over the connection in pieces of that size. */
static inline void run_move(bool is_in, const char *bytes, size_t len, size_t piece)
{
	while (len) {
		size_t n = len < piece ? len : piece;
		char *copy = malloc(n); /* what is behind it is nobody's */
		struct iovec iov = { copy, n };
		struct conn_token t = conn_look(RUN_FD, is_in);

		memcpy(copy, bytes, n);
		if (is_in)
			conn_read_done(RUN_FD, t, &iov, 1, (ssize_t)n, n, 0);
		else
			conn_wrote(RUN_FD, t, &iov, 1, (ssize_t)n, 0);
		free(copy);
		bytes += n;
		len -= n;
	}
}

static inline void run_connect(void)
{
	struct sockaddr_un peer = { AF_UNIX, "/run/pg/.s.PGSQL.5433" };

	conn_connected(RUN_FD, (const struct sockaddr *)&peer, sizeof(peer), false, 1);
}

static inline void run_close(void)
{
	conn_fd_closing(RUN_FD);
}

struct run_span {
	uint64_t start_ns;
	char text[512];
};

static inline int run_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct run_span *)a)->start_ns,
		 y = ((const struct run_span *)b)->start_ns;

	return x < y ? -1 : x > y;
}

/*
 * Every span that has ended, in the order of their starts: name|text|status code|error|batch|rows,
 * those that are there.
 */
static inline size_t run_told(char *to, size_t cap)
{
	static const struct {
		enum attr key;
		char mark;
	} parts[] = { { ATTR_DB_QUERY_TEXT, '|' },
		      { ATTR_ERROR_TYPE, '!' },
		      { ATTR_DB_OPERATION_BATCH_SIZE, 'x' },
		      { ATTR_DB_RESPONSE_RETURNED_ROWS, '#' } };
	static struct run_span spans[64];
	static struct record r;
	struct store *st = store_get();
	uint32_t index[64];
	size_t n = st ? store_collect(st, index, 64) : 0, len = 0;

	to[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		struct item_head head;
		struct bytes value, name = { "", 0 };
		char more[400] = "";
		size_t at = 0, end = 0;

		if (!store_read(st, index[i], &r))
			abort();
		while (record_next(&r, &at, &head, &value)) {
			if (head.type == ITEM_NAME)
				name = value;
			for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
				int64_t number = 0;

				if (head.type >= ITEM_NAME || head.key != parts[k].key || end > 300)
					continue;
				if (head.type == ITEM_INT) {
					memcpy(&number, value.ptr, sizeof(number));
					end += (size_t)sprintf(more + end, " %c%d", parts[k].mark,
							       (int)number);
				} else {
					end += (size_t)sprintf(
						more + end, "%c%.*s", parts[k].mark,
						(int)(value.len < 80 ? value.len : 80), value.ptr);
				}
			}
		}
		spans[i].start_ns = r.head.start_ns;
		snprintf(spans[i].text, sizeof(spans[i].text), "%.*s%s", (int)name.len, name.ptr,
			 more);
		slot_free(st, store_slot(st, index[i]));
	}
	qsort(spans, n, sizeof(spans[0]), run_compare);
	for (size_t i = 0; i < n && len < cap; i++)
		len += (size_t)snprintf(to + len, cap - len, "%s\n", spans[i].text);
	return n;
}

#endif
