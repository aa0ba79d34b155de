/* SPDX-License-Identifier: Apache-2.0 */
#include "span_title.h"

/* The path of an absolute URL; of anything else what is before the query. */
static struct bytes path_of(struct bytes url)
{
	struct bytes rest = url;
	char *slashes = memmem(url.ptr, url.len, "://", 3);
	const char *slash;

	if (slashes) {
		rest = bytes_skip(url, (size_t)(slashes - url.ptr) + 3);
		slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
		rest = slash ? bytes_skip(rest, (size_t)(slash - rest.ptr)) : BYTES("/");
	}
	rest = bytes_split(&rest, '#');
	return bytes_split(&rest, '?');
}

static struct bytes first_text(const struct otlp_attrs *attrs, const char *const *keys)
{
	struct bytes s = { NULL, 0 };

	for (; *keys && !s.len; keys++)
		s = otlp_find_text(attrs, *keys);
	return s;
}

void span_title(struct text *to, const struct otlp_span *s)
{
	static const char *const methods[] = { "http.request.method", "http.method", NULL };
	static const char *const urls[] = { "url.path", "url.full",   "http.target",
					    "http.url", "http.route", NULL };
	struct bytes method = first_text(&s->attrs, methods);
	struct bytes original = otlp_find_text(&s->attrs, "http.request.method_original");
	struct bytes url = first_text(&s->attrs, urls);

	if (!method.len) {
		text_add(to, s->name.len ? s->name : BYTES("(no name)"));
		return;
	}
	text_add(to, original.len ? original : method);
	if (!url.len)
		return;
	text_add_char(to, ' ');
	text_add(to, path_of(url));
}

void span_outcome(struct text *to, const struct otlp_span *s)
{
	const struct otlp_value *code = otlp_find(&s->attrs, "http.response.status_code");
	struct bytes type = otlp_find_text(&s->attrs, "error.type");

	if (!code)
		code = otlp_find(&s->attrs, "http.status_code");
	if (code && code->type == OTLP_INT)
		text_printf(to, "%lld", (long long)code->integer);
	else
		code = NULL;
	if (s->status != OTLP_STATUS_ERROR)
		return;
	text_add_str(to, code ? " ERROR" : "ERROR");
	/* Beside a status code error.type is that code once more (H21), or a reason worth its room.
	 */
	if (!type.len)
		type = s->status_message;
	if (!type.len || (code && type.ptr[0] >= '0' && type.ptr[0] <= '9'))
		return;
	text_add_char(to, ' ');
	text_add(to, type);
}
