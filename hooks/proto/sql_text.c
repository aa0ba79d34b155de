/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_text.h"

#include "compiler.h"
#include "sql_summary.h"
#include "sql_word.h"

struct mask {
	struct sql_out *out;
	bool keeps; /* values */
	/* A list behind IN, as long as there are only values in it. */
	bool in_list;
	bool list_has_value;
	size_t list_at; /* length of out in front of its first value */
	bool is_role; /* CREATE or ALTER ROLE: PASSWORD is followed by one, however it is written */
	bool has_password; /* the next value is one */
	uint8_t words;     /* of the statement so far; 2: or more */
	uint8_t last;      /* enum sql_word: the token before, but for blanks */
};

static bool ends_with_blank(const struct sql_out *t)
{
	char c = t->len ? t->to[t->len - 1] : ' ';

	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(struct sql_out *t)
{
	while (t->len && ends_with_blank(t))
		t->len--;
}

/* --- lists of values --- */

static bool is_of_list(const struct sql_token *t, enum sql_word w)
{
	switch (t->kind) {
	case SQL_SPACE:
	case SQL_COMMENT:
	case SQL_STRING:
	case SQL_NUMBER:
		return true;
	case SQL_NAME:
		return w == KW_TRUE || w == KW_FALSE;
	case SQL_SIGN:
		return memchr("?,+-", *t->text.ptr, 4) != NULL;
	default:
		return false;
	}
}

static bool is_sign(const struct sql_token *t, char c)
{
	return t->kind == SQL_SIGN && *t->text.ptr == c;
}

static void follow_list(struct mask *m, const struct sql_token *t, enum sql_word w)
{
	if (m->in_list && is_sign(t, ')') && m->list_has_value) {
		m->out->len = m->list_at;
		m->out->is_full = false;
		sql_add(m->out, BYTES("?"));
	}
	if (m->in_list && is_of_list(t, w))
		m->list_has_value |= t->kind != SQL_SPACE && t->kind != SQL_COMMENT;
	else
		m->in_list = false;
}

/* Behind `IN (`. */
static void list_begin(struct mask *m)
{
	m->in_list = !m->keeps && !m->out->is_full;
	m->list_has_value = false;
	m->list_at = m->out->len;
}

/* --- tokens --- */

static void take_name(struct mask *m, const struct sql_token *t, enum sql_word w)
{
	bool is_boolean = w == KW_TRUE || w == KW_FALSE;

	if (m->words < 2)
		m->words++;
	if (m->words == 1)
		m->is_role = w == KW_CREATE || w == KW_ALTER;
	else if (m->last == KW_CREATE || m->last == KW_ALTER)
		m->is_role = m->is_role && (w == KW_ROLE || w == KW_USER || w == KW_GROUP);
	if (m->has_password && m->is_role && w != KW_NULL) {
		sql_add(m->out, BYTES("?"));
		m->has_password = false;
		return;
	}
	if (is_boolean && !m->keeps && m->last != KW_IS && m->last != KW_NOT)
		sql_add(m->out, BYTES("?"));
	else
		sql_add(m->out, t->text);
	m->has_password = w == KW_PASSWORD;
}

static void take_value(struct mask *m, const struct sql_token *t)
{
	sql_add(m->out, m->keeps && !m->has_password ? t->text : BYTES("?"));
	m->has_password = false;
}

static void take_sign(struct mask *m, const struct sql_token *t)
{
	bool was_in = m->last == KW_IN;

	sql_add(m->out, t->text);
	if (*t->text.ptr == ';')
		*m = (struct mask){ .out = m->out, .keeps = m->keeps };
	else if (*t->text.ptr == '(' && was_in)
		list_begin(m);
	else if (*t->text.ptr == '?') /* what stands for one */
		m->has_password = false;
}

static void take(struct mask *m, const struct sql_token *t, enum sql_word w)
{
	follow_list(m, t, w);
	switch (t->kind) {
	case SQL_SPACE:
		if (m->out->len)
			sql_add(m->out, t->text);
		return;
	case SQL_COMMENT:
		if (!ends_with_blank(m->out))
			sql_add(m->out, BYTES(" "));
		return;
	case SQL_NAME:
		take_name(m, t, w);
		break;
	case SQL_STRING:
	case SQL_NUMBER:
		take_value(m, t);
		break;
	case SQL_UNSURE:
		sql_add(m->out, BYTES("?"));
		break;
	case SQL_SIGN:
		take_sign(m, t);
		break;
	case SQL_QUOTED:
		sql_add(m->out, m->has_password && m->is_role ? BYTES("?") : t->text);
		m->has_password = false;
		break;
	default:
		sql_add(m->out, t->text);
	}
	m->last = (uint8_t)w;
}

static bool has_params(struct sql_lexer l)
{
	struct sql_token t;

	if (!memchr(l.at, '$', (size_t)(l.end - l.at)))
		return false;
	do
		t = sql_next(&l);
	while (t.kind != SQL_STOP && t.kind != SQL_PARAM);
	return t.kind == SQL_PARAM;
}

void sql_describe(struct bytes sql, enum sql_backslash b, bool has_parameters,
		  struct sql_out *ret_text, struct sql_out *ret_summary)
{
	struct sql_summary s = sql_summary(ret_summary);
	struct mask m = { .out = ret_text };
	struct sql_lexer l;
	struct sql_token t;

	if (sql.len > SQL_INPUT_MAX)
		sql.len = SQL_INPUT_MAX;
	l = sql_lexer(sql, b);
	m.keeps = has_parameters && sql.len && has_params(l);
	do {
		enum sql_word w;

		t = sql_next(&l);
		w = t.kind == SQL_NAME ? sql_word(t.text) : KW_NONE;
		take(&m, &t, w);
		sql_summary_take(&s, &t, w);
	} while (t.kind != SQL_STOP);
	trim(ret_text);
}
