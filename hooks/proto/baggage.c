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
