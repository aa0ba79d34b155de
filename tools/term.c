/* SPDX-License-Identifier: Apache-2.0 */
#include "term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* More of them on one character than any script needs: somebody plays with the screen. */
#define COMBINING_MAX 4

static unsigned width_of(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long n = 0;

	if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	else if (columns)
		n = strtoul(columns, NULL, 10);
	if (n < TERM_WIDTH_MIN)
		return TERM_WIDTH_MIN;
	return n < TERM_WIDTH_MAX ? (unsigned)n : TERM_WIDTH_MAX;
}

void style_detect(struct style *ret, int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool is_dumb = !term || !*term || strcmp(term, "dumb") == 0;

	ret->width = width_of(fd);
	ret->has_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	ret->has_color = isatty(fd) && !is_dumb && !(no_color && *no_color);
}

/*
 * wcwidth() goes by the locale, which may be "C"; the tables of C.UTF-8 are the ones wanted.  Where
 * it is missing every character beyond ASCII counts as one column.
 */
static unsigned code_columns(uint32_t code)
{
	static locale_t utf8;
	static bool is_tried;
	locale_t before;
	int n = 1;

	if (code < 0x80)
		return 1;
	if (!is_tried)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	is_tried = true;
	if (utf8) {
		before = uselocale(utf8);
		n = wcwidth((wchar_t)code);
		uselocale(before);
	}
	return n < 0 ? 1 : (unsigned)n;
}

struct glyph {
	uint32_t code;
	unsigned columns;
};

/* The next character as it will be shown. */
static struct glyph take_glyph(struct bytes *in, const struct style *st, unsigned *combining)
{
	struct glyph g = { utf8_take(in), 1 };

	if (!st->has_utf8 && (g.code >= 0x7f || g.code < 0x20)) {
		g.code = '?';
		return g;
	}
	if (utf8_is_unsafe(g.code))
		g.code = UTF8_INVALID;
	g.columns = code_columns(g.code);
	*combining = g.columns ? 0 : *combining + 1;
	if (*combining > COMBINING_MAX)
		g = (struct glyph){ UTF8_INVALID, 1 };
	return g;
}

unsigned term_columns(const struct style *st, struct bytes s)
{
	unsigned n = 0, combining = 0;

	while (s.len)
		n += take_glyph(&s, st, &combining).columns;
	return n;
}

/* Is there more in s than fits? */
static bool is_wider(const struct style *st, struct bytes s, unsigned columns)
{
	unsigned n = 0, combining = 0;

	while (s.len && n <= columns)
		n += take_glyph(&s, st, &combining).columns;
	return n > columns;
}

unsigned term_add(struct text *t, const struct style *st, struct bytes s, unsigned columns)
{
	struct bytes mark = st->has_utf8 ? BYTES("\u2026") : BYTES("..");
	unsigned mark_columns = st->has_utf8 ? 1 : 2;
	bool is_cut = is_wider(st, s, columns);
	unsigned room = columns, n = 0, combining = 0;

	if (is_cut)
		room = columns >= mark_columns ? columns - mark_columns : 0;
	while (s.len) {
		struct glyph g = take_glyph(&s, st, &combining);

		if (g.columns > room - n)
			break;
		text_add_code(t, g.code);
		n += g.columns;
	}
	if (is_cut && columns >= mark_columns) {
		text_add(t, mark);
		n += mark_columns;
	}
	return n;
}

void term_wrap(struct text *t, const struct style *st, struct bytes s, unsigned column)
{
	unsigned room = st->width - column, used = 0;

	while (s.ptr) {
		struct bytes word = bytes_split(&s, ' ');
		unsigned columns = term_columns(st, word);

		if (used && used + 1 + columns > room) {
			text_add_char(t, '\n');
			term_spaces(t, column);
			used = 0;
		}
		if (used)
			text_add_char(t, ' ');
		used += (used ? 1 : 0) + term_add(t, st, word, room);
	}
	text_add_char(t, '\n');
}

void term_color(struct text *t, const struct style *st, enum color c)
{
	static const char *const codes[] = {
		[COLOR_PLAIN] = "0",   [COLOR_BOLD] = "1",  [COLOR_DIM] = "2",   [COLOR_RED] = "31",
		[COLOR_YELLOW] = "33", [COLOR_CYAN] = "36", [COLOR_BLUE] = "34",
	};

	if (st->has_color)
		text_printf(t, "\033[%sm", codes[c]);
}

void term_spaces(struct text *t, unsigned n)
{
	while (n--)
		text_add_char(t, ' ');
}

/* value in thousandths of unit, to three digits, rounded down. */
static void three_digits(char *to, size_t size, uint64_t value, const char *unit)
{
	uint64_t whole = value / 1000;
	unsigned part = (unsigned)(value % 1000);

	if (whole < 10)
		snprintf(to, size, "%u.%02u %s", (unsigned)whole, part / 10, unit);
	else if (whole < 100)
		snprintf(to, size, "%u.%u %s", (unsigned)whole, part / 100, unit);
	else
		snprintf(to, size, "%u %s", (unsigned)whole, unit);
}

void term_duration(char *to, size_t size, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (ns < 1000000)
		snprintf(to, size, "%u us", (unsigned)(ns / 1000));
	else if (s < 1)
		three_digits(to, size, ns / 1000, "ms");
	else if (s < 100)
		three_digits(to, size, ns / 1000000, "s");
	else if (s < 6000)
		snprintf(to, size, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 360000)
		snprintf(to, size, "%uh%02um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else if (s < 864000000)
		snprintf(to, size, "%u d", (unsigned)(s / 86400));
	else
		snprintf(to, size, "%u y", (unsigned)(s / 31557600));
}
