/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEAD_H
#define HEAD_H
/*
 * What is kept of a request head until it is complete: copies of the few values that spans and
 * propagation need.  The struct is copied to parse ahead, its text only grows: going back to an
 * older copy and feeding the same bytes again writes the same text again.  Async-signal-safe; pure
 * but for the settings of capture.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baggage.h"
#include "bytes.h"
#include "format.h"
#include "head_field.h"
#include "http1.h"
#include "http1_whole.h"

#define HEAD_TEXT_BYTES 40960u
/*
 * Three lines of ours at most, traceparent, tracestate and baggage; where other formats are set, a
 * header for each item of baggage in two of them, and at the end the list that they are made of.
 */
#define HEAD_ITEMS_BYTES 4096u
#define HEAD_EDIT_BYTES (17408u + 2 * HEAD_ITEMS_BYTES + BAGGAGE_BYTES)

struct head {
	struct head_fields fields;
	/* From here on all is 0 at first. */
	uint16_t used;       /* of the text; what lies below its beginning is "no line" */
	uint8_t tracestates; /* lines, as traceparents */
	uint8_t baggages;
	uint8_t others;           /* of other formats, lines */
	uint8_t items;            /* baggage of theirs: 1 << enum config_propagator */
	uint8_t signed_names;     /* enum signature: those are never changed */
	bool is_forced;           /* OTEL_INTERSPAN_FORCE_HEADER is there */
	bool is_full;             /* members of tracestate or baggage did not fit */
	uint64_t traceparent_end; /* of a request that is read: where the line behind it begins */
	/*
	 * Lines of tracestate and baggage are chained in the text, each behind a struct head_piece.
	 */
	uint16_t tracestate_first;
	uint16_t tracestate_last;
	uint16_t baggage_first;
	uint16_t baggage_last;
	/* Headers for attributes, packed by capture_pack(). */
	uint16_t captured_first;
	uint16_t captured_last;
	uint16_t captured_lost; /* did not fit */
	/*
	 * Trace headers of other formats (others), a byte of enum format_line ahead of each value;
	 * and of their baggage (items) FORMAT_LINES + the format, the key, "=", and the value.
	 */
	uint16_t others_first;
	uint16_t others_last;
};

/* What head_field() looks for: see http1_tell(). */
#define HEAD_TELL                                                                          \
	(HTTP1_TELL(4) | HTTP1_TELL(7) | HTTP1_TELL(9) | HTTP1_TELL(10) | HTTP1_TELL(11) | \
	 HTTP1_TELL(13) | HTTP1_TELL(15) | HTTP1_TELL(16) | HTTP1_TELL(17))

/* Set where other headers are wanted, too: of FORMAT_TELL, and of all. */
#define HEAD_TELL_MORE HTTP1_TELL(2)

void head_init(struct head *h);
void head_start(struct head *h, char *text, const struct http1 *p);

void head_field(struct head *h, char *text, const struct http1 *p);

/*
 * The same for all of a head that http1_whole_request() has put into h->fields, which stay views
 * into its input: head_forget() when that is gone.  Not where HEAD_TELL_MORE is set.
 */
void head_whole(struct head *h, char *text, const struct http1_others *others);

static inline void head_forget(struct head *h)
{
	h->fields.base = NULL;
	h->fields.seen = 0;
}

static inline bool head_has(const struct head *h, enum head_field which)
{
	return h->fields.seen >> which & 1;
}

static inline struct bytes head_get(const struct head *h, const char *text, enum head_field which)
{
	const char *base = h->fields.base ? h->fields.base : text;

	if (UNLIKELY(!head_has(h, which)))
		return (struct bytes){ NULL, 0 };
	return (struct bytes){ base + h->fields.piece[which].at, h->fields.piece[which].len };
}

/* What is there of other formats; of several lines of one name the first (C52). */
void head_formats(const struct head *h, const char *text, struct format_values *ret);

/* Lines of one kind, in order: *at starts as the first, 0 ends. */
bool head_line(const char *text, uint16_t *at, struct bytes *ret);

#endif
