/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMANGLE_IMPL_H
#define DEMANGLE_IMPL_H
/* What the parts of the demangler share: the texts, the input, and each other. */
#include <stdint.h>
#include <string.h>

#include "bytes.h"
#include "compiler.h"

#define DEPTH_MAX 48u
#define STEPS_MAX 4000u
#define ARENA_BYTES 16384u
#define KEPT_MAX 200u
#define ARGS_MAX 32u

/* A text in the arena. */
struct text {
	uint16_t at;
	uint16_t len;
};

/* A type: what stands before the name of what has it, and behind. */
struct type {
	struct text left;
	struct text right;
};

/* A name, and what of it the rest depends on. */
struct name {
	struct text text;
	struct text last;   /* its last part, without template arguments: a constructor's name */
	struct text suffix; /* " const" of a member function */
	bool has_args;      /* ends in them: then a function's type begins with its result */
	bool has_no_result; /* constructor, destructor, conversion */
};

struct demangler {
	struct bytes in;
	uint32_t steps;
	uint32_t depth;
	uint32_t types; /* that are being read: their template arguments are nobody's T_ */
	bool is_bad;
	uint32_t kept;
	struct type keep[KEPT_MAX];
	uint32_t args;
	struct text arg[ARGS_MAX];
	size_t len;
	char arena[ARENA_BYTES];
};

/* --- texts --- */

static inline struct text bad(struct demangler *d)
{
	d->is_bad = true;
	return (struct text){ 0, 0 };
}

static inline struct text add(struct demangler *d, struct bytes s)
{
	struct text t = { (uint16_t)d->len, (uint16_t)s.len };

	if (d->is_bad || s.len > ARENA_BYTES - d->len)
		return bad(d);
	memcpy(d->arena + d->len, s.ptr, s.len);
	d->len += s.len;
	return t;
}

static inline struct bytes of(const struct demangler *d, struct text t)
{
	return (struct bytes){ d->arena + t.at, t.len };
}

/* Up to four in one. */
static inline struct text join(struct demangler *d, struct text a, const char *between,
			       struct text b)
{
	size_t middle = strlen(between);
	struct text t = { (uint16_t)d->len, 0 };
	size_t len = a.len + middle + b.len;

	if (d->is_bad || len > ARENA_BYTES - d->len)
		return bad(d);
	memmove(d->arena + d->len, d->arena + a.at, a.len);
	memcpy(d->arena + d->len + a.len, between, middle);
	memmove(d->arena + d->len + a.len + middle, d->arena + b.at, b.len);
	d->len += len;
	t.len = (uint16_t)len;
	return t;
}

static const struct text nothing __attribute__((unused));

static inline struct text with(struct demangler *d, struct text a, const char *behind)
{
	return join(d, a, behind, nothing);
}

/* --- the input --- */

static inline char peek(const struct demangler *d, size_t i)
{
	return i < d->in.len ? d->in.ptr[i] : '\0';
}

static inline bool take(struct demangler *d, const char *what)
{
	size_t len = strlen(what);

	if (d->is_bad || d->in.len < len || memcmp(d->in.ptr, what, len) != 0)
		return false;
	d->in = bytes_skip(d->in, len);
	return true;
}

static inline bool enter(struct demangler *d)
{
	if (d->is_bad || ++d->steps > STEPS_MAX || d->depth >= DEPTH_MAX) {
		d->is_bad = true;
		return false;
	}
	d->depth++;
	return true;
}

static inline bool is_number(char c)
{
	return c >= '0' && c <= '9';
}

static inline size_t number(struct demangler *d)
{
	size_t n = 0;

	while (is_number(peek(d, 0)) && n < 100000) {
		n = n * 10 + (size_t)(peek(d, 0) - '0');
		d->in = bytes_skip(d->in, 1);
	}
	return n;
}

static inline void keep(struct demangler *d, struct type t)
{
	if (d->kept < KEPT_MAX)
		d->keep[d->kept++] = t;
	else
		d->is_bad = true;
}

static inline void keep_name(struct demangler *d, struct text t)
{
	keep(d, (struct type){ t, nothing });
}

/* _ is 0, 0_ is 1, Z_ is 36. */
static inline uint32_t sequence(struct demangler *d)
{
	uint32_t n = 0;

	if (take(d, "_"))
		return 0;
	while (peek(d, 0) != '_' && !d->is_bad) {
		char c = peek(d, 0);

		if (is_number(c))
			n = n * 36 + (uint32_t)(c - '0');
		else if (c >= 'A' && c <= 'Z')
			n = n * 36 + (uint32_t)(c - 'A') + 10;
		else
			d->is_bad = true;
		d->is_bad |= n > KEPT_MAX;
		d->in = bytes_skip(d->in, 1);
	}
	take(d, "_");
	return n + 1;
}

/* demangle_name.c */
struct name demangle_name(struct demangler *d);
struct text demangle_args(struct demangler *d);
struct text demangle_substitution(struct demangler *d, struct text *last);
struct text demangle_parameter(struct demangler *d);

/* demangle_type.c */
struct type demangle_type(struct demangler *d);
struct text demangle_parameters(struct demangler *d);

/* demangle.c */
struct text demangle_function(struct demangler *d);

static inline struct text whole(struct demangler *d, struct type t)
{
	/* A function as it is, not a pointer to it: "void (int)". */
	if (t.right.len && t.left.len && of(d, t.left).ptr[t.left.len - 1] == '(' &&
	    of(d, t.right).ptr[0] == ')') {
		t.left.len--;
		t.right.at++;
		t.right.len--;
	}
	return t.right.len ? join(d, t.left, "", t.right) : t.left;
}

#endif
