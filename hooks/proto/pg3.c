/* SPDX-License-Identifier: Apache-2.0 */
#include "pg3.h"

#include "compiler.h"

#define LENGTH_MAX 0x40000000u /* the server's own limit */
#define STARTUP_MAX 10000u     /* the same of a first message */
#define FIRST_HEAD 8u
#define HEAD 5u

/* Which messages there are, and of which something is wanted. */
#define CLIENT_TYPES "QPBEDCSHXFpdcf"
#define SERVER_TYPES "ZCEDTtI123nsSKRANGHWVdcv"

static uint32_t number(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Statements as long as can be kept, names of those and of portals, errors and settings. */
static uint32_t wanted_of(const struct pg3 *p)
{
	if (p->is_server)
		return p->type == 'E' ? 1024 : p->type == 'S' ? 128 : 0;
	switch (p->type) {
	case 'Q':
	case 'P':
		return PG3_BODY_MAX;
	case 'B':
	case 'E':
	case PG3_STARTUP:
		return 512;
	default:
		return 0;
	}
}

static bool take_first(struct pg3 *p)
{
	uint32_t len = number(p->head), code = number(p->head + 4);

	p->type = code >> 16 == 3   ? PG3_STARTUP :
		  code == 80877103u ? PG3_ASKS_TLS :
		  code == 80877104u ? PG3_ASKS_GSS :
		  code == 80877102u ? PG3_CANCEL :
				      0;
	p->left = len - FIRST_HEAD;
	p->is_first = p->type == PG3_ASKS_TLS || p->type == PG3_ASKS_GSS;
	return p->type && len >= FIRST_HEAD && len <= STARTUP_MAX && !(p->is_first && p->left);
}

static bool take_head(struct pg3 *p)
{
	uint32_t len = number(p->head + 1);
	const char *types = p->is_server ? SERVER_TYPES : CLIENT_TYPES;

	p->type = p->head[0];
	p->left = len - 4;
	return p->type && strchr(types, p->type) && len >= 4 && len <= LENGTH_MAX;
}

/* False: it is not whole yet. */
static bool head_step(struct pg3 *p, struct bytes *in, bool *ret_is_dead)
{
	uint32_t need = p->is_first ? FIRST_HEAD : HEAD;

	while (p->have < need && in->len) {
		p->head[p->have++] = (uint8_t)*in->ptr;
		*in = bytes_skip(*in, 1);
	}
	/* Whatever is not for us goes at the first byte that tells. */
	if (p->have && p->is_first && p->head[0]) {
		*ret_is_dead = true;
		return false;
	}
	if (p->have < need)
		return false;
	*ret_is_dead = !(p->is_first ? take_first(p) : take_head(p));
	p->wanted = *ret_is_dead ? 0 : wanted_of(p);
	if (p->wanted > p->left)
		p->wanted = p->left;
	p->kept = 0;
	p->body = (struct bytes){ "", 0 };
	return !*ret_is_dead;
}

/* What is wanted of the body; false: it is not there yet, or there is no room for its beginning. */
static bool body_step(struct pg3 *p, struct bytes *in)
{
	uint32_t n = p->wanted - p->kept;

	if (!p->kept && in->len >= n) { /* in one piece, as nearly always */
		p->body = (struct bytes){ in->ptr, n };
	} else {
		n = n < in->len ? n : (uint32_t)in->len;
		if (!n || !p->room)
			return false;
		memcpy(p->room + p->kept, in->ptr, n);
		p->body = (struct bytes){ p->room, p->kept + n };
	}
	p->kept += n;
	*in = bytes_skip(*in, n);
	return p->kept == p->wanted;
}

enum pg3_event pg3_step(struct pg3 *p, struct bytes *in)
{
	uint32_t rest = p->left < in->len ? p->left : (uint32_t)in->len;
	bool is_dead = false;

	if (!p->in_body) { /* what nobody wants of the last message */
		p->left -= rest;
		*in = bytes_skip(*in, rest);
		if (p->left || !head_step(p, in, &is_dead))
			return is_dead ? PG3_DEAD : PG3_NEED_MORE;
		p->in_body = true;
	}
	if (p->wanted && !body_step(p, in))
		return in->len ? PG3_NEED_ROOM : PG3_NEED_MORE;
	p->in_body = false;
	p->have = 0;
	p->left -= p->wanted;
	return PG3_MESSAGE;
}

/* --- what is in a message --- */

bool pg3_text(struct bytes *body, struct bytes *ret)
{
	const char *end = body->len ? memchr(body->ptr, '\0', body->len) : NULL;

	if (!end)
		return false;
	*ret = (struct bytes){ body->ptr, (size_t)(end - body->ptr) };
	*body = bytes_skip(*body, ret->len + 1);
	return true;
}

struct bytes pg3_field(struct bytes body, char which)
{
	struct bytes text;

	while (body.len && *body.ptr) {
		char letter = *body.ptr;

		body = bytes_skip(body, 1);
		if (!pg3_text(&body, &text))
			break;
		if (letter == which)
			return text;
	}
	return (struct bytes){ "", 0 };
}

struct bytes pg3_parameter(struct bytes body, struct bytes name)
{
	struct bytes key, value;

	while (pg3_text(&body, &key) && key.len && pg3_text(&body, &value))
		if (bytes_equal(key, name))
			return value;
	return (struct bytes){ "", 0 };
}
