/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and the arguments of templates. */
#include "demangle_impl.h"

static const char operators[][2][12] = {
	{ "nw", "new" }, { "na", "new[]" }, { "dl", "delete" }, { "da", "delete[]" },
	{ "ps", "+" },   { "ng", "-" },     { "ad", "&" },      { "de", "*" },
	{ "co", "~" },   { "pl", "+" },     { "mi", "-" },      { "ml", "*" },
	{ "dv", "/" },   { "rm", "%" },     { "an", "&" },      { "or", "|" },
	{ "eo", "^" },   { "aS", "=" },     { "pL", "+=" },     { "mI", "-=" },
	{ "mL", "*=" },  { "dV", "/=" },    { "rM", "%=" },     { "aN", "&=" },
	{ "oR", "|=" },  { "eO", "^=" },    { "ls", "<<" },     { "rs", ">>" },
	{ "lS", "<<=" }, { "rS", ">>=" },   { "eq", "==" },     { "ne", "!=" },
	{ "lt", "<" },   { "gt", ">" },     { "le", "<=" },     { "ge", ">=" },
	{ "ss", "<=>" }, { "nt", "!" },     { "aa", "&&" },     { "oo", "||" },
	{ "pp", "++" },  { "mm", "--" },    { "cm", "," },      { "pm", "->*" },
	{ "pt", "->" },  { "cl", "()" },    { "ix", "[]" },     { "aw", "co_await" },
};

static struct text source_name(struct demangler *d)
{
	size_t n = number(d);
	struct bytes s = { d->in.ptr, n };

	if (!n || n > d->in.len)
		return bad(d);
	d->in = bytes_skip(d->in, n);
	if (bytes_start_with(s, BYTES("_GLOBAL__N")))
		return add(d, BYTES("(anonymous namespace)"));
	return add(d, s);
}

static void abi_tags(struct demangler *d)
{
	while (take(d, "B"))
		(void)source_name(d);
}

static struct text closure_name(struct demangler *d)
{
	struct text t = add(d, BYTES("{lambda("));
	bool is_first = true;

	if (take(d, "v"))
		is_first = true;
	while (!take(d, "E") && !d->is_bad) {
		t = join(d, t, is_first ? "" : ", ", whole(d, demangle_type(d)));
		is_first = false;
		if (!d->in.len)
			return bad(d);
	}
	t = with(d, t, ")}");
	if (is_number(peek(d, 0)))
		(void)number(d);
	if (!take(d, "_"))
		return bad(d);
	return t;
}

/* One part of a name, without its template arguments. */
static struct text unqualified(struct demangler *d, struct name *n)
{
	char c = peek(d, 0);

	take(d, "L");
	if (is_number(peek(d, 0))) {
		struct text t = source_name(d);

		abi_tags(d);
		return t;
	}
	if (c == 'C' || (c == 'D' && is_number(peek(d, 1)))) {
		struct text t = n->last;

		d->in = bytes_skip(d->in, 2);
		n->has_no_result = true;
		if (c == 'D')
			t = join(d, add(d, BYTES("~")), "", t);
		abi_tags(d);
		return t;
	}
	if (take(d, "cv")) {
		n->has_no_result = true;
		return join(d, add(d, BYTES("operator ")), "", whole(d, demangle_type(d)));
	}
	if (take(d, "Ul"))
		return closure_name(d);
	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (take(d, operators[i][0])) {
			struct text t = add(d, BYTES("operator"));

			if (operators[i][1][0] >= 'a' && operators[i][1][0] <= 'z')
				t = with(d, t, " ");
			return with(d, t, operators[i][1]);
		}
	return bad(d);
}

static struct text literal(struct demangler *d)
{
	struct text type = whole(d, demangle_type(d));
	bool is_negative = take(d, "n");
	struct bytes value = d->in;
	struct bytes name = of(d, type);
	struct text t;

	while (is_number(peek(d, 0)))
		d->in = bytes_skip(d->in, 1);
	value.len -= d->in.len;
	if (!value.len || !take(d, "E"))
		return bad(d);
	if (bytes_equal(name, BYTES("bool")))
		return add(d, *value.ptr == '0' ? BYTES("false") : BYTES("true"));
	t = join(d, add(d, is_negative ? BYTES("-") : BYTES("")), "", add(d, value));
	if (bytes_equal(of(d, type), BYTES("int")))
		return t;
	if (bytes_equal(of(d, type), BYTES("unsigned int")))
		return with(d, t, "u");
	if (bytes_equal(of(d, type), BYTES("unsigned long")))
		return with(d, t, "ul");
	if (bytes_equal(of(d, type), BYTES("long")))
		return with(d, t, "l");
	return join(d, join(d, add(d, BYTES("(")), "", type), ")", t);
}

static struct text template_arg(struct demangler *d);

static struct text template_list(struct demangler *d)
{
	struct text t = nothing;

	for (bool is_first = true; !take(d, "E") && !d->is_bad;) {
		struct text arg;

		if (!d->in.len)
			return bad(d);
		arg = template_arg(d);
		if (!arg.len)
			continue; /* an empty pack */
		t = is_first ? arg : join(d, t, ", ", arg);
		is_first = false;
	}
	return t;
}

static struct text template_arg(struct demangler *d)
{
	if (take(d, "L")) {
		struct text t;

		if (!take(d, "_Z"))
			return literal(d);
		t = demangle_function(d);
		return take(d, "E") ? t : bad(d);
	}
	if (take(d, "J"))
		return template_list(d);
	return whole(d, demangle_type(d));
}

