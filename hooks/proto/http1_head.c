/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a head, and the length of the message that follows from them (RFC 9112 sections 3 to
 * 7).  Where that is stricter than many a server, the reason is in the comment: two receivers that
 * would read the same bytes differently are the one thing that an observer cannot survive.
 */
#include "http1_impl.h"
#include "scan.h"
#include "word.h"

#define VERSION_LEN 9u /* " HTTP/1.1" */

/* --- which bytes --- */

#define EACH(byte) (0x0101010101010101u * (byte))

/* Not 0 if a byte of w is below n (n <= 128), or is equal to c. */
static ALWAYS_INLINE uint64_t any_below(uint64_t w, uint8_t n)
{
	return (w - EACH(n)) & ~w & EACH(0x80u);
}

static ALWAYS_INLINE uint64_t any_equal(uint64_t w, uint8_t c)
{
	return any_below(w ^ EACH(c), 1);
}

static ALWAYS_INLINE uint64_t bad_in_text(uint64_t w)
{
	return any_below(w, 1) | any_equal(w, '\r');
}

static ALWAYS_INLINE uint64_t bad_in_target(uint64_t w)
{
	return any_below(w, 0x21) | any_equal(w, 0x7f);
}

/* Eight bytes at a time: this is the only pass over the values of a head. */
static ALWAYS_INLINE bool is_free_of(struct bytes s, uint64_t (*bad)(uint64_t))
{
	uint64_t w = EACH('a');

	if (s.len < sizeof(w)) {
		for (size_t i = 0; i < s.len; i++)
			w = w << 8 | (uint8_t)s.ptr[i];
		return !bad(w);
	}
	for (size_t i = 0; i + sizeof(w) < s.len; i += sizeof(w)) {
		memcpy(&w, s.ptr + i, sizeof(w));
		if (bad(w))
			return false;
	}
	memcpy(&w, s.ptr + s.len - sizeof(w), sizeof(w));
	return !bad(w);
}

bool http1_is_text(struct bytes s)
{
	return is_free_of(s, bad_in_text);
}

static bool is_digit(char c)
{
	return (uint8_t)(c - '0') < 10;
}

/* --- start lines --- */

/* "HTTP/1.x"; later minor versions are read as 1.1 (RFC 9110 2.5). */
static bool version_take(struct http1 *p, const char *s)
{
	if (memcmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]))
		return false;
	p->version = (uint8_t)(10 + s[7] - '0');
	return true;
}

/*
 * Splits off " HTTP/1.1".  Of a line that did not fit, the end was kept apart, and part of it may
 * be the end of what did fit.
 */
static const char *version_split(struct http1 *p, struct bytes *line)
{
	size_t n = VERSION_LEN;

	if (p->line_dropped)
		n = p->line_dropped < n ? n - p->line_dropped : 0;
	if (line->len < n)
		return NULL;
	line->len -= n;
	return p->line_dropped ? p->line_tail : line->ptr + line->len;
}

static ALWAYS_INLINE void request_is(struct http1 *p, struct bytes method, struct bytes target)
{
	p->method = method;
	p->target = target;
	p->is_head = bytes_equal(method, BYTES("HEAD"));
	p->is_connect = bytes_equal(method, BYTES("CONNECT"));
}

enum http1_reason http1_request_line(struct http1 *p, struct bytes line)
{
	size_t n = token_len(line);
	const char *version;

	if (bytes_equal(line, BYTES("PRI * HTTP/2.0")))
		return HTTP1_HTTP2;
	if (n == line.len)
		return p->line_dropped ? HTTP1_TOO_LONG : HTTP1_MALFORMED;
	if (n == 0 || line.ptr[n] != ' ')
		return HTTP1_MALFORMED;
	version = version_split(p, &line);
	if (!version || version[0] != ' ' || !version_take(p, version + 1) || line.len < n + 2)
		return HTTP1_MALFORMED;
	if (!is_free_of(bytes_skip(line, n + 1), bad_in_target))
		return HTTP1_MALFORMED;
	request_is(p, (struct bytes){ line.ptr, n }, bytes_skip(line, n + 1));
	p->is_cut = p->line_dropped != 0;
	return HTTP1_ALIVE;
}

