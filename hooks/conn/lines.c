/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "compiler.h"
#include "config.h"

bool lines_is_at(const struct arrival *a, uint64_t at, const char *text, size_t len)
{
	while (len) {
		size_t run;
		const char *p = arrival_at(a, at, &run);

		if (!p)
			return false;
		run = run < len ? run : len;
		/* Alike to the letter, as a value that is passed on is: many bytes at once. */
		if (memcmp(p, text, run) != 0 &&
		    !bytes_equal_nocase((struct bytes){ p, run }, (struct bytes){ text, run }))
			return false;
		at += run;
		text += run;
		len -= run;
	}
	return true;
}

static uint64_t skip_blanks(const struct arrival *a, uint64_t at)
{
	char c;

	while (arrival_copy(a, at, &c, 1) && (c == ' ' || c == '\t'))
		at++;
	return at;
}

/* A line begins here. */
static void look_at(const struct arrival *a, uint64_t at, struct lines *ret)
{
	struct bytes parent = BYTES("traceparent:"), state = BYTES("tracestate:");
	bool is_parent = lines_is_at(a, at, parent.ptr, parent.len);
	bool is_state = !is_parent && lines_is_at(a, at, state.ptr, state.len);

	if (!is_parent && !is_state)
		return;
	if (ret->count == LINES_MAX) {
		ret->is_full = true;
		return;
	}
	ret->traceparents += is_parent;
	ret->tracestates += is_state;
	at += is_parent ? parent.len : state.len;
	ret->list[ret->count++] =
		(struct line_place){ .at = at - (is_parent ? parent.len : state.len),
				     .value = skip_blanks(a, at),
				     .is_tracestate = is_state };
}

/* The same for headers of other formats, where any is set. */
static void look_at_other(const struct arrival *a, uint64_t at, struct lines *ret)
{
	char name[FORMAT_NAME_MAX];
	size_t len = 0;
	enum format_line which;

	while (len < sizeof(name) && arrival_copy(a, at + len, name + len, 1) && name[len] != ':')
		len++;
	which = format_line_of((struct bytes){ name, len });
	if (!format_is_wanted(which))
		return;
	if (ret->count == LINES_MAX) {
		ret->is_full = true;
		return;
	}
	ret->others++;
	ret->list[ret->count++] =
		(struct line_place){ .at = at, .is_other = true, .other = (uint8_t)which };
}

void lines_find(const struct arrival *a, uint64_t from, uint64_t to, bool is_start,
		struct lines *ret)
{
	ret->count = ret->traceparents = ret->tracestates = ret->others = 0;
	ret->is_full = false;
	while (from < to) {
		size_t run;
		const char *p = arrival_at(a, from, &run);
		const char *lf;

		if (!p)
			return;
		run = run < to - from ? run : (size_t)(to - from);
		if (is_start && (*p | 0x20) == 't')
			look_at(a, from, ret);
		else if (is_start && UNLIKELY(config_has_others()))
			look_at_other(a, from, ret);
		lf = memchr(p, '\n', run);
		is_start = lf != NULL;
		from += lf ? (size_t)(lf - p) + 1 : run;
	}
}
