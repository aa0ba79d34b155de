/* SPDX-License-Identifier: Apache-2.0 */
#include "keep_rule.h"

#include "compiler.h"
#include "decimal.h"
#include "glob.h"
#include "route.h"
#include "token.h"

#define STATUS_MAX 999u

static size_t operator_take(struct bytes text, uint8_t *ret)
{
	size_t n = 0;

	*ret = 0;
	if (text.len && (*text.ptr == '>' || *text.ptr == '<'))
		*ret = text.ptr[n++] == '>' ? KEEP_IS_MORE : KEEP_IS_LESS;
	if (n < text.len && text.ptr[n] == '=') {
		*ret |= KEEP_IS_EQUAL;
		n++;
	}
	return n;
}

static bool has_end(struct bytes text, struct bytes end)
{
	return text.len > end.len && bytes_equal(bytes_skip(text, text.len - end.len), end);
}

/* Without a unit it is nobody's guess. */
static bool duration_parse(struct bytes text, uint64_t *ret_ns)
{
	static const struct unit {
		char name[4];
		uint64_t ns;
	} units[] = { { "ns", 1 },         { "us", 1000 },       { "ms", 1000000 },
		      { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct bytes name = bytes_from_str(units[i].name);

		if (!has_end(text, name))
			continue;
		text.len -= name.len;
		return decimal_parse(bytes_trim(text), units[i].ns, ret_ns);
	}
	return false;
}

static bool comparison_parse(struct keep_rule *r, struct bytes rest)
{
	size_t n = operator_take(rest, &r->is);
	struct bytes value = bytes_trim(bytes_skip(rest, n));

	if (!n)
		return false;
	if (r->kind == KEEP_SLOW)
		return r->is & KEEP_IS_MORE && duration_parse(value, &r->number);
	return decimal_parse(value, 1, &r->number) && r->number <= STATUS_MAX;
}

static bool text_parse(struct keep_rule *r, struct bytes rest)
{
	if (!rest.len || *rest.ptr != '=')
		return false;
	r->text = bytes_trim(bytes_skip(rest, 1));
	if (r->kind == KEEP_METHOD)
		return r->text.len && token_len(r->text) == r->text.len;
	return r->text.len && (*r->text.ptr == '/' || *r->text.ptr == '*');
}

bool keep_rule_parse(struct bytes term, struct keep_rule *ret)
{
	static const char words[][8] = {
		[KEEP_ERROR] = "error",   [KEEP_SLOW] = "slow",   [KEEP_STATUS] = "status",
		[KEEP_METHOD] = "method", [KEEP_ROUTE] = "route", [KEEP_FORCED] = "forced",
		[KEEP_ALL] = "all",       [KEEP_NONE] = "none",
	};
	struct bytes word = { term.ptr, 0 }, rest;

	while (word.len < term.len && ascii_lower(term.ptr[word.len]) >= 'a' &&
	       ascii_lower(term.ptr[word.len]) <= 'z')
		word.len++;
	rest = bytes_trim(bytes_skip(term, word.len));
	*ret = (struct keep_rule){ .is = 0 };
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (!bytes_equal_nocase(word, bytes_from_str(words[i])))
			continue;
		ret->kind = (uint8_t)i;
		if (i == KEEP_SLOW || i == KEEP_STATUS)
			return comparison_parse(ret, rest);
		if (i == KEEP_METHOD || i == KEEP_ROUTE)
			return text_parse(ret, rest);
		return !rest.len;
	}
	return false;
}

bool keep_rule_compares(const struct keep_rule *r, uint64_t value)
{
	if (value == r->number)
		return r->is & KEEP_IS_EQUAL;
	return r->is & (value > r->number ? KEEP_IS_MORE : KEEP_IS_LESS);
}

bool keep_rule_fits(const struct keep_rule *r, struct bytes method, struct bytes path)
{
	if (r->kind == KEEP_METHOD)
		return bytes_equal(r->text, method);
	if (r->kind != KEEP_ROUTE)
		return false;
	if (memchr(r->text.ptr, '{', r->text.len))
		return route_match(r->text, path).ptr != NULL;
	return glob_match(r->text, path);
}
