/* SPDX-License-Identifier: Apache-2.0 */
#include "force.h"

/* In a time that does not tell how much of it fits. */
static bool is_secret(struct bytes got, struct bytes want)
{
	unsigned differ = got.len != want.len;

	for (size_t i = 0; i < got.len; i++)
		differ |=
			(unsigned char)got.ptr[i] ^ (unsigned char)(i < want.len ? want.ptr[i] : 0);
	return !differ;
}

/* rule: a name, or a name, sep and the value that it must have. */
static bool fits(struct bytes rule, char sep, struct bytes name, struct bytes value, bool any_case)
{
	struct bytes want = rule, key = bytes_trim(bytes_split(&want, sep));

	if (!key.len || !(any_case ? bytes_equal_nocase(name, key) : bytes_equal(name, key)))
		return false;
	return !want.ptr || is_secret(bytes_trim(value), bytes_trim(want));
}

bool force_by_header(struct bytes name, struct bytes value)
{
	return fits(config.force_header, ':', name, value, true);
}

bool force_by_baggage(const struct head *h, const char *text)
{
	uint16_t at = h->baggage_first;
	struct bytes line;

	while (config.trust_inbound && head_line(text, &at, &line))
		while (line.ptr) {
			struct bytes value = bytes_split(&line, ',');
			struct bytes key = bytes_trim(bytes_split(&value, '='));

			/* Properties are no part of the value (C63). */
			if (value.ptr &&
			    fits(config.force_baggage, '=', key, bytes_split(&value, ';'), false))
				return true;
		}
	return false;
}
