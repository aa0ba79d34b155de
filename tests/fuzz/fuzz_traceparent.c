/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of context, by their first byte: t(raceparent), s (tracestate) or b(aggage), the latter
 * in lines that LF separates.  A slow reading of the same rules is the judge; what is written is
 * read back and must say the same; rooms of every size must be enough.
 */
#include <ctype.h>
#include <stdlib.h>

#include "baggage.h"
#include "traceparent.h"
#include "tracestate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* --- traceparent --- */

static bool is_hex(const char *s, size_t n)
{
	for (; n; n--, s++)
		if (!*s || !strchr("0123456789abcdef", *s))
			return false;
	return true;
}

static bool is_zero(const char *s, size_t n)
{
	for (; n; n--, s++)
		if (*s != '0')
			return false;
	return true;
}

static enum traceparent judge(struct bytes v)
{
	static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

	while (v.len && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
		v.len--;
	for (; v.len && (*v.ptr == ' ' || *v.ptr == '\t'); v.len--)
		v.ptr++;
	if (v.len < 55)
		return TRACEPARENT_INVALID;
	for (size_t i = 0; i < 55; i++)
		if (form[i] == '-' ? v.ptr[i] != '-' : !is_hex(v.ptr + i, 1))
			return TRACEPARENT_INVALID;
	if (!memcmp(v.ptr, "ff", 2) || is_zero(v.ptr + 3, 32) || is_zero(v.ptr + 36, 16))
		return TRACEPARENT_INVALID;
	if (is_zero(v.ptr, 2))
		return v.len == 55 ? TRACEPARENT_VALID : TRACEPARENT_INVALID;
	return v.len == 55 || v.ptr[55] == '-' ? TRACEPARENT_LATER : TRACEPARENT_INVALID;
}

static void fuzz_traceparent(struct bytes in)
{
	struct trace_id trace;
	struct span_id span;
	uint8_t flags = 0xee;
	char text[TRACEPARENT_LEN];
	enum traceparent got = traceparent_parse(in, &trace, &span, &flags);

	check(got == judge(in));
	if (got == TRACEPARENT_INVALID) {
		check(flags == 0xee);
		return;
	}
	in = bytes_trim(in);
	check(flags <= 3 &&
	      ((flags ^ (unsigned int)strtoul((char[]){ in.ptr[54], 0 }, NULL, 16)) & 3) == 0);
	traceparent_format(text, &trace, &span, flags);
	check(!memcmp(text, "00", 2) && !memcmp(text + 2, in.ptr + 2, 51));
	check(judge((struct bytes){ text, sizeof(text) }) == TRACEPARENT_VALID);
}

/* --- lists --- */

/* All lines as the one list that they stand for. */
static struct bytes join(struct bytes in, char *copy)
{
	memcpy(copy, in.ptr, in.len);
	for (size_t i = 0; i < in.len; i++)
		if (copy[i] == '\n')
			copy[i] = ',';
	return (struct bytes){ copy, in.len };
}

static bool is_member(struct bytes member)
{
	struct bytes value = member, key = bytes_split(&value, '=');

	if (!value.ptr || !key.len || key.len > 256 || !value.len || value.len > 256)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (!islower((unsigned char)key.ptr[i]) && !isdigit((unsigned char)key.ptr[i]) &&
		    (!i || !key.ptr[i] || !strchr("_-*/@", key.ptr[i])))
			return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == '=')
			return false;
	return true;
}

/* What a list without limit of length would be; false: void. */
static bool judge_list(struct bytes in, char *to, size_t *ret_len)
{
	struct bytes kept[32];
	size_t n = 0, received = 0;

	*ret_len = 0;
	while (in.ptr) {
		struct bytes member = bytes_trim(bytes_split(&in, ','));
		bool is_new = true;

		if (!member.len)
			continue;
		if (!is_member(member) || ++received > 32)
			return false;
		for (size_t i = 0; i < n; i++) {
			struct bytes a = kept[i], b = member;

			is_new &= !bytes_equal(bytes_split(&a, '='), bytes_split(&b, '='));
		}
		if (is_new)
			kept[n++] = member;
	}
	for (size_t i = 0; i < n; i++) {
		if (i)
			to[(*ret_len)++] = ',';
		memcpy(to + *ret_len, kept[i].ptr, kept[i].len);
		*ret_len += kept[i].len;
	}
	return true;
}

static struct tracestate read_list(struct bytes in, char *to, size_t cap)
{
	struct tracestate t;

	tracestate_init(&t, to, cap);
	while (in.ptr)
		tracestate_add(&t, bytes_split(&in, '\n'));
	return t;
}

static void fuzz_tracestate(struct bytes in, size_t cap)
{
	char copy[4096], want[4096], again[4096];
	size_t len;
	bool is_right = judge_list(join(in, copy), want, &len);
	char *room = malloc(cap ? cap : 1); /* so that a byte too many is seen */
	struct tracestate t = read_list(in, room, cap);
	struct bytes list = tracestate_list(&t);

	check(list.len <= cap && t.is_void == !is_right);
	if (!is_right || len <= cap)
		check(list.len == len * is_right && !memcmp(list.ptr, want, list.len));
	check((t.truncated == 0) == (!is_right || len <= cap) || t.is_void);
	/* What comes out is a list, and is stable. */
	if (list.len) {
		struct tracestate back = read_list(list, again, sizeof(again));

		check(bytes_equal(list, tracestate_list(&back)));
	}
	if (tracestate_put(&t, BYTES("ot=th:8"))) {
		struct tracestate back = read_list(tracestate_list(&t), again, sizeof(again));

		check(t.len <= cap && bytes_start_with(tracestate_list(&back), BYTES("ot=th:8")));
	} else {
		check(cap < 7);
	}
	free(room);
}

static void fuzz_baggage(struct bytes in, size_t cap)
{
	char *room = malloc(cap ? cap : 1), *again = malloc(cap ? cap : 1);
	struct baggage b, back;
	struct bytes rest = in;
	uint32_t members = 0;

	baggage_init(&b, room, cap);
	while (rest.ptr)
		baggage_add(&b, bytes_split(&rest, '\n'));
	for (rest = in; rest.ptr;) {
		struct bytes line = bytes_split(&rest, '\n');

		while (line.ptr)
			members += bytes_trim(bytes_split(&line, ',')).len != 0;
	}
	check(b.len <= cap && b.members + b.dropped == members);
	baggage_init(&back, again, cap);
	baggage_add(&back, baggage_list(&b));
	check(bytes_equal(baggage_list(&b), baggage_list(&back)) && !back.dropped);
	free(room);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { (const char *)data + 2, size - 2 };
	size_t cap;

	if (size < 2 || size > 4000)
		return 0;
	/* Every other byte says how much room there is: all that is needed, or not. */
	cap = data[1] & 1 ? data[1] : 4096;
	if (data[0] == 's')
		fuzz_tracestate(in, cap);
	else if (data[0] == 'b')
		fuzz_baggage(in, cap);
	else
		fuzz_traceparent(in);
	return 0;
}
