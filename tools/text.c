/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool make_room(struct text *t, size_t more)
{
	size_t cap = t->cap ? t->cap : 4096;
	char *ptr;

	if (more <= t->cap - t->len)
		return true;
	while (cap - t->len < more)
		cap *= 2;
	ptr = realloc(t->ptr, cap);
	if (!ptr) {
		t->is_short = true;
		return false;
	}
	t->ptr = ptr;
	t->cap = cap;
	return true;
}

void text_add(struct text *t, struct bytes s)
{
	if (!s.len || !make_room(t, s.len))
		return;
	memcpy(t->ptr + t->len, s.ptr, s.len);
	t->len += s.len;
}

void text_add_str(struct text *t, const char *s)
{
	text_add(t, bytes_from_str(s));
}

void text_add_char(struct text *t, char c)
{
	if (make_room(t, 1))
		t->ptr[t->len++] = c;
}

void text_add_code(struct text *t, uint32_t code)
{
	char s[4];
	size_t n;

	if (code < 0x80) {
		text_add_char(t, (char)code);
		return;
	}
	n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		s[i] = (char)(0x80 | (code & 0x3f));
	s[0] = (char)((0xf00 >> n) | code);
	text_add(t, (struct bytes){ s, n });
}

void text_add_hex(struct text *t, const uint8_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		text_add_char(t, "0123456789abcdef"[id[i] >> 4]);
		text_add_char(t, "0123456789abcdef"[id[i] & 15]);
	}
}

void text_printf(struct text *t, const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0)
		return;
	text_add(t,
		 (struct bytes){ line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1 });
}

void text_clear(struct text *t)
{
	t->len = 0;
	t->is_short = false;
}

void text_done(struct text *t)
{
	free(t->ptr);
	*t = (struct text){ 0 };
}

uint32_t utf8_take(struct bytes *in)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = (uint8_t)in->ptr[0];
	size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t code = first;

	if (n == 1) {
		*in = bytes_skip(*in, 1);
		return code;
	}
	if (n == 0 || first > 0xf4 || in->len < n)
		goto invalid;
	code = first & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		uint8_t byte = (uint8_t)in->ptr[i];

		if ((byte & 0xc0) != 0x80)
			goto invalid;
		code = code << 6 | (byte & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		goto invalid;
	*in = bytes_skip(*in, n);
	return code;
invalid:
	*in = bytes_skip(*in, 1);
	return UTF8_INVALID;
}

bool utf8_is_unsafe(uint32_t code)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad },   { 0x061c, 0x061c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].from && code <= ranges[i].to)
			return true;
	return false;
}
