/* SPDX-License-Identifier: Apache-2.0 */
#include "ot_member.h"

#define DIGITS 14u
#define SIGNIFICANT 4u

/* --- reading --- */

static bool hex_word(struct bytes s, uint64_t *ret)
{
	uint64_t word = 0;

	if (s.len != DIGITS)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c >= '0' && c <= '9')
			word = word << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			word = word << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = word;
	return true;
}

static void find_parts(struct ot_member *m)
{
	struct bytes rest = m->value;

	while (rest.ptr) {
		struct bytes value = bytes_split(&rest, ';');
		struct bytes key = bytes_split(&value, ':');

		if (!value.ptr)
			continue;
		if (bytes_equal(key, BYTES("th")))
			m->has_threshold = true;
		else if (bytes_equal(key, BYTES("rv")))
			m->has_random = hex_word(value, &m->random);
	}
}

void ot_member_find(struct bytes list, struct ot_member *ret)
{
	struct bytes rest = { list.len ? list.ptr : NULL, list.len };

	*ret = (struct ot_member){ .before = list };
	while (rest.ptr) {
		struct bytes member = bytes_split(&rest, ',');

		if (ret->value.ptr || !bytes_start_with(member, BYTES("ot="))) {
			ret->others++;
			continue;
		}
		ret->value = bytes_skip(member, 3);
		ret->before.len = (size_t)(member.ptr - list.ptr);
		ret->after = bytes_skip(list, ret->before.len + member.len);
	}
	find_parts(ret);
}

/* --- writing --- */

static size_t put(char *to, size_t at, struct bytes b)
{
	memcpy(to + at, b.ptr, b.len);
	return at + b.len;
}

/* Leading zeros count, those at the end do not (E53, E63). */
static size_t put_threshold(char *to, size_t at, uint64_t threshold)
{
	unsigned n = DIGITS;

	at = put(to, at, BYTES("th:"));
	while (n > 1 && !(threshold & 15)) {
		threshold >>= 4;
		n--;
	}
	for (unsigned i = n; i-- > 0; threshold >>= 4)
		to[at + i] = "0123456789abcdef"[threshold & 15];
	return at + n;
}

size_t ot_member_write(const struct ot_member *m, uint64_t threshold, char to[OT_MEMBER_BYTES])
{
	size_t start = put(to, 0, BYTES("ot=")), at = start;
	struct bytes rest = m->value;

	if (threshold < OT_ALL)
		at = put_threshold(to, at, threshold);
	while (rest.ptr) {
		struct bytes part = bytes_split(&rest, ';');

		if (!part.len || bytes_start_with(part, BYTES("th:")))
			continue;
		if (part.len + 1 > OT_MEMBER_BYTES - at)
			return 0;
		if (at > start)
			to[at++] = ';';
		at = put(to, at, part);
	}
	return at > start ? at : 0;
}

/* --- thresholds --- */

/* Digits that are all f in a threshold close to "none" come free of charge. */
static unsigned digits_for(uint64_t keep)
{
	unsigned bits = 64u - (unsigned)__builtin_clzll(keep);
	unsigned n = SIGNIFICANT + (OT_BITS - bits) / 4;

	return n < 12 ? n : 12;
}

uint64_t ot_threshold(uint64_t keep)
{
	unsigned shift;
	uint64_t threshold;

	if (keep >= OT_ALL)
		return 0;
	if (!keep)
		return OT_ALL;
	shift = 4 * (DIGITS - digits_for(keep));
	threshold = (OT_ALL - keep + ((uint64_t)1 << (shift - 1))) >> shift << shift;
	return threshold < OT_ALL ? threshold : OT_ALL - ((uint64_t)1 << shift);
}