bool http1_request_in_place(struct http1 *p, struct bytes *in)
{
	const char *s = in->ptr, *end = s + in->len;
	const char *blank = scan_word(s, end), *target = blank + 1, *target_end;
	struct bytes method = { s, (size_t)(blank - s) };

	if (end - blank < 2 || *blank != ' ')
		return false;
	if (!bytes_equal(method, BYTES("GET")) && token_len(method) != method.len)
		return false;
	target_end = scan_word(target, end);
	if (target_end == target || end - target_end < (ptrdiff_t)VERSION_LEN + 2)
		return false;
	if (*target_end != ' ' || !version_take(p, target_end + 1) ||
	    memcmp(target_end + VERSION_LEN, "\r\n", 2) != 0)
		return false;
	request_is(p, method, (struct bytes){ target, (size_t)(target_end - target) });
	target_end += VERSION_LEN + 2;
	*in = (struct bytes){ target_end, (size_t)(end - target_end) };
	return true;
}

/* "HTTP/1.1 200 OK"; the text is optional, and so is, in practice, the space before it. */
enum http1_reason http1_status_line(struct http1 *p, struct bytes line)
{
	const char *s = line.ptr;

	if (line.len < 12 || !version_take(p, s) || s[8] != ' ')
		return HTTP1_MALFORMED;
	if (!is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) || s[9] == '0')
		return HTTP1_MALFORMED;
	if (line.len > 12 && s[12] != ' ')
		return HTTP1_MALFORMED;
	p->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	return HTTP1_ALIVE;
}

/* --- headers that frame --- */

/* Below 2^63: above, others have turned negative. */
static ALWAYS_INLINE bool length_parse(struct bytes s, uint64_t *ret_n)
{
	const char *end = s.ptr + s.len;
	uint64_t n = 0;

	if (!s.len)
		return false;
	do {
		uint64_t digit = (uint8_t)(*s.ptr - '0');

		if (digit > 9 || UNLIKELY(n > ((uint64_t)INT64_MAX - 9) / 10 &&
					  n > ((uint64_t)INT64_MAX - digit) / 10))
			return false;
		n = n * 10 + digit;
	} while (++s.ptr < end);
	*ret_n = n;
	return true;
}

/* A list, or lines, of one value repeated is one value (RFC 9110 8.6). */
static NO_INLINE enum http1_reason take_lengths(struct http1 *p)
{
	struct bytes rest = p->value;

	while (rest.ptr) {
		uint64_t n;

		if (!length_parse(bytes_trim(bytes_split(&rest, ',')), &n))
			return HTTP1_MALFORMED;
		if (p->has_length && n != p->body_left)
			return HTTP1_SMUGGLING;
		p->has_length = true;
		p->body_left = n;
	}
	return HTTP1_ALIVE;
}

static enum http1_reason take_length(struct http1 *p)
{
	if (UNLIKELY(p->has_length || !length_parse(p->value, &p->body_left)))
		return take_lengths(p);
	p->has_length = true;
	return HTTP1_ALIVE;
}

/*
 * Only a plain last "chunked" counts.  With parameters, in quotes, twice, or with something behind
 * it there are receivers that see it and receivers that do not.
 */
static enum http1_reason take_coding(struct http1 *p)
{
	struct bytes rest = p->value;
	bool is_empty = true;

	p->has_te = true;
	if (p->value.len && memchr(p->value.ptr, '"', p->value.len))
		p->te_is_bad = true;
	while (rest.ptr) {
		struct bytes part = bytes_trim(bytes_split(&rest, ','));
		struct bytes coding = { part.ptr, token_len(part) };
		struct bytes after = bytes_trim(bytes_skip(part, coding.len));

		if (!part.len)
			continue;
		is_empty = false;
		if (p->is_chunked || !coding.len)
			p->te_is_bad = true;
		if (after.len && *after.ptr != ';') {
			p->te_is_bad = true;
		} else if (word_is(coding, BYTES("chunked"))) {
			p->is_chunked = true;
			if (after.len)
				p->te_is_bad = true;
		}
	}
	if (is_empty)
		p->te_is_bad = true;
	return HTTP1_ALIVE;
}

static enum http1_reason take_connection(struct http1 *p)
{
	struct bytes rest = p->value;

	if (LIKELY(word_is(rest, BYTES("keep-alive")))) {
		p->says_keep_alive = true;
		return HTTP1_ALIVE;
	}
	while (rest.ptr) {
		struct bytes option = bytes_trim(bytes_split(&rest, ','));

		if (word_is(option, BYTES("close")))
			p->says_close = true;
		else if (word_is(option, BYTES("keep-alive")))
			p->says_keep_alive = true;
	}
	return HTTP1_ALIVE;
}

