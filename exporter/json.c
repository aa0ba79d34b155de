/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

static const char hex[] = "0123456789abcdef";

static const char *short_escape(char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

static void add_escaped(struct text *to, char c)
{
	const char *known = short_escape(c);

	if (known) {
		text_add_str(to, known);
		return;
	}
	text_add_str(to, "\\u00");
	text_add_char(to, hex[(unsigned char)c >> 4]);
	text_add_char(to, hex[(unsigned char)c & 15]);
}

static bool is_plain(char c)
{
	return (unsigned char)c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
}

void json_add_string(struct text *to, struct bytes s)
{
	size_t begin = 0;

	text_add_char(to, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (is_plain(s.ptr[i]))
			continue;
		text_add(to, (struct bytes){ s.ptr + begin, i - begin });
		add_escaped(to, s.ptr[i]);
		begin = i + 1;
	}
	text_add(to, (struct bytes){ s.ptr + begin, s.len - begin });
	text_add_char(to, '"');
}

void json_add_hex(struct text *to, const uint8_t *from, size_t n)
{
	text_add_char(to, '"');
	for (size_t i = 0; i < n; i++) {
		text_add_char(to, hex[from[i] >> 4]);
		text_add_char(to, hex[from[i] & 15]);
	}
	text_add_char(to, '"');
}

void json_add_base64(struct text *to, const uint8_t *from, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	text_add_char(to, '"');
	for (size_t i = 0; i < n; i += 3) {
		uint32_t bits = (uint32_t)from[i] << 16;

		if (i + 1 < n)
			bits |= (uint32_t)from[i + 1] << 8;
		if (i + 2 < n)
			bits |= from[i + 2];
		text_add_char(to, digits[bits >> 18]);
		text_add_char(to, digits[bits >> 12 & 63]);
		text_add_char(to, i + 1 < n ? digits[bits >> 6 & 63] : '=');
		text_add_char(to, i + 2 < n ? digits[bits & 63] : '=');
	}
	text_add_char(to, '"');
}

void json_add_uint_string(struct text *to, uint64_t n)
{
	text_add_char(to, '"');
	text_add_uint(to, n);
	text_add_char(to, '"');
}

void json_add_int_string(struct text *to, int64_t n)
{
	text_add_char(to, '"');
	text_add_int(to, n);
	text_add_char(to, '"');
}
