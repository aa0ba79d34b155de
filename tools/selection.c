/* SPDX-License-Identifier: Apache-2.0 */
#include "selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool has_service(const struct trace_tree *tree, const char *service)
{
	struct bytes want = bytes_from_str(service);

	for (uint32_t i = 0; i < tree->count; i++)
		if (bytes_equal(tree->nodes[i].span->resource->service, want))
			return true;
	return false;
}

/* As a person would write it. */
static bool is_value(const struct otlp_value *v, struct bytes want)
{
	char number[32];

	switch (v->type) {
	case OTLP_STRING:
		return bytes_equal(v->text, want);
	case OTLP_BOOL:
		return bytes_equal(bytes_from_str(v->boolean ? "true" : "false"), want);
	case OTLP_INT:
		snprintf(number, sizeof(number), "%lld", (long long)v->integer);
		return bytes_equal(bytes_from_str(number), want);
	case OTLP_DOUBLE:
		snprintf(number, sizeof(number), "%g", v->number);
		return bytes_equal(bytes_from_str(number), want);
	case OTLP_ARRAY:
		for (uint32_t i = 0; i < v->count; i++)
			if (v->items[i].type != OTLP_ARRAY && is_value(&v->items[i], want))
				return true;
		return false;
	default:
		return false;
	}
}

static bool has_in(const struct otlp_attrs *attrs, struct bytes key, struct bytes value)
{
	for (uint32_t i = 0; i < attrs->count; i++)
		if (bytes_equal(attrs->list[i].key, key) &&
		    (!value.ptr || is_value(&attrs->list[i].value, value)))
			return true;
	return false;
}

static bool has_attr(const struct trace_tree *tree, struct bytes key, struct bytes value)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct otlp_span *s = tree->nodes[i].span;

		if (has_in(&s->attrs, key, value) || has_in(&s->resource->attrs, key, value))
			return true;
	}
	return false;
}

/* By its first digits, in any case. */
static bool is_trace(const uint8_t *id, const char *digits)
{
	for (size_t i = 0; digits[i]; i++) {
		unsigned nibble = i / 2 < 16 ? (id[i / 2] >> (i % 2 ? 0 : 4)) & 15u : 16;

		if (nibble == 16 || ascii_lower(digits[i]) != "0123456789abcdef"[nibble])
			return false;
	}
	return true;
}

bool selection_has(const struct selection *s, const struct trace *t, const struct trace_report *r)
{
	if (s->trace && !is_trace(t->id, s->trace))
		return false;
	if (s->service && !has_service(&r->tree, s->service))
		return false;
	if (r->times.end_ns - r->times.start_ns < s->min_ns || r->times.start_ns < s->since_ns)
		return false;
	if (s->is_error && !r->tree.errors)
		return false;
	for (uint32_t i = 0; i < s->attr_count; i++)
		if (!has_attr(&r->tree, s->attrs[i].key, s->attrs[i].value))
			return false;
	return true;
}

bool selection_add_attr(struct selection *s, const char *text)
{
	struct bytes value = bytes_from_str(text), key = bytes_split(&value, '=');

	if (!key.len || s->attr_count == SELECTION_ATTRS_MAX)
		return false;
	s->attrs[s->attr_count].key = key;
	s->attrs[s->attr_count++].value = value;
	return true;
}

bool parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 },   { "us", 1e3 },   { "ms", 1e6 },   { "s", 1e9 },
		      { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
	char *end;
	double n;

	if (*text < '0' || *text > '9')
		return false;
	n = strtod(text, &end);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(end, units[i].unit) == 0 && n * units[i].ns < 1.8e19) {
			*ret_ns = (uint64_t)(n * units[i].ns);
			return true;
		}
	return false;
}

/* What follows the time: nothing and Z are UTC, else the offset in seconds. */
static bool parse_zone(const char *text, long *ret_s)
{
	unsigned hours, minutes;
	int n = 0;

	*ret_s = 0;
	if (!*text || strcmp(text, "Z") == 0)
		return true;
	if (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &n) != 2 || text[n + 1])
		return false;
	*ret_s = (long)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return *text == '-' || *text == '+';
}

bool parse_since(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	struct tm tm = { 0 };
	uint64_t ago;
	long zone = 0, s;
	const char *rest;

	if (parse_duration(text, &ago)) {
		*ret_ns = ago < now_ns ? now_ns - ago : 0;
		return true;
	}
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && (*rest == 'T' || *rest == ' '))
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (!rest || !parse_zone(rest, &zone))
		return false;
	s = timegm(&tm) - zone;
	*ret_ns = s > 0 ? (uint64_t)s * 1000000000 : 0;
	return s > 0;
}
