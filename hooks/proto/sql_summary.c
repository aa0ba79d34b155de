/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_summary.h"

#include "compiler.h"

#define DEPTHS 32u

static uint32_t here(const struct sql_summary *s)
{
	return s->depth < DEPTHS ? 1u << s->depth : 0;
}

/* D31: as a whole, or it ends here. */
static void emit(struct sql_summary *s, struct bytes word)
{
	size_t gap = s->out->len > 0;

	if (word.len + gap > s->out->cap - s->out->len)
		s->out->is_full = true;
	if (gap)
		sql_add(s->out, BYTES(" "));
	sql_add(s->out, word);
}

static void want(struct sql_summary *s, enum sql_want w, bool is_list)
{
	s->want = (uint8_t)w;
	if (is_list)
		s->in_list |= here(s);
}

/* --- names --- */

static void name_begin(struct sql_summary *s, struct bytes text)
{
	s->name = text;
	s->name_want = s->want;
	s->want = SQL_WANT_NOTHING;
	s->has_dot = false;
}

static void name_end(struct sql_summary *s, bool is_function)
{
	struct bytes name = s->name;

	s->name.ptr = NULL;
	if (s->has_dot)
		name.len--;
	if (!(is_function && s->name_want == SQL_WANT_TABLE))
		emit(s, name);
}

static bool is_sign(const struct sql_token *t, char c)
{
	return t->kind == SQL_SIGN && *t->text.ptr == c;
}

/* Is t part of the name?  Only what touches it. */
static bool name_goes_on(struct sql_summary *s, const struct sql_token *t)
{
	bool is_part = s->has_dot ? t->kind == SQL_NAME || t->kind == SQL_QUOTED : is_sign(t, '.');

	if (!is_part || s->name.ptr + s->name.len != t->text.ptr)
		return false;
	s->name.len += t->text.len;
	s->has_dot = !s->has_dot;
	return true;
}

/* --- words --- */

/* The first word of a statement is its operation, and often all there is to tell. */
static void begin(struct sql_summary *s, enum sql_word w, struct bytes text)
{
	switch (w) {
	case KW_ALTER:
	case KW_CREATE:
	case KW_DROP:
	case KW_REFRESH:
		emit(s, text);
		want(s, SQL_WANT_KIND, false);
		s->part = SQL_FROM_AS_ON;
		break;
	case KW_CALL:
	case KW_COPY:
	case KW_TABLE:
		emit(s, text);
		want(s, SQL_WANT_NAME, false);
		break;
	case KW_LOCK:
	case KW_TRUNCATE:
		emit(s, text);
		want(s, SQL_WANT_NAME, true);
		break;
	case KW_DECLARE:
	case KW_EXPLAIN:
	case KW_PREPARE:
	case KW_VALUES:
		emit(s, text);
		break;
	case KW_NONE:
	case KW_WITH:
		break;
	default:
		emit(s, text);
		s->part = SQL_NO_MORE;
	}
}

/* Words in the middle of which a table's name may stand: `ALTER TABLE IF EXISTS ONLY t`. */
static bool is_between(enum sql_word w)
{
	return w == KW_IF || w == KW_NOT || w == KW_EXISTS || w == KW_ONLY || w == KW_LATERAL ||
	       w == KW_TABLE;
}

static bool is_before_kind(enum sql_word w)
{
	switch (w) {
	case KW_GLOBAL:
	case KW_LOCAL:
	case KW_MATERIALIZED:
	case KW_OR:
	case KW_RECURSIVE:
	case KW_REPLACE:
	case KW_TEMP:
	case KW_TEMPORARY:
	case KW_UNIQUE:
	case KW_UNLOGGED:
		return true;
	default:
		return false;
	}
}

static void take_kind(struct sql_summary *s, enum sql_word w, struct bytes text)
{
	if (is_before_kind(w))
		return;
	emit(s, text);
	want(s, w == KW_TABLE || w == KW_VIEW ? SQL_WANT_NAME : SQL_WANT_NOTHING, false);
	if (!s->want)
		s->part = SQL_NO_MORE;
}

/* An operation that may stand anywhere.  False: it is none, or has to be confirmed. */
static bool operate(struct sql_summary *s, enum sql_word w, struct bytes text)
{
	if (w == KW_SELECT) {
		emit(s, text);
		s->takes_from |= here(s);
		s->in_list &= ~here(s);
	} else if (w == KW_UPDATE && s->can_start) {
		emit(s, text);
		s->takes_from |= here(s);
		want(s, SQL_WANT_NAME, false);
		return true;
	} else if (w == KW_INSERT || w == KW_DELETE || w == KW_MERGE) {
		s->held = text;
	} else {
		return false;
	}
	s->want = SQL_WANT_NOTHING;
	return true;
}

