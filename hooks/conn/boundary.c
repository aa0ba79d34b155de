/* SPDX-License-Identifier: Apache-2.0 */
#include "boundary.h"

#include "config.h"
#include "glob.h"
#include "url.h"

#define HOST_MAX 255u

struct name {
	char text[HOST_MAX];
	struct bytes bytes;
};

/* In lower case; false: longer than any host. */
static bool lower(struct name *to, struct bytes from)
{
	if (from.len > HOST_MAX)
		return false;
	for (size_t i = 0; i < from.len; i++)
		to->text[i] = ascii_lower(from.ptr[i]);
	to->bytes = (struct bytes){ to->text, from.len };
	return true;
}

static bool is_inside(struct bytes host, struct bytes authority)
{
	struct bytes list = config.propagate_to;
	struct name pattern, name;

	while (list.ptr) {
		struct bytes word = bytes_trim(bytes_split(&list, ','));
		bool has_port = word.len && memchr(word.ptr, ':', word.len);

		if (word.len && lower(&pattern, word) &&
		    lower(&name, has_port ? authority : host) &&
		    glob_match(pattern.bytes, name.bytes))
			return true;
	}
	return false;
}

bool boundary_has(const struct head *head, const char *text, bool is_connect)
{
	struct bytes authority, host = { "", 0 };
	const char *at;
	uint16_t port;

	if (LIKELY(!config.propagate_to.len))
		return true;
	/* The target's own beats the header (RFC 9112 3.2.2). */
	authority = url_split(head_get(head, text, HEAD_TARGET), is_connect).authority;
	if (!authority.len)
		authority = head_get(head, text, HEAD_HOST);
	at = authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;
	if (at)
		authority = bytes_skip(authority, (size_t)(at + 1 - authority.ptr));
	if (!authority.len || !url_split_host(authority, &host, &port))
		host = authority = (struct bytes){ "", 0 };
	return is_inside(host, authority);
}
