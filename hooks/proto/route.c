/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

static bool is_rest(struct bytes segment)
{
	return bytes_equal(segment, BYTES("*")) ||
	       (segment.len > 5 && segment.ptr[0] == '{' &&
		memcmp(segment.ptr + segment.len - 4, "...}", 4) == 0);
}

static bool is_parameter(struct bytes segment)
{
	return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

/* Both begin with a slash, or are {NULL, 0}: at the end. */
static bool matches(struct bytes template, struct bytes path)
{
	while (template.ptr && path.ptr) {
		struct bytes want = bytes_split(&template, '/');
		struct bytes have;

		if (!template.ptr && is_rest(want))
			return true;
		have = bytes_split(&path, '/');
		if (is_parameter(want) ? !have.len : !bytes_equal(want, have))
			return false;
	}
	return !template.ptr && !path.ptr;
}

struct bytes route_match(struct bytes routes, struct bytes path)
{
	while (routes.ptr) {
		struct bytes template = bytes_trim(bytes_split(&routes, ';'));

		if (template.len && *template.ptr == '/' && path.len && matches(template, path))
			return template;
	}
	return (struct bytes){ NULL, 0 };
}
