/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces as JSON, one a line.  Written by hand: the texts of a trace may be large, and a tree of
 * JSON nodes would hold all of them once more.  What could do something to a terminal is escaped,
 * so that a line may be looked at as it is.
 */
#include "json_out.h"

#include <math.h>

void json_out_string(struct text *to, struct bytes s)
{
	text_add_char(to, '"');
	while (s.len) {
		uint32_t code = utf8_take(&s);

		if (code == '"' || code == '\\') {
			text_add_char(to, '\\');
			text_add_char(to, (char)code);
		} else if (!utf8_is_unsafe(code)) {
			text_add_code(to, code);
		} else if (code > 0xffff) {
			text_printf(to, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
				    0xdc00 + ((code - 0x10000) & 0x3ff));
		} else {
			text_printf(to, "\\u%04x", code);
		}
	}
	text_add_char(to, '"');
}

static void put_double(struct text *to, double d)
{
	if (isnan(d))
		text_add_str(to, "\"NaN\"");
	else if (isinf(d))
		text_add_str(to, d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		text_printf(to, "%.17g", d);
}

static void put_base64(struct text *to, struct bytes s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	text_add_str(to, "{\"base64\":\"");
	for (size_t i = 0; i < s.len; i += 3) {
		uint32_t bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (i + j < s.len ? (uint8_t)s.ptr[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			text_add_char(to, i + j > s.len ? '=' : digits[bits >> (18 - 6 * j) & 63]);
	}
	text_add_str(to, "\"}");
}

static void put_attrs(struct text *to, const struct otlp_attrs *attrs);

static void put_value(struct text *to, const struct otlp_value *v)
{
	switch (v->type) {
	case OTLP_EMPTY:
		text_add_str(to, "null");
		break;
	case OTLP_STRING:
		json_out_string(to, v->text);
		break;
	case OTLP_BOOL:
		text_add_str(to, v->boolean ? "true" : "false");
		break;
	case OTLP_INT:
		text_printf(to, "%lld", (long long)v->integer);
		break;
	case OTLP_DOUBLE:
		put_double(to, v->number);
		break;
	case OTLP_BYTES:
		put_base64(to, v->text);
		break;
	case OTLP_ARRAY:
		for (uint32_t i = 0; i < v->count; i++) {
			text_add_char(to, i ? ',' : '[');
			put_value(to, &v->items[i]);
		}
		text_add_str(to, v->count ? "]" : "[]");
		break;
	case OTLP_MAP:
		put_attrs(to, &(struct otlp_attrs){ v->map, v->count });
		break;
	}
}

static void put_attrs(struct text *to, const struct otlp_attrs *attrs)
{
	text_add_char(to, '{');
	for (uint32_t i = 0; i < attrs->count; i++) {
		if (i)
			text_add_char(to, ',');
		json_out_string(to, attrs->list[i].key);
		text_add_char(to, ':');
		put_value(to, &attrs->list[i].value);
	}
	text_add_char(to, '}');
}

static void put_ids(struct text *to, const struct otlp_span *s)
{
	text_add_str(to, "{\"traceId\":\"");
	text_add_hex(to, s->trace_id, sizeof(s->trace_id));
	text_add_str(to, "\",\"spanId\":\"");
	text_add_hex(to, s->span_id, sizeof(s->span_id));
	text_add_str(to, "\",\"parentSpanId\":\"");
	if (s->has_parent)
		text_add_hex(to, s->parent_id, sizeof(s->parent_id));
}

static void put_span(struct text *to, const struct tree_node *node, const struct span_time *t)
{
	static const char *const status[] = { "UNSET", "OK", "ERROR", "UNKNOWN" };
	const struct otlp_span *s = node->span;

	put_ids(to, s);
	text_add_str(to, "\",\"name\":");
	json_out_string(to, s->name);
	text_printf(to, ",\"kind\":\"%s\",\"service\":", otlp_kind_name(s->kind));
	json_out_string(to, s->resource->service);
	text_printf(to, ",\"startUnixNano\":%llu,\"endUnixNano\":%llu",
		    (unsigned long long)s->start_ns, (unsigned long long)s->end_ns);
	text_printf(to, ",\"status\":\"%s\",\"statusMessage\":", status[s->status & 3]);
	json_out_string(to, s->status_message);
	text_printf(to, ",\"selfNano\":%llu,\"criticalNano\":%llu,\"movedNano\":%lld",
		    (unsigned long long)t->self_ns, (unsigned long long)t->critical_ns,
		    (long long)t->moved_ns);
	text_printf(to, ",\"critical\":%s", t->is_critical ? "true" : "false");
	text_printf(to, ",\"flags\":%u,\"orphan\":%s,\"events\":%u,\"links\":%u", s->flags,
		    node->is_orphan ? "true" : "false", s->events, s->links);
	text_add_str(to, ",\"attributes\":");
	put_attrs(to, &s->attrs);
	text_add_str(to, ",\"resource\":");
	put_attrs(to, &s->resource->attrs);
	text_add_char(to, '}');
}

static void put_verdict(struct text *to, const struct trace_report *r)
{
	struct text words = { 0 };

	text_add_str(to, "],\"verdict\":[");
	for (uint32_t i = 0; i < r->verdict.count; i++) {
		const struct finding *f = &r->verdict.list[i];

		text_clear(&words);
		finding_text(&words, r, f);
		text_printf(to, "%s{\"kind\":\"%s\",\"spanId\":\"", i ? "," : "",
			    finding_label(f->kind));
		text_add_hex(to, r->tree.nodes[f->node].span->span_id, 8);
		text_printf(to, "\",\"count\":%u,\"nano\":%llu,\"text\":", f->count,
			    (unsigned long long)f->ns);
		json_out_string(to, (struct bytes){ words.ptr, words.len });
		text_add_char(to, '}');
	}
	text_done(&words);
}

void json_out_trace(struct text *to, const struct trace *t, const struct trace_report *r,
		    bool only_late)
{
	const struct trace_tree *tree = &r->tree;
	bool is_first = true;

	text_add_str(to, "{\"traceId\":\"");
	text_add_hex(to, t->id, sizeof(t->id));
	text_printf(to, "\",\"late\":%s,\"duplicates\":%u,\"durationNano\":%llu,\"spans\":[",
		    only_late ? "true" : "false", tree->duplicates,
		    (unsigned long long)(r->times.end_ns - r->times.start_ns));
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct tree_node *node = &tree->nodes[tree->order[i]];

		if (only_late && !node->span->is_late)
			continue;
		if (!is_first)
			text_add_char(to, ',');
		is_first = false;
		put_span(to, node, &r->times.at[tree->order[i]]);
	}
	if (!only_late)
		put_verdict(to, r);
	text_add_str(to, "]}\n");
}
