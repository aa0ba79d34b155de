/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_WHOLE_H
#define HTTP1_WHOLE_H
/*
 * Heads that lie whole in the input, and are as nearly all are: in one call and one pass, with
 * nothing copied.  The same could be had, for ten times the price, from http1_step().
 *
 * All of a head or nothing: true is as if START_LINE to HEAD_END had been told, and http1_step()
 * goes on behind the head.  False: nothing is taken, and it is for http1_step(), which knows what
 * is unusual, incomplete or wrong; the facts of the message before may be gone.
 *
 * Any thread, async-signal-safe; reads no byte outside of the input.
 */
#include "compiler.h"
#include "head_field.h"
#include "http1.h"

/* More than that of a head is not looked at; what is kept of it has room everywhere. */
#define HTTP1_WHOLE_BYTES 8192u
#define HTTP1_WHOLE_FIELD 1024u /* of a value, and */
#define HTTP1_WHOLE_METHOD 64u  /* of a method that is longer */
#define HTTP1_WHOLE_OTHERS 6u

/* Lines whose names say that their values are for others to look at; in order. */
struct http1_others {
	bool has_s; /* the target has a capital S: it may name what is signed (signature.h) */
	uint8_t count;
	struct http1_other {
		struct bytes name;
		struct bytes value; /* without surrounding blanks */
	} line[HTTP1_WHOLE_OTHERS];
};

/*
 * ret: what is there of it; base is the head's first byte.  ret_others: tracestate, baggage, and
 * what carries signatures.  Both are views into the input, and unspecified if false.  What else
 * http1_tell() has asked for is not told.
 */
MUST_USE bool http1_whole_request(struct http1 *p, struct bytes *in, struct head_fields *ret,
				  struct http1_others *ret_others);

/* The last two: as http1_expect().  Not for who wants to be told of headers. */
MUST_USE bool http1_whole_response(struct http1 *p, struct bytes *in, bool is_head,
				   bool is_connect);

#endif
