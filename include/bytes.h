/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BYTES_H
#define BYTES_H
/*
 * Borrowed bytes: a pointer and a length, never owned, never NUL-terminated.
 * All functions are pure and async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const char *ptr;
	size_t len;
};

/* clang-format off */
#define BYTES(literal) ((struct bytes){ (literal), sizeof(literal) - 1 })
/* clang-format on */

static inline struct bytes bytes_from_str(const char *s)
{
	return (struct bytes){ s, s ? strlen(s) : 0 };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII only, whatever the locale of the host. */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

static inline bool bytes_start_with(struct bytes s, struct bytes prefix)
{
	return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline struct bytes bytes_skip(struct bytes s, size_t n)
{
	return n < s.len ? (struct bytes){ s.ptr + n, s.len - n } :
			   (struct bytes){ s.ptr + s.len, 0 };
}

/* Takes SP and HTAB (RFC 9110 OWS) off both ends. */
static inline struct bytes bytes_trim(struct bytes s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/*
 * Takes the part before the first sep off *rest and returns it; *rest is what follows sep, and
 * {NULL, 0} once nothing follows.  Loop: while (rest.ptr) part = bytes_split(&rest, ',').
 */
static inline struct bytes bytes_split(struct bytes *rest, char sep)
{
	const char *at = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
	struct bytes part = *rest;

	if (!at) {
		*rest = (struct bytes){ NULL, 0 };
		return part;
	}
	part.len = (size_t)(at - part.ptr);
	*rest = (struct bytes){ at + 1, rest->len - part.len - 1 };
	return part;
}

#endif
