/* SPDX-License-Identifier: Apache-2.0 */
#include "strategy.h"

#include "decimal.h"
#include "json_scan.h"
#include "ot_member.h"

#define MICRO 1000000u
#define MICRO_NS 1000000000000000u /* a second in nanoseconds, times MICRO */

/* What has been found so far. */
struct found {
	bool is_rate; /* strategyType */
	bool has_share;
	bool has_rate;
	bool has_operations;
	uint64_t share;
	uint64_t rate_ns;
	uint64_t bound_ns;
};

/* --- names of operations --- */

#define NAME_START 2166136261u

static uint32_t name_add(uint32_t name, unsigned char c)
{
	return (name ^ c) * 16777619u;
}

static uint32_t name_add_text(uint32_t name, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		name = name_add(name, (unsigned char)text.ptr[i]);
	return name;
}

static uint32_t name_end(uint32_t name)
{
	return (name & 0x7ffffffeu) | 0x80000000u;
}

uint32_t strategy_name(struct bytes method, struct bytes route)
{
	uint32_t name = name_add_text(NAME_START, method);

	if (route.len)
		name = name_add_text(name_add(name, ' '), route);
	return name_end(name);
}

/* Four digits; false: they are none, or belong to no ASCII, which no name of ours has. */
static bool ascii_of(struct bytes digits, unsigned char *ret)
{
	unsigned value = 0;

	for (size_t i = 0; i < 4; i++) {
		char c = i < digits.len ? ascii_lower(digits.ptr[i]) : '\0';

		if (c >= '0' && c <= '9')
			value = value << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (unsigned)(c - 'a' + 10);
		else
			return false;
	}
	*ret = (unsigned char)value;
	return value < 0x80;
}

/* The same of a JSON string, whose escapes are undone; false: no span of ours is called so. */
static bool name_of_json(struct bytes raw, uint32_t *ret)
{
	uint32_t name = NAME_START;

	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.ptr[i];

		if (c == '\\') {
			c = (unsigned char)raw.ptr[++i];
			if (c == 'u') {
				if (!ascii_of(bytes_skip(raw, i + 1), &c))
					return false;
				i += 4;
			} else if (c != '"' && c != '\\' && c != '/') {
				return false;
			}
		}
		name = name_add(name, c);
	}
	*ret = name_end(name);
	return true;
}

/* --- values --- */

static bool share_take(struct json *s, uint64_t *ret)
{
	struct bytes word;
	uint64_t keep;

	if (!json_word(s, &word) || !decimal_parse(word, OT_ALL, &keep) || keep > OT_ALL)
		return false;
	*ret = ot_threshold(keep);
	return true;
}

/* So many in a second, as the time between two; 0 is none. */
static bool rate_take(struct json *s, uint64_t *ret)
{
	struct bytes word;
	uint64_t micro;

	if (!json_word(s, &word) || !decimal_parse(word, MICRO, &micro))
		return false;
	*ret = micro ? MICRO_NS / micro : 0;
	if (micro && !*ret)
		*ret = 1;
	return true;
}

/* --- objects: what to do about each member, and the rest is passed over --- */

typedef bool member_take(struct json *s, struct bytes key, void *to);

/* null is as good as nothing. */
static bool object_take(struct json *s, member_take *take, void *to, bool *ret_is_there)
{
	struct bytes key;

	*ret_is_there = json_take(s, '{');
	if (!*ret_is_there) {
		struct bytes word;

		return json_word(s, &word) && bytes_equal(word, BYTES("null"));
	}
	for (bool is_first = true; json_peek(s) != '}'; is_first = false)
		if (!json_key(s, is_first, &key) || !take(s, key, to))
			return false;
	return json_take(s, '}');
}

struct share {
	bool is_there;
	uint64_t threshold;
};

static bool share_member(struct json *s, struct bytes key, void *to)
{
	struct share *share = to;

	if (!bytes_equal(key, BYTES("samplingRate")))
		return json_skip(s);
	share->is_there = true;
	return share_take(s, &share->threshold);
}

/* An object that lacks its one member has 0 there: that is how protobuf leaves it out. */
static bool share_object(struct json *s, struct share *ret)
{
	*ret = (struct share){ false, OT_ALL };
	return object_take(s, share_member, ret, &ret->is_there);
}