static enum http1_reason take_upgrade(struct http1 *p)
{
	p->has_upgrade = true;
	return HTTP1_ALIVE;
}

/* Not one that frames: NULL. */
typedef enum http1_reason take_fn(struct http1 *p);
static ALWAYS_INLINE take_fn *framing(struct bytes name)
{
	switch (name.len) {
	case 7:
		return word_is(name, BYTES("upgrade")) ? take_upgrade : NULL;
	case 10:
		return word_is(name, BYTES("connection")) ? take_connection : NULL;
	case 14:
		return word_is(name, BYTES("content-length")) ? take_length : NULL;
	case 17:
		return word_is(name, BYTES("transfer-encoding")) ? take_coding : NULL;
	default:
		return NULL;
	}
}

enum http1_reason http1_framing(struct http1 *p, size_t line_len)
{
	take_fn *take = framing(p->name);

	if (!take)
		return HTTP1_ALIVE;
	if (p->is_cut || line_len > HTTP1_LINE_BYTES)
		return HTTP1_TOO_LONG;
	/* Senders must not fold; receivers that do not unfold see another value. */
	return p->is_folded ? HTTP1_SMUGGLING : take(p);
}

/*
 * Names may be wider than a token: "X-Foo[1]: a" is sloppy, but nobody reads another message for
 * it.  Blanks and controls do make "Content-Length : 5" two messages, and bytes above 0x7f are
 * blanks to some.
 */
enum http1_reason http1_header_line(struct http1 *p, struct bytes line)
{
	const char *end = line.ptr + line.len;
	const char *colon = scan_name(line.ptr, end);

	if (colon == end)
		return p->line_dropped ? HTTP1_TOO_LONG : HTTP1_MALFORMED;
	if (colon == line.ptr || *colon != ':')
		return HTTP1_MALFORMED;
	p->name = (struct bytes){ line.ptr, (size_t)(colon - line.ptr) };
	p->value = bytes_trim(bytes_skip(line, p->name.len + 1));
	p->is_cut = p->line_dropped != 0;
	return http1_may_frame(p) ? http1_framing(p, line.len) : HTTP1_ALIVE;
}

/* --- how the message ends (RFC 9112 6.3, in its order) --- */

static bool is_bodyless_response(const struct http1 *p)
{
	return p->is_head || p->status < 200 || p->status == 204 || p->status == 304 ||
	       (p->is_connect && p->status < 300);
}

static enum http1_state after_bodyless_response(const struct http1 *p)
{
	if (p->status == 101 || (p->is_connect && p->status >= 200 && p->status < 300))
		return HTTP1_IN_TUNNEL;
	return p->status < 200 ? HTTP1_AT_START : HTTP1_AT_END;
}

static enum http1_reason frame_coded(struct http1 *p)
{
	if (p->has_length || p->version == 10 || p->te_is_bad)
		return HTTP1_SMUGGLING;
	if (!p->is_chunked && !p->is_response)
		return HTTP1_SMUGGLING;
	p->after = p->is_chunked ? HTTP1_AT_CHUNK_SIZE : HTTP1_AT_CLOSE;
	return HTTP1_ALIVE;
}

enum http1_reason http1_frame(struct http1 *p)
{
	enum http1_reason why = HTTP1_ALIVE;

	p->is_close = p->says_close || (p->version == 10 && !p->says_keep_alive);
	if (p->is_response && is_bodyless_response(p)) {
		p->body_left = 0;
		p->after = (uint8_t)after_bodyless_response(p);
		return HTTP1_ALIVE;
	}
	/* What follows a CONNECT is the tunnel's, or the next request: no third reading. */
	if (!p->is_response && p->is_connect && (p->has_te || p->body_left))
		return HTTP1_SMUGGLING;
	if (p->has_te)
		why = frame_coded(p);
	else if (p->has_length)
		p->after = p->body_left ? HTTP1_AT_BODY : HTTP1_AT_END;
	else
		p->after = p->is_response ? HTTP1_AT_CLOSE : HTTP1_AT_END;
	if (p->after == HTTP1_AT_CLOSE)
		p->is_close = true;
	return why;
}