/* INSERT INTO, DELETE FROM, MERGE INTO; not BEFORE INSERT, ON DELETE. */
static bool confirm(struct sql_summary *s, enum sql_word w)
{
	struct bytes held = s->held;

	s->held.ptr = NULL;
	if (!held.ptr || w != (s->last == KW_DELETE ? KW_FROM : KW_INTO))
		return false;
	emit(s, held);
	s->uses = s->last != KW_INSERT;
	want(s, SQL_WANT_NAME, false);
	return true;
}

static void take_clause(struct sql_summary *s, enum sql_word w)
{
	switch (w) {
	case KW_FROM:
		if (s->takes_from & here(s) && s->last != KW_DISTINCT)
			want(s, SQL_WANT_TABLE, true);
		break;
	case KW_JOIN:
		if (s->in_list & here(s))
			want(s, SQL_WANT_TABLE, false);
		break;
	case KW_USING:
		if (s->uses)
			want(s, SQL_WANT_NAME, true);
		break;
	case KW_AS:
		s->can_start = true;
		break;
	case KW_WHERE:
	case KW_GROUP:
	case KW_ORDER:
	case KW_HAVING:
	case KW_LIMIT:
	case KW_OFFSET:
	case KW_UNION:
	case KW_INTERSECT:
	case KW_EXCEPT:
	case KW_FETCH:
	case KW_FOR:
	case KW_WINDOW:
	case KW_RETURNING:
	case KW_SET:
	case KW_VALUES:
		s->in_list &= ~here(s);
		break;
	default:
		break;
	}
}

static bool is_clause(enum sql_word w)
{
	switch (w) {
	case KW_NONE:
	case KW_ROLE:
	case KW_PASSWORD:
	case KW_COMMENT:
	case KW_VIEW:
	case KW_LOCK:
	case KW_NOTIFY:
	case KW_SECURITY:
		return false;
	default:
		return true;
	}
}

static void take_word(struct sql_summary *s, enum sql_word w, struct bytes text)
{
	bool can_start = s->can_start;

	if (s->part == SQL_NO_MORE)
		return;
	if (s->want == SQL_WANT_KIND) {
		take_kind(s, w, text);
		return;
	}
	if (s->want && is_between(w))
		return;
	if (s->want && !is_clause(w)) {
		name_begin(s, text);
		s->can_start = false;
		return;
	}
	s->want = SQL_WANT_NOTHING;
	if (s->part == SQL_FROM_AS_ON && w != KW_AS)
		return;
	s->part = SQL_ALL;
	s->can_start = w == KW_EXPLAIN || (w == KW_ANALYZE && can_start);
	if (confirm(s, w))
		return;
	s->can_start |= can_start && s->last == KW_NONE;
	if (!operate(s, w, text))
		take_clause(s, w);
}

static void take_sign(struct sql_summary *s, char c)
{
	switch (c) {
	case '(':
		s->depth++;
		s->takes_from &= ~here(s);
		s->in_list &= ~here(s);
		if (s->want == SQL_WANT_TABLE)
			s->in_list |= here(s);
		else
			s->want = SQL_WANT_NOTHING;
		s->can_start = true;
		break;
	case ')':
		s->depth -= s->depth > 0;
		s->want = SQL_WANT_NOTHING;
		s->can_start = true;
		break;
	case ',':
		s->want = s->in_list & here(s) ? SQL_WANT_TABLE : SQL_WANT_NOTHING;
		break;
	case ';':
		*s = sql_summary(s->out);
		break;
	default:
		s->want = SQL_WANT_NOTHING;
		s->can_start = false;
	}
}

void sql_summary_take(struct sql_summary *s, const struct sql_token *t, enum sql_word w)
{
	if (s->name.ptr && t->kind != SQL_SPACE && t->kind != SQL_COMMENT) {
		if (name_goes_on(s, t))
			return;
		name_end(s, is_sign(t, '('));
	}
	switch (t->kind) {
	case SQL_SPACE:
	case SQL_COMMENT:
	case SQL_STOP:
		return;
	case SQL_SIGN:
		take_sign(s, *t->text.ptr);
		break;
	case SQL_QUOTED:
		if (s->want == SQL_WANT_NAME || s->want == SQL_WANT_TABLE)
			name_begin(s, t->text);
		break;
	case SQL_NAME:
		if (s->is_first && w != KW_SELECT && w != KW_INSERT && w != KW_UPDATE &&
		    w != KW_DELETE && w != KW_MERGE)
			begin(s, w, t->text);
		else
			take_word(s, w, t->text);
		s->is_first = false;
		break;
	default:
		s->want = SQL_WANT_NOTHING;
		s->can_start = false;
	}
	s->last = (uint8_t)w;
}
