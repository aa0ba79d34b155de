/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of which nothing is told. */
#include "config.h"
#include "glob.h"
#include "http_attrs.h"
#include "url.h"

static bool contains_nocase(struct bytes in, struct bytes what)
{
	for (size_t i = 0; i + what.len <= in.len; i++)
		if (bytes_equal_nocase((struct bytes){ in.ptr + i, what.len }, what))
			return true;
	return false;
}

static bool ends_with(struct bytes s, struct bytes end)
{
	return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

bool head_is_excluded(const struct head *h, const char *text)
{
	struct bytes list = config.excluded_urls;
	struct bytes path;

	if (LIKELY(!list.len))
		return false;
	path = url_split(head_get(h, text, HEAD_TARGET), false).path;
	while (list.ptr) {
		struct bytes pattern = bytes_trim(bytes_split(&list, ','));

		if (pattern.len && glob_match(pattern, path))
			return true;
	}
	return false;
}

bool head_posts_otlp(const struct head *h, const char *text)
{
	struct bytes agent = head_get(h, text, HEAD_USER_AGENT);
	struct bytes path;

	path = url_split(head_get(h, text, HEAD_TARGET), false).path;
	if (!ends_with(path, BYTES("/v1/traces")) && !ends_with(path, BYTES("/v1/metrics")) &&
	    !ends_with(path, BYTES("/v1/logs")))
		return false;
	return contains_nocase(agent, BYTES("otlp")) ||
	       contains_nocase(agent, BYTES("opentelemetry")) ||
	       contains_nocase(agent, BYTES("otel"));
}
