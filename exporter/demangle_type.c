/* SPDX-License-Identifier: Apache-2.0 */
/* Types. */
#include "demangle_impl.h"

static const struct {
	char code[3];
	char text[20];
} builtins[] = {
	{ "v", "void" },        { "w", "wchar_t" },
	{ "b", "bool" },        { "c", "char" },
	{ "a", "signed char" }, { "h", "unsigned char" },
	{ "s", "short" },       { "t", "unsigned short" },
	{ "i", "int" },         { "j", "unsigned int" },
	{ "l", "long" },        { "m", "unsigned long" },
	{ "x", "long long" },   { "y", "unsigned long long" },
	{ "n", "__int128" },    { "o", "unsigned __int128" },
	{ "f", "float" },       { "d", "double" },
	{ "e", "long double" }, { "g", "__float128" },
	{ "z", "..." },         { "Di", "char32_t" },
	{ "Ds", "char16_t" },   { "Du", "char8_t" },
	{ "Da", "auto" },       { "Dn", "std::nullptr_t" },
};

/* The parameters of a function up to the end, or E. */
struct text demangle_parameters(struct demangler *d)
{
	struct text t = add(d, BYTES("("));
	bool is_first = true;

	if (peek(d, 0) == 'v' && (d->in.len == 1 || peek(d, 1) == 'E' || peek(d, 1) == '.')) {
		d->in = bytes_skip(d->in, 1);
		return with(d, t, ")");
	}
	while (d->in.len && peek(d, 0) != 'E' && peek(d, 0) != '.' && !d->is_bad) {
		t = join(d, t, is_first ? "" : ", ", whole(d, demangle_type(d)));
		is_first = false;
	}
	return with(d, t, ")");
}

/* Behind the F: as a pointer to it would be written, with a place for the star. */
static struct type function_type(struct demangler *d)
{
	struct type result, t;

	take(d, "Y");
	result = demangle_type(d);
	t.left = with(d, result.left, " (");
	t.right =
		join(d, join(d, add(d, BYTES(")")), "", demangle_parameters(d)), "", result.right);
	if (!take(d, "E"))
		d->is_bad = true;
	return t;
}

static struct type array_type(struct demangler *d)
{
	struct bytes count = d->in;
	struct type element, t;

	(void)number(d);
	count.len -= d->in.len;
	if (!take(d, "_")) {
		d->is_bad = true;
		return (struct type){ nothing, nothing };
	}
	t.right = join(d, add(d, BYTES("[")), "", with(d, add(d, count), "]"));
	element = demangle_type(d);
	t.left = with(d, element.left, " ");
	t.right = join(d, t.right, "", element.right);
	return t;
}

static struct type behind(struct demangler *d, const char *what)
{
	struct type t = demangle_type(d);

	/* A reference to a reference is the lesser one of the two. */
	if (what[0] == '&' && t.left.len && of(d, t.left).ptr[t.left.len - 1] == '&') {
		bool is_twice = t.left.len > 1 && of(d, t.left).ptr[t.left.len - 2] == '&';

		t.left.len = (uint16_t)(t.left.len - (is_twice && !what[1]));
		return t;
	}
	if (t.right.len && of(d, t.right).ptr[0] == '[') { /* "int (*)[3]" */
		t.left = with(d, t.left, "(");
		t.right = join(d, add(d, BYTES(")")), "", t.right);
	}
	t.left = with(d, t.left, what);
	return t;
}

static bool builtin_take(struct demangler *d, struct type *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		if (take(d, builtins[i].code)) {
			*ret = (struct type){ add(d, bytes_from_str(builtins[i].text)), nothing };
			return true;
		}
	return false;
}

static struct type compound(struct demangler *d)
{
	if (take(d, "P"))
		return behind(d, "*");
	if (take(d, "R"))
		return behind(d, "&");
	if (take(d, "O"))
		return behind(d, "&&");
	if (take(d, "K"))
		return behind(d, " const");
	if (take(d, "V"))
		return behind(d, " volatile");
	if (take(d, "r"))
		return behind(d, " restrict");
	if (take(d, "F"))
		return function_type(d);
	if (take(d, "A"))
		return array_type(d);
	if (take(d, "Dp")) { /* as many as there are */
		(void)demangle_type(d);
		return (struct type){ add(d, BYTES("...")), nothing };
	}
	return (struct type){ demangle_name(d).text, nothing };
}

static struct type type_of_parameter(struct demangler *d)
{
	struct type t = { demangle_parameter(d), nothing };

	keep(d, t);
	if (take(d, "I")) {
		t.left = join(d, t.left, "", demangle_args(d));
		keep(d, t);
	}
	return t;
}

struct type demangle_type(struct demangler *d)
{
	struct type t = { nothing, nothing };
	bool is_substitution = peek(d, 0) == 'S' && peek(d, 1) != 't';

	if (!enter(d))
		return t;
	d->types++;
	if (is_substitution) {
		struct text last;

		d->in = bytes_skip(d->in, 1);
		t.left = demangle_substitution(d, &last);
		if (take(d, "I")) {
			t.left = join(d, t.left, "", demangle_args(d));
			keep(d, t);
		}
	} else if (take(d, "T")) {
		t = type_of_parameter(d);
	} else if (!builtin_take(d, &t)) {
		t = compound(d);
		keep(d, t);
	}
	d->types--;
	d->depth--;
	return t;
}
