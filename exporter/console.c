/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "number.h"
#include "span_told.h"
#include "utf8.h"

static const char attr_key[ATTRS][40] = {
#define ATTR(name, key) key,
#include "attr.def"
#undef ATTR
};

static void add_hex(struct text *t, const uint8_t *from, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		text_add_char(t, digits[from[i] >> 4]);
		text_add_char(t, digits[from[i] & 15]);
	}
}

static bool is_plain(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c >= 0x7f)
			return false;
	}
	return s.len > 0;
}

/* A terminal acts on control characters, and these came off a wire. */
static void add_quoted(struct text *t, struct bytes s)
{
	bool is_text = otlp_utf8_is_valid(s);

	text_add_char(t, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\') {
			text_add_char(t, '\\');
			text_add_char(t, (char)c);
		} else if (c < ' ' || c == 0x7f || (c >= 0x80 && !is_text)) {
			text_add_str(t, "\\x");
			add_hex(t, &c, 1);
		} else {
			text_add_char(t, (char)c);
		}
	}
	text_add_char(t, '"');
}

static void add_text(struct text *t, struct bytes s)
{
	if (is_plain(s))
		text_add(t, s);
	else
		add_quoted(t, s);
}

static void add_value(struct text *t, const struct item_head *head, struct bytes value)
{
	int64_t number;

	if (head->type == ITEM_STR) {
		add_text(t, value);
	} else if (head->type == ITEM_INT) {
		memcpy(&number, value.ptr, sizeof(number));
		text_add_int(t, number);
	} else {
		text_add_str(t, value.ptr[0] ? "true" : "false");
	}
}

static void add_own(struct text *t, uint8_t type, struct bytes value)
{
	int64_t whole;
	double number;

	if (type == ITEM_NAMED_INT && value.len == sizeof(whole)) {
		memcpy(&whole, value.ptr, sizeof(whole));
		text_add_int(t, whole);
	} else if (type == ITEM_NAMED_DOUBLE && value.len == sizeof(number)) {
		memcpy(&number, value.ptr, sizeof(number));
		number_add(t, number);
	} else {
		add_text(t, value);
	}
}

static void add_named(struct text *t, const struct item_head *head, struct bytes packed)
{
	struct bytes key, value;

	if (!item_named_split(packed, &key, &value))
		return;
	text_add_char(t, ' ');
	text_add_str(t, attr_key[head->key]);
	add_text(t, key);
	text_add_char(t, '=');
	add_own(t, head->type, value);
}

static void add_attrs(struct text *t, const struct record *r)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value)) {
		if (head.type >= ITEM_NAME)
			continue;
		if (item_is_named(head.type)) {
			add_named(t, &head, value);
			continue;
		}
		text_add_char(t, ' ');
		text_add_str(t, attr_key[head.key]);
		text_add_char(t, '=');
		add_value(t, &head, value);
	}
}

static void add_links(struct text *t, const struct record *r)
{
	struct item_head head;
	struct item_link link;
	struct item_told unused;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value)) {
		if (head.type != ITEM_LINK || !item_link_split(value, &link, &unused))
			continue;
		text_add_str(t, " link=");
		add_hex(t, link.trace.bytes, sizeof(link.trace.bytes));
		text_add_char(t, '-');
		add_hex(t, link.span.bytes, sizeof(link.span.bytes));
	}
}

static struct bytes name_of(const struct record *r)
{
	struct bytes name = { "", 0 };
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value))
		if (head.type == ITEM_NAME)
			name = value;
	return name;
}

static const char *kind_of(const struct span *h)
{
	if (h->kind == SPAN_SERVER)
		return "SERVER";
	return h->kind == SPAN_CLIENT ? "CLIENT" : "INTERNAL";
}

/* Milliseconds with three decimals. */
static void add_duration(struct text *t, const struct span *h)
{
	uint64_t us = (h->end_ns - h->start_ns) / 1000;

	text_add_uint(t, us / 1000);
	text_add_char(t, '.');
	text_add_char(t, (char)('0' + us / 100 % 10));
	text_add_char(t, (char)('0' + us / 10 % 10));
	text_add_char(t, (char)('0' + us % 10));
	text_add_str(t, "ms");
}

size_t console_format(const struct record *r, char *to)
{
	const struct span *h = &r->head;
	struct text t = { to, CONSOLE_LINE_MAX - 1, 0, false };

	text_add_str(&t, "interspan pid=");
	text_add_uint(&t, h->pid);
	text_add_char(&t, ' ');
	text_add_str(&t, kind_of(h));
	text_add_char(&t, ' ');
	add_quoted(&t, name_of(r));
	text_add_char(&t, ' ');
	add_duration(&t, h);
	text_add_str(&t, " trace=");
	add_hex(&t, h->trace.bytes, sizeof(h->trace.bytes));
	text_add_str(&t, " span=");
	add_hex(&t, h->id.bytes, sizeof(h->id.bytes));
	if (h->has_parent) {
		text_add_str(&t, " parent=");
		add_hex(&t, h->parent.bytes, sizeof(h->parent.bytes));
	}
	add_links(&t, r);
	if (h->status == SPAN_STATUS_ERROR)
		text_add_str(&t, " ERROR");
	add_attrs(&t, r);
	to[t.len] = '\n';
	return t.len + 1;
}
