/* SPDX-License-Identifier: Apache-2.0 */
#include "sampling_rule.h"

#include "decimal.h"
#include "glob.h"
#include "ot_member.h"
#include "route.h"
#include "token.h"

#define SECOND_NS 1000000000u
#define NANO 1000000000u

bool sampling_rate_parse(struct bytes text, uint64_t *ret_interval_ns)
{
	uint64_t nano;

	if (!decimal_parse(text, NANO, &nano) || nano < 32)
		return false;
	*ret_interval_ns =
		nano / NANO >= SECOND_NS ? 1 : (uint64_t)((double)SECOND_NS * NANO / (double)nano);
	*ret_interval_ns += !*ret_interval_ns;
	return true;
}

static bool share_parse(struct bytes text, struct sampling_rule *r)
{
	uint64_t keep;

	r->interval_ns = 0;
	if (text.len > 2 && text.ptr[text.len - 1] == 's' && text.ptr[text.len - 2] == '/') {
		text.len -= 2;
		return sampling_rate_parse(bytes_trim(text), &r->interval_ns);
	}
	if (!decimal_parse(text, OT_ALL, &keep) || keep > OT_ALL)
		return false;
	r->threshold = ot_threshold(keep);
	return true;
}

/* The last "=": a path may have one, too. */
static bool split(struct bytes text, struct bytes *ret_left, struct bytes *ret_right)
{
	const char *at = text.len ? memrchr(text.ptr, '=', text.len) : NULL;

	if (!at)
		return false;
	*ret_left = bytes_trim((struct bytes){ text.ptr, (size_t)(at - text.ptr) });
	*ret_right = bytes_trim(bytes_skip(text, (size_t)(at + 1 - text.ptr)));
	return true;
}

static bool is_any(struct bytes word)
{
	return bytes_equal(word, BYTES("*"));
}

static bool is_path(struct bytes word)
{
	return word.len && (*word.ptr == '/' || *word.ptr == '*');
}

static struct bytes unless_any(struct bytes word)
{
	return is_any(word) ? (struct bytes){ NULL, 0 } : word;
}

static struct bytes next_word(struct bytes *rest)
{
	struct bytes word = { NULL, 0 };

	while (rest->ptr && !word.len)
		word = bytes_split(rest, ' ');
	return word;
}

bool sampling_rule_parse(struct bytes text, struct sampling_rule *ret)
{
	struct bytes left, right, word;

	*ret = (struct sampling_rule){ .threshold = 0 };
	if (!split(text, &left, &right) || !share_parse(right, ret))
		return false;
	word = next_word(&left);
	if (word.len > 1 && word.ptr[word.len - 1] == ':') {
		ret->service = unless_any((struct bytes){ word.ptr, word.len - 1 });
		word = next_word(&left);
		if (!word.len)
			return true;
	}
	if (is_any(word) || !is_path(word)) {
		ret->method = unless_any(word);
		if (!word.len || token_len(word) != word.len)
			return false;
		word = next_word(&left);
	}
	ret->path = unless_any(word);
	return (!word.len || is_path(word)) && !next_word(&left).len;
}

bool sampling_rule_is_for(const struct sampling_rule *r, struct bytes service)
{
	return !r->service.len || glob_match(r->service, service);
}

bool sampling_rule_fits(const struct sampling_rule *r, struct bytes method, struct bytes path)
{
	if (r->method.len && !bytes_equal(r->method, method))
		return false;
	if (!r->path.len)
		return true;
	return memchr(r->path.ptr, '{', r->path.len) ? route_match(r->path, path).ptr != NULL :
						       glob_match(r->path, path);
}
