/* SPDX-License-Identifier: Apache-2.0 */
#include "percent.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct text *to, struct bytes s)
{
	for (size_t i = 0; i < s.len; i++) {
		int high;
		int low;

		if (s.ptr[i] != '%') {
			text_add_char(to, s.ptr[i]);
			continue;
		}
		if (s.len - i < 3)
			return false;
		high = hex_value(s.ptr[i + 1]);
		low = hex_value(s.ptr[i + 2]);
		if (high < 0 || low < 0)
			return false;
		text_add_char(to, (char)(high << 4 | low));
		i += 2;
	}
	return !to->is_cut;
}

bool percent_pair(struct bytes *rest, struct bytes *ret_key, struct bytes *ret_value)
{
	struct bytes value = bytes_split(rest, ',');
	struct bytes key = bytes_trim(bytes_split(&value, '='));

	if (!value.ptr || key.len == 0)
		return false;
	*ret_key = key;
	*ret_value = bytes_trim(value);
	return true;
}
