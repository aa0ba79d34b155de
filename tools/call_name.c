/* SPDX-License-Identifier: Apache-2.0 */
#include "call_name.h"

#include "native_frame.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "v1" names an interface, not a thing. */
static bool is_version(struct bytes segment)
{
	if (segment.len < 2 || segment.len > 3 || ascii_lower(segment.ptr[0]) != 'v')
		return false;
	return is_digit(segment.ptr[1]) && is_digit(segment.ptr[segment.len - 1]);
}

static bool has_digit(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (is_digit(s.ptr[i]))
			return true;
	return false;
}

static void add_path_shape(struct text *to, struct bytes path)
{
	bool is_first = true;

	while (path.ptr) {
		struct bytes segment = bytes_split(&path, '/');

		if (!is_first)
			text_add_char(to, '/');
		is_first = false;
		if (has_digit(segment) && !is_version(segment))
			text_add_str(to, "{}");
		else
			text_add(to, segment);
	}
}

/* Numbers, and texts in quotes, become "?"; those that are part of a name stay. */
static void add_text_shape(struct text *to, struct bytes s)
{
	char before = ' ';

	while (s.len) {
		char c = *s.ptr;

		if (c == '\'' && memchr(s.ptr + 1, '\'', s.len - 1)) {
			s = bytes_skip(s, 1);
			bytes_split(&s, '\'');
			text_add_char(to, '?');
		} else if (is_digit(c) &&
			   !(ascii_lower(before) >= 'a' && ascii_lower(before) <= 'z') &&
			   before != '_' && before != '$') {
			while (s.len && (is_digit(*s.ptr) || *s.ptr == '.'))
				s = bytes_skip(s, 1);
			text_add_char(to, '?');
		} else {
			text_add_char(to, c);
			s = bytes_skip(s, 1);
		}
		before = c;
	}
}

/* The path in a title of span_title(), or all of it. */
static bool split_title(struct bytes title, const struct otlp_span *s, struct bytes *ret_method,
			struct bytes *ret_path)
{
	*ret_path = title;
	if (!otlp_find(&s->attrs, "http.request.method") && !otlp_find(&s->attrs, "http.method"))
		return false;
	*ret_method = bytes_split(ret_path, ' ');
	return ret_path->ptr != NULL;
}

static void add_statement(struct text *to, const struct otlp_span *s, bool is_whole)
{
	struct bytes summary = otlp_find_text(&s->attrs, "db.query.summary");
	struct bytes text = otlp_find_text(&s->attrs, "db.query.text");

	if (!text.len)
		text = otlp_find_text(&s->attrs, "db.statement");
	if (!is_whole && summary.len)
		text_add(to, summary);
	else if (is_whole && text.len)
		add_text_shape(to, text);
	else
		add_text_shape(to, s->name);
}

void call_shape(struct text *to, const struct otlp_span *s)
{
	struct text title = { 0 };
	struct bytes method, path;

	span_title(&title, s);
	if (split_title((struct bytes){ title.ptr, title.len }, s, &method, &path)) {
		text_add(to, method);
		text_add_char(to, ' ');
		add_path_shape(to, path);
	} else {
		add_statement(to, s, true);
	}
	text_done(&title);
}

static struct bytes known_peer(const struct otlp_span *s, struct text *scratch)
{
	static const char *const keys[] = { "server.address", "net.peer.name",
					    "network.peer.address", NULL };
	const struct otlp_value *port = otlp_find(&s->attrs, "server.port");
	struct bytes peer = otlp_find_text(&s->attrs, "peer.service");

	if (peer.len)
		return peer;
	for (const char *const *key = keys; *key && !peer.len; key++)
		peer = otlp_find_text(&s->attrs, *key);
	if (!peer.len)
		peer = otlp_find_text(&s->attrs, "db.system.name");
	if (!peer.len)
		peer = otlp_find_text(&s->attrs, "messaging.destination.name");
	if (!peer.len || !port || port->type != OTLP_INT || port->integer == 80 ||
	    port->integer == 443)
		return peer;
	text_clear(scratch);
	text_add(scratch, peer);
	text_printf(scratch, ":%lld", (long long)port->integer);
	return (struct bytes){ scratch->ptr, scratch->len };
}

struct bytes call_peer(const struct trace_tree *tree, uint32_t node, struct text *scratch)
{
	const struct otlp_span *s = tree->nodes[node].span;

	if (s->kind != OTLP_KIND_CLIENT && s->kind != OTLP_KIND_PRODUCER)
		return (struct bytes){ NULL, 0 };
	for (uint32_t i = tree->nodes[node].first_child; i != TREE_NONE; i = tree->nodes[i].next) {
		const struct otlp_span *child = tree->nodes[i].span;

		if (child->kind == OTLP_KIND_SERVER || child->kind == OTLP_KIND_CONSUMER)
			return child->resource->service;
	}
	return known_peer(s, scratch);
}

void call_name(struct text *to, const struct trace_tree *tree, uint32_t node)
{
	const struct otlp_span *s = tree->nodes[node].span;
	struct text title = { 0 }, scratch = { 0 };
	struct bytes method, path, peer = call_peer(tree, node, &scratch);

	span_title(&title, s);
	if (split_title((struct bytes){ title.ptr, title.len }, s, &method, &path)) {
		text_add(to, method);
		text_add_char(to, ' ');
		text_add(to, peer);
		add_path_shape(to, path);
	} else {
		add_statement(to, s, false);
		if (peer.len)
			text_add_str(to, " on ");
		text_add(to, peer);
	}
	text_done(&title);
	text_done(&scratch);
}

static struct bytes either(const struct otlp_attrs *attrs, const char *now, const char *before)
{
	struct bytes s = otlp_find_text(attrs, now);

	return s.len ? s : otlp_find_text(attrs, before);
}

/* The innermost frame: the first line, but Python writes it last, as  File "x.py", line 3, in f. */
static void add_frame(struct text *to, const struct otlp_span *s, struct bytes stack)
{
	struct bytes frame = { NULL, 0 };
	bool is_python = bytes_start_with(stack, BYTES("Traceback"));

	if (bytes_start_with(stack, BYTES("#0 "))) {
		native_frame(to, s, stack);
		return;
	}
	while (stack.ptr && (is_python || !frame.len)) {
		struct bytes line = bytes_trim(bytes_split(&stack, '\n'));

		if (line.len && (!is_python || bytes_start_with(line, BYTES("File \""))))
			frame = line;
	}
	text_add(to, bytes_start_with(frame, BYTES("at ")) ? bytes_skip(frame, 3) : frame);
}

void call_site(struct text *to, const struct otlp_span *s)
{
	struct bytes function = either(&s->attrs, "code.function.name", "code.function");
	struct bytes file = either(&s->attrs, "code.file.path", "code.filepath");
	struct bytes stack = otlp_find_text(&s->attrs, "code.stacktrace");
	const struct otlp_value *line = otlp_find(&s->attrs, "code.line.number");

	if (!line)
		line = otlp_find(&s->attrs, "code.lineno");
	if (!function.len && !file.len) {
		add_frame(to, s, stack);
		return;
	}
	text_add(to, function);
	if (function.len && file.len)
		text_add_str(to, " at ");
	text_add(to, file);
	if (file.len && line && line->type == OTLP_INT)
		text_printf(to, ":%lld", (long long)line->integer);
}
