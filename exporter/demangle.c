/* SPDX-License-Identifier: Apache-2.0 */
#include "demangle.h"

#include "demangle_impl.h"

static const struct {
	char code[3];
	char text[24];
} specials[] = {
	{ "TV", "vtable for " },         { "TT", "VTT for " },
	{ "TI", "typeinfo for " },       { "TS", "typeinfo name for " },
	{ "GV", "guard variable for " },
};

/* Behind Th or Tv: by how much this is moved; then what it goes on to, which is what counts. */
static void offset(struct demangler *d)
{
	take(d, "n");
	(void)number(d);
	if (!take(d, "_"))
		d->is_bad = true;
}

/* Behind _Z: a function with its parameters, or a variable. */
struct text demangle_function(struct demangler *d)
{
	struct name n;
	struct text result = nothing;

	if (!enter(d))
		return nothing;
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (take(d, specials[i].code)) {
			d->depth--;
			return join(
				d, add(d, bytes_from_str(specials[i].text)), "",
				whole(d, specials[i].code[0] == 'G' ?
						 (struct type){ demangle_name(d).text, nothing } :
						 demangle_type(d)));
		}
	if (take(d, "Th")) {
		offset(d);
	} else if (take(d, "Tv")) {
		offset(d);
		offset(d);
	}
	n = demangle_name(d);
	if (d->in.len && peek(d, 0) != 'E' && peek(d, 0) != '.') {
		if (n.has_args && !n.has_no_result)
			result = whole(d, demangle_type(d)); /* left out, as of all others */
		n.text = join(d, n.text, "", demangle_parameters(d));
	}
	(void)result;
	d->depth--;
	return join(d, n.text, "", n.suffix);
}

size_t demangle(char *to, size_t cap, struct bytes name)
{
	struct demangler d = { .in = name };
	struct text t;

	if (!take(&d, "_Z"))
		return 0;
	t = demangle_function(&d);
	/* What compilers add to clones: ".constprop.0", ".isra.1", ".cold". */
	if (d.is_bad || (d.in.len && peek(&d, 0) != '.') || !t.len || t.len > cap)
		return 0;
	memcpy(to, d.arena + t.at, t.len);
	return t.len;
}
