/* SPDX-License-Identifier: Apache-2.0 */
/* Every answer is a candidate until a byte rules it out; the first that is whole is the answer. */
#include "detect.h"
#include "compiler.h"
#include "token.h"

#define BIT(result) (1u << (result))
#define CANDIDATES                                                                    \
	(BIT(DETECT_HTTP1_REQUEST) | BIT(DETECT_HTTP1_RESPONSE) | BIT(DETECT_HTTP2) | \
	 BIT(DETECT_TLS))

#define BLANK_MAX 6 /* CR and LF before a request: what careless clients send behind a body */
#define METHOD_MAX 24

static const struct literal {
	enum detect_result result;
	struct bytes text;
} literals[] = {
	{ DETECT_HTTP1_RESPONSE, { "HTTP/1.", 7 } },
	{ DETECT_HTTP2, { "PRI * HTTP/2", 12 } },
};

static bool rule_out(struct detect *d, enum detect_result r)
{
	d->ruled_out |= (uint8_t)BIT(r);
	return false;
}

static bool is_possible(const struct detect *d, enum detect_result r)
{
	return !(d->ruled_out & BIT(r));
}

/* Each returns true if the byte number `at` completes it. */
static bool try_literal(struct detect *d, const struct literal *l, size_t at, char c)
{
	if (at >= l->text.len || l->text.ptr[at] != c)
		return rule_out(d, l->result);
	return at + 1 == l->text.len;
}

static bool try_request(struct detect *d, size_t at, char c)
{
	if (c == ' ' && at > 0)
		return true;
	if (at >= METHOD_MAX || !is_token_char(c))
		return rule_out(d, DETECT_HTTP1_REQUEST);
	return false;
}

/* Record type handshake (22) or alert (21), version 3.0 to 3.4. */
static bool try_tls(struct detect *d, size_t at, char c)
{
	uint8_t b = (uint8_t)c;

	if (at == 0 ? b != 22 && b != 21 : at == 1 ? b != 3 : b > 4)
		return rule_out(d, DETECT_TLS);
	return at == 2;
}

static enum detect_result take(struct detect *d, char c)
{
	size_t at = d->seen;
	bool is_request = is_possible(d, DETECT_HTTP1_REQUEST) && try_request(d, at, c);

	d->seen++;
	for (size_t i = 0; i < ARRAY_LEN(literals); i++)
		if (is_possible(d, literals[i].result) && try_literal(d, &literals[i], at, c))
			return literals[i].result;
	if (is_possible(d, DETECT_TLS) && try_tls(d, at, c))
		return DETECT_TLS;
	/* PRI is reserved: whatever begins with it is the preface or nothing (RFC 9113 11.6). */
	if (is_request && is_possible(d, DETECT_HTTP2))
		rule_out(d, DETECT_HTTP1_REQUEST);
	else if (is_request)
		return DETECT_HTTP1_REQUEST;
	return (d->ruled_out & CANDIDATES) == CANDIDATES ? DETECT_OPAQUE : DETECT_MORE;
}

enum detect_result detect_step(struct detect *d, struct bytes in)
{
	for (size_t i = 0; i < in.len && d->result == DETECT_MORE; i++) {
		bool is_blank = in.ptr[i] == '\r' || in.ptr[i] == '\n';

		if (d->seen == 0 && is_blank && d->blank < BLANK_MAX)
			d->blank++;
		else
			d->result = (uint8_t)take(d, in.ptr[i]);
	}
	return (enum detect_result)d->result;
}
