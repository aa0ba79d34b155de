/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include "format.h"
#include "word.h"

bool signature_is_name(struct bytes name)
{
	switch (name.len) {
	case 9:
		return word_is(name, BYTES("signature"));
	case 13:
		return word_is(name, BYTES("authorization"));
	case 15:
		return word_is(name, BYTES("signature-input"));
	default:
		return false;
	}
}

static bool is_word_char(char c)
{
	char low = ascii_lower(c);

	return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static unsigned covers(struct bytes word)
{
	switch (word.len) {
	case 7:
		return word_is(word, BYTES("baggage")) ? SIGNED_BAGGAGE : 0;
	case 10:
		if (word_is(word, BYTES("tracestate")))
			return SIGNED_TRACESTATE;
		break;
	case 11:
		if (word_is(word, BYTES("traceparent")))
			return SIGNED_TRACEPARENT;
		break;
	default:
		break;
	}
	return format_line_of(word) != FORMAT_LINES ? SIGNED_OTHERS : 0;
}

/* Word for word; what is percent-encoded stands between words. */
static unsigned covered(struct bytes s)
{
	unsigned found = 0;

	while (s.len) {
		size_t n = 0;

		while (n < s.len && is_word_char(s.ptr[n]))
			n++;
		found |= covers((struct bytes){ s.ptr, n });
		if (n < s.len)
			n += s.ptr[n] == '%' ? 3 : 1;
		s = bytes_skip(s, n);
	}
	return found;
}

unsigned signature_in_value(struct bytes value)
{
	/* The usual ones sign nothing, and may be long. */
	static const struct bytes others[] = {
		{ "bearer ", 7 }, { "basic ", 6 }, { "digest ", 7 }, { "negotiate ", 10 }
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (value.len >= others[i].len &&
		    bytes_equal_nocase((struct bytes){ value.ptr, others[i].len }, others[i]))
			return 0;
	return covered(value);
}

unsigned signature_in_target(struct bytes target)
{
	static const struct bytes key = { "SignedHeaders=", 14 };
	struct bytes rest = target;
	const char *at;

	/* A capital S is rare enough in a URL. */
	while ((at = rest.len ? memchr(rest.ptr, 'S', rest.len) : NULL)) {
		rest = bytes_skip(rest, (size_t)(at - rest.ptr));
		if (bytes_start_with(rest, key)) {
			struct bytes value = bytes_skip(rest, key.len);

			return covered(bytes_split(&value, '&'));
		}
		rest = bytes_skip(rest, 1);
	}
	return 0;
}