static bool rate_member(struct json *s, struct bytes key, void *to)
{
	struct found *f = to;

	if (!bytes_equal(key, BYTES("maxTracesPerSecond")))
		return json_skip(s);
	return rate_take(s, &f->rate_ns);
}

struct operation {
	bool has_name;
	uint32_t name;
	struct share share;
};

static bool operation_member(struct json *s, struct bytes key, void *to)
{
	struct operation *o = to;
	struct bytes raw;

	if (bytes_equal(key, BYTES("operation"))) {
		if (!json_string(s, &raw))
			return false;
		o->has_name = name_of_json(raw, &o->name);
		return true;
	}
	if (bytes_equal(key, BYTES("probabilisticSampling")))
		return share_object(s, &o->share);
	return json_skip(s);
}

static bool operations_take(struct json *s, struct strategy *st)
{
	struct bytes word;

	if (!json_take(s, '['))
		return json_word(s, &word) && bytes_equal(word, BYTES("null"));
	while (json_peek(s) != ']') {
		struct operation o = { false, 0, { false, 0 } };
		bool is_there;

		if (!object_take(s, operation_member, &o, &is_there))
			return false;
		if (o.has_name && o.share.is_there && st->n < STRATEGY_OPERATIONS)
			st->operations[st->n++] =
				(struct strategy_operation){ o.name, o.share.threshold };
		if (!json_take(s, ',') && json_peek(s) != ']')
			return false;
	}
	return json_take(s, ']');
}

struct target {
	struct strategy *is;
	struct found found;
};

static bool by_operation_member(struct json *s, struct bytes key, void *to)
{
	struct target *t = to;

	if (bytes_equal(key, BYTES("defaultSamplingProbability")))
		return share_take(s, &t->is->threshold);
	if (bytes_equal(key, BYTES("defaultLowerBoundTracesPerSecond")))
		return rate_take(s, &t->found.bound_ns);
	if (bytes_equal(key, BYTES("perOperationStrategies")))
		return operations_take(s, t->is);
	return json_skip(s);
}

static bool type_take(struct json *s, bool *ret_is_rate)
{
	struct bytes word;

	if (json_peek(s) == '"' ? !json_string(s, &word) : !json_word(s, &word))
		return false;
	*ret_is_rate = bytes_equal(word, BYTES("RATE_LIMITING")) || bytes_equal(word, BYTES("1"));
	return *ret_is_rate || bytes_equal(word, BYTES("PROBABILISTIC")) ||
	       bytes_equal(word, BYTES("0"));
}

static bool answer_member(struct json *s, struct bytes key, void *to)
{
	struct target *t = to;

	if (bytes_equal(key, BYTES("strategyType")))
		return type_take(s, &t->found.is_rate);
	if (bytes_equal(key, BYTES("probabilisticSampling"))) {
		struct share share;
		bool is_good = share_object(s, &share);

		t->found.has_share = share.is_there;
		t->found.share = share.threshold;
		return is_good;
	}
	if (bytes_equal(key, BYTES("rateLimitingSampling")))
		return object_take(s, rate_member, &t->found, &t->found.has_rate);
	if (bytes_equal(key, BYTES("operationSampling")))
		return object_take(s, by_operation_member, t, &t->found.has_operations);
	return json_skip(s);
}

bool strategy_parse(struct bytes body, struct strategy *ret)
{
	struct json s = { body.ptr, body.ptr + body.len };
	struct target t = { ret, { .share = OT_ALL } };
	bool is_object;

	ret->n = 0;
	ret->threshold = OT_ALL;
	ret->interval_ns = 0;
	if (!object_take(&s, answer_member, &t, &is_object) || !is_object)
		return false;
	if (json_peek(&s) != '\0' || s.at != s.end)
		return false;
	if (t.found.has_operations) {
		ret->kind = STRATEGY_BY_OPERATION;
		ret->interval_ns = t.found.bound_ns;
		return true;
	}
	ret->n = 0;
	ret->kind = t.found.is_rate ? STRATEGY_RATE : STRATEGY_PROBABILITY;
	ret->interval_ns = t.found.is_rate ? t.found.rate_ns : 0;
	ret->threshold = t.found.share;
	return t.found.is_rate ? t.found.has_rate : t.found.has_share;
}