/* Behind the I.  The outermost ones are what T_ means. */
struct text demangle_args(struct demangler *d)
{
	struct text t = add(d, BYTES("<"));
	uint32_t n = 0;
	struct text args[ARGS_MAX];

	if (!enter(d))
		return nothing;
	while (!take(d, "E") && !d->is_bad) {
		struct text arg;

		if (!d->in.len || n == ARGS_MAX)
			return bad(d);
		arg = template_arg(d);
		args[n++] = arg;
		if (arg.len)
			t = join(d, t, of(d, t).ptr[t.len - 1] == '<' ? "" : ", ", arg);
	}
	d->depth--;
	if (!d->types) {
		memcpy(d->arg, args, n * sizeof(args[0]));
		d->args = n;
	}
	return with(d, t, ">");
}

static const struct {
	char code;
	char text[15];
	char last[15];
} standard[] = {
	{ 'a', "std::allocator", "allocator" },
	{ 'b', "std::string", "string" }, /* basic_string: with arguments behind */
	{ 's', "std::string", "string" },
	{ 'i', "std::istream", "istream" },
	{ 'o', "std::ostream", "ostream" },
	{ 'd', "std::iostream", "iostream" },
};

/* Behind an S that is not St: what was there before. */
struct text demangle_substitution(struct demangler *d, struct text *last)
{
	char c = peek(d, 0);
	uint32_t i;

	for (size_t j = 0; j < ARRAY_LEN(standard); j++)
		if (c == standard[j].code) {
			d->in = bytes_skip(d->in, 1);
			*last = add(d,
				    bytes_from_str(c == 'b' ? "basic_string" : standard[j].last));
			return add(d, bytes_from_str(c == 'b' ? "std::basic_string" :
								standard[j].text));
		}
	i = sequence(d);
	if (i >= d->kept)
		return bad(d);
	return whole(d, d->keep[i]);
}

struct text demangle_parameter(struct demangler *d)
{
	uint32_t i = sequence(d);

	return i < d->args ? d->arg[i] : bad(d);
}

static struct text qualifiers(struct demangler *d)
{
	struct text t = nothing;

	if (take(d, "r"))
		t = with(d, t, " restrict");
	if (take(d, "V"))
		t = with(d, t, " volatile");
	if (take(d, "K"))
		t = with(d, t, " const");
	return t;
}

/* Behind the N. */
static struct name nested(struct demangler *d)
{
	struct name n = { .suffix = qualifiers(d) };

	if (take(d, "R"))
		n.suffix = with(d, n.suffix, " &");
	else if (take(d, "O"))
		n.suffix = with(d, n.suffix, " &&");
	while (!take(d, "E") && !d->is_bad) {
		bool is_kept = true;
		struct text part;

		if (!d->in.len || ++d->steps > STEPS_MAX) {
			d->is_bad = true;
			break;
		}
		if (take(d, "I")) {
			n.text = join(d, n.text, "", demangle_args(d));
			n.has_args = true;
			if (peek(d, 0) != 'E')
				keep_name(d, n.text);
			continue;
		}
		n.has_args = false;
		if (take(d, "St")) {
			part = n.last = add(d, BYTES("std"));
			is_kept = false;
		} else if (take(d, "S")) {
			part = demangle_substitution(d, &n.last);
			is_kept = false;
		} else if (take(d, "T")) {
			part = demangle_parameter(d);
		} else {
			n.last = part = unqualified(d, &n);
		}
		n.text = n.text.len ? join(d, n.text, "::", part) : part;
		if (is_kept && peek(d, 0) != 'E')
			keep_name(d, n.text);
	}
	return n;
}

/* Behind the Z: what is in a function. */
static struct name local(struct demangler *d)
{
	struct text in = demangle_function(d);
	struct name n = { .has_args = false };

	if (!take(d, "E")) {
		d->is_bad = true;
		return n;
	}
	if (take(d, "s")) {
		n.text = n.last = add(d, BYTES("string literal"));
	} else {
		if (take(d, "d")) {
			if (is_number(peek(d, 0)))
				(void)number(d);
			take(d, "_");
		}
		n = demangle_name(d);
	}
	n.text = join(d, in, "::", n.text);
	if (take(d, "__")) {
		(void)number(d);
		take(d, "_");
	} else if (peek(d, 0) == '_' && is_number(peek(d, 1))) {
		d->in = bytes_skip(d->in, 2);
	}
	return n;
}

struct name demangle_name(struct demangler *d)
{
	struct name n = { .has_args = false };
	bool is_kept = true;

	if (!enter(d))
		return n;
	if (take(d, "N")) {
		n = nested(d);
	} else if (take(d, "Z")) {
		n = local(d);
	} else {
		if (take(d, "St")) {
			n.last = unqualified(d, &n);
			n.text = join(d, add(d, BYTES("std::")), "", n.last);
		} else if (take(d, "S")) {
			n.text = demangle_substitution(d, &n.last);
			is_kept = false;
		} else {
			n.text = n.last = unqualified(d, &n);
		}
		if (take(d, "I")) {
			if (is_kept)
				keep_name(d, n.text);
			n.text = join(d, n.text, "", demangle_args(d));
			n.has_args = true;
		}
	}
	d->depth--;
	return n;
}
