/* SPDX-License-Identifier: Apache-2.0 */
#include "baggage.h"

#include "token.h"

static bool is_printable(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) && s.ptr[i] != '\t')
			return false;
	return true;
}

/* key OWS "=" ...; what is behind is between the sender and its peer. */
static bool is_member(struct bytes member)
{
	size_t n = token_len(member);
	struct bytes rest = bytes_trim(bytes_skip(member, n));

	return n && rest.len && *rest.ptr == '=' && is_printable(member);
}

static bool has_room(const struct baggage *b, size_t n)
{
	return b->members < BAGGAGE_MEMBERS && n + (b->len ? 1 : 0) <= b->cap - b->len;
}

void baggage_init(struct baggage *b, char *to, size_t cap)
{
	*b = (struct baggage){ .to = to, .cap = cap < BAGGAGE_BYTES ? cap : BAGGAGE_BYTES };
}

static void append(struct baggage *b, struct bytes member)
{
	if (b->len)
		b->to[b->len++] = ',';
	memcpy(b->to + b->len, member.ptr, member.len);
	b->len += member.len;
	b->members++;
}

void baggage_add(struct baggage *b, struct bytes line)
{
	struct bytes rest = line;

	while (rest.ptr) {
		struct bytes member = bytes_trim(bytes_split(&rest, ','));

		if (!member.len)
			continue;
		if (is_member(member) && has_room(b, member.len))
			append(b, member);
		else
			b->dropped++;
	}
}

/* --- items that have headers of their own --- */

struct out {
	char *to;
	size_t cap;
	size_t len;
	bool is_full;
};

static void put(struct out *o, struct bytes piece)
{
	if (o->is_full || piece.len > o->cap - o->len) {
		o->is_full = true;
		return;
	}
	if (piece.len)
		memcpy(o->to + o->len, piece.ptr, piece.len);
	o->len += piece.len;
}

/* Octets of a value (C64), and what has been encoded already. */
static bool is_octet(char c)
{
	return c > 0x20 && c < 0x7f && !memchr("\",;\\", c, 4);
}

static void put_encoded(struct out *o, struct bytes value)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		char octet[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (is_octet(value.ptr[i]))
			put(o, (struct bytes){ value.ptr + i, 1 });
		else
			put(o, (struct bytes){ octet, sizeof(octet) });
	}
}

void baggage_add_item(struct baggage *b, struct bytes key, struct bytes value)
{
	struct out o = { b->to, b->cap, b->len, b->members == BAGGAGE_MEMBERS };

	if (b->len)
		put(&o, BYTES(","));
	for (size_t i = 0; i < key.len; i++) {
		char c = ascii_lower(key.ptr[i]);

		put(&o, (struct bytes){ &c, 1 });
	}
	put(&o, BYTES("="));
	put_encoded(&o, bytes_trim(value));
	if (o.is_full || !key.len || token_len(key) != key.len) {
		b->dropped++;
		return;
	}
	b->len = o.len;
	b->members++;
}

size_t baggage_write_items(struct bytes list, struct bytes prefix, char *to, size_t cap,
			   uint32_t *dropped)
{
	struct out o = { to, cap, 0, false };

	while (list.len) {
		struct bytes value = bytes_split(&list, ',');
		struct bytes key = bytes_trim(bytes_split(&value, '='));
		size_t before = o.len;

		put(&o, prefix);
		put(&o, key);
		put(&o, BYTES(": "));
		put(&o, bytes_trim(bytes_split(&value, ';')));
		put(&o, BYTES("\r\n"));
		if (o.is_full) {
			o = (struct out){ to, cap, before, false };
			(*dropped)++;
		}
	}
	return o.len;
}
