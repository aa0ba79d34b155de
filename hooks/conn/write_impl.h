/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_IMPL_H
#define WRITE_IMPL_H
/* What the doors for sockets and for TLS share: write.c, tls_write.c. */
#include "ahead.h"
#include "segment.h"
#include "traceparent.h"
#include "write.h"

struct write {
	const struct io_call *call;
	size_t total, done; /* the application's bytes: all, and those that are out */
	struct conn_token token;
	struct conn_token looked; /* by the caller, for the first plan; empty: not */
	bool is_pass;             /* the application's own call, as it is */
	bool is_more;
	bool is_repeat; /* the request that was sent last, once more, all of it: without ahead */
	bool is_kept;   /* nothing was taken, and what was decided will be tried again as it is */
	uint32_t lines; /* scratch_index of the lines in the segment, where they lie there */
	bool has_lines;
	union {
		struct ahead ahead;
		struct {
			size_t at; /* of our value, in what is sent */
			char theirs[TRACEPARENT_LEN];
		} usual; /* of usual_call.c */
	};
	struct segment segment;
};

/*
 * What usual_call.c has in the place of such lines, where a segment has room for pieces that it
 * does not need: a handler's stack may be small.
 */
#define WRITE_OWN_AT 3u
#define WRITE_OWN ((SEGMENT_PIECES - WRITE_OWN_AT) * sizeof(struct iovec))

_Static_assert(offsetof(struct ahead, is_plain) >= sizeof(((struct write *)NULL)->usual),
	       "not looked ahead is what it stays");

static inline char *write_own(struct write *w)
{
	return (char *)&w->segment.iov[WRITE_OWN_AT];
}

/*
 * What is to be sent next of the call whose total, of which done are out, w names.  False: it is
 * not looked at, and the connection is blind.  Outside the guard; errno is kept.
 */
bool write_plan(struct write *w);

/*
 * The same of a segment that was planned before, and of which nothing was taken: its vector and its
 * marks are given.  What has become of the connection meanwhile does not keep it from being sent.
 */
void write_plan_again(struct write *w);

/*
 * Takes in that n bytes of that have been sent, or (negative, errno says why) none; returns how
 * many of them are the application's.  Likewise.
 */
size_t write_done(struct write *w, ssize_t n);

#endif
