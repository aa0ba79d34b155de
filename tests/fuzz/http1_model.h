/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_MODEL_H
#define HTTP1_MODEL_H
/*
 * HTTP/1 slow and simple, to compare the parser with: it has the whole stream before it, copies
 * what it likes and looks at one byte after the other.  It shares no line with the parser.
 *
 * Streams are shorter than the line buffer: what happens to longer lines is for the unit tests.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "../unit/http1_run.h"

#define STREAM_MAX 4096
#define HEADERS_MAX 2048

struct header {
	char *name, *value;
	int folded;
};

struct model {
	const char *s;
	size_t len, at;
	int is_response;
	const char *expect;
	struct header header[HEADERS_MAX];
	size_t headers;
	struct http1_run *out;
	char text[4 * STREAM_MAX]; /* names and values, NUL behind each */
	size_t used;
};

enum verdict { GO_ON, CUT, DEAD, TUNNEL, CLOSED };

/* The line at `at`: GO_ON, with its length and where the next one begins. */
static enum verdict model_line(const struct model *m, size_t at, size_t *ret_len, size_t *ret_next)
{
	size_t i;

	for (i = at; i < m->len && m->s[i] != '\n'; i++) {
		if (m->s[i] == 0)
			return DEAD;
		if (m->s[i] == '\r' && i + 1 < m->len && m->s[i + 1] != '\n')
			return DEAD;
	}
	if (i == m->len)
		return CUT;
	*ret_next = i + 1;
	*ret_len = i - at - (i > at && m->s[i - 1] == '\r');
	return GO_ON;
}

static int is_one_of(int c, const char *chars)
{
	return c && strchr(chars, c) != NULL;
}

static int is_tchar(int c)
{
	return (c < 128 && c > 0 && isalnum(c)) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static char *model_keep(struct model *m, const char *s, size_t n)
{
	char *copy = m->text + m->used;

	memcpy(copy, s, n);
	copy[n] = 0;
	m->used += n + 1;
	return copy;
}

static char *model_trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	for (n = strlen(s); n && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
		s[n - 1] = 0;
	return s;
}

static enum verdict model_request_line(struct model *m, const char *line, size_t n, int *version,
				       char *method)
{
	size_t a = 0, b = n - 9;

	while (a < n && is_tchar((unsigned char)line[a]))
		a++;
	if (a == 0 || a >= n || line[a] != ' ' || n < 9 || b < a + 2)
		return DEAD;
	if (memcmp(line + b, " HTTP/1.", 8) != 0 || !isdigit((unsigned char)line[n - 1]))
		return DEAD;
	for (size_t i = a + 1; i < b; i++)
		if ((unsigned char)line[i] <= ' ' || line[i] == 127)
			return DEAD;
	*version = 10 + line[n - 1] - '0';
	*method = a == 4 && !memcmp(line, "HEAD", 4)    ? 'H' :
		  a == 7 && !memcmp(line, "CONNECT", 7) ? 'C' :
							  'G';
	http1_run_note(m->out, "S %.*s %.*s %d\n", (int)a, line, (int)(b - a - 1), line + a + 1,
		       *version);
	return GO_ON;
}

static enum verdict model_status_line(struct model *m, const char *line, size_t n, int *version,
				      int *status)
{
	if (n < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return DEAD;
	for (int i = 7; i < 12; i += 1 + (i == 7))
		if (!isdigit((unsigned char)line[i]))
			return DEAD;
	if (n > 12 && line[12] != ' ')
		return DEAD;
	*version = 10 + line[7] - '0';
	*status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
	if (*status >= 100)
		http1_run_note(m->out, "S %d %d\n", *status, *version);
	return *status < 100 ? DEAD : GO_ON;
}

/* Tells the header; DEAD if its name is none, or if it is folded and frames. */
static enum verdict model_header(struct model *m, char *line, size_t n, int folded)
{
	struct header *h = &m->header[m->headers++];
	size_t colon = 0;

	while (colon < n && line[colon] != ':') {
		unsigned char c = (unsigned char)line[colon++];

		if (c <= ' ' || c >= 127)
			return DEAD;
	}
	if (colon == 0 || colon == n)
		return DEAD;
	line[colon] = 0;
	*h = (struct header){ line, model_trim(line + colon + 1), folded };
	return GO_ON;
}

static int is_framing(const char *name)
{
	return !strcasecmp(name, "content-length") || !strcasecmp(name, "transfer-encoding") ||
	       !strcasecmp(name, "connection") || !strcasecmp(name, "upgrade");
}

/* Lengths as decimal text without leading zeros: no arithmetic, no overflow. */
static int model_length(const char *s, char ret[64])
{
	while (s[0] == '0' && s[1])
		s++;
	if (!*s || strspn(s, "0123456789") != strlen(s))
		return 0;
	if (strlen(s) > 19 || (strlen(s) == 19 && strcmp(s, "9223372036854775807") > 0))
		return 0;
	strcpy(ret, s);
	return 1;
}

struct facts {
	int version, status;
	char method;
	char length[64]; /* "": none */
	int codings, chunked, bad_coding, has_te;
	int close, keep_alive, upgrade;
};

static enum verdict model_take_length(struct facts *f, char *value)
{
	for (char *next = value; next;) {
		char *part = next, *comma = strchr(next, ',');
		char length[64];

		next = comma ? comma + 1 : NULL;
		if (comma)
			*comma = 0;
		if (!model_length(model_trim(part), length))
			return DEAD;
		if (f->length[0] && strcmp(f->length, length) != 0)
			return DEAD;
		strcpy(f->length, length);
	}
	return GO_ON;
}

static void model_take_coding(struct facts *f, char *value)
{
	int n = 0;

	f->has_te = 1;
	if (strchr(value, '"'))
		f->bad_coding = 1;
	for (char *next = value; next;) {
		char *part = next, *comma = strchr(next, ','), *semicolon;
		int has_parameters;

		next = comma ? comma + 1 : NULL;
		if (comma)
			*comma = 0;
		part = model_trim(part);
		if (!*part)
			continue;
		n++;
		semicolon = strchr(part, ';');
		has_parameters = semicolon != NULL;
		if (semicolon)
			*semicolon = 0;
		part = model_trim(part);
		if (!*part)
			f->bad_coding = 1;
		for (char *c = part; *c; c++)
			if (!is_tchar((unsigned char)*c))
				f->bad_coding = 1;
		if (f->chunked)
			f->bad_coding = 1;
		if (!strcasecmp(part, "chunked")) {
			f->chunked = 1;
			f->bad_coding |= has_parameters;
		}
	}
	if (!n)
		f->bad_coding = 1;
}

static enum verdict model_take(struct facts *f, const struct header *h)
{
	static char value[STREAM_MAX + 1];

	strcpy(value, h->value);
	if (is_framing(h->name) && h->folded)
		return DEAD;
	if (!strcasecmp(h->name, "content-length"))
		return model_take_length(f, value);
	if (!strcasecmp(h->name, "transfer-encoding"))
		model_take_coding(f, value);
	if (!strcasecmp(h->name, "upgrade"))
		f->upgrade = 1;
	if (strcasecmp(h->name, "connection") != 0)
		return GO_ON;
	for (char *next = value; next;) {
		char *part = next, *comma = strchr(next, ',');

		next = comma ? comma + 1 : NULL;
		if (comma)
			*comma = 0;
		part = model_trim(part);
		f->close |= !strcasecmp(part, "close");
		f->keep_alive |= !strcasecmp(part, "keep-alive");
	}
	return GO_ON;
}

/* Reads the headers one by one, as far as they are whole; unfolds. */
static enum verdict model_headers(struct model *m, struct facts *f)
{
	size_t len, next;

	m->headers = 0;
	for (int is_first = 1;; is_first = 0) {
		enum verdict v;
		char *line;
		size_t n;
		int folded = 0;

		if (m->at == m->len)
			return CUT;
		if (m->s[m->at] == '\r' || m->s[m->at] == '\n')
			return GO_ON;
		if (is_first && (m->s[m->at] == ' ' || m->s[m->at] == '\t'))
			return DEAD;
		v = model_line(m, m->at, &len, &next);
		if (v != GO_ON)
			return v;
		line = model_keep(m, m->s + m->at, len);
		n = len;
		while (next < m->len && (m->s[next] == ' ' || m->s[next] == '\t')) {
			v = model_line(m, next, &len, &n);
			if (v != GO_ON)
				return v;
			m->used--; /* the NUL: what follows is appended */
			model_keep(m, m->s + next, len);
			m->text[m->used - 1 - len] = ' ';
			next = n;
			folded = 1;
		}
		if (next == m->len)
			return CUT;
		n = strlen(line);
		if (model_header(m, line, n, folded) == DEAD)
			return DEAD;
		m->at = next;
		if (model_take(f, &m->header[m->headers - 1]) == DEAD)
			return DEAD;
		http1_run_note(m->out, "H %s=%s\n", m->header[m->headers - 1].name,
			       m->header[m->headers - 1].value);
	}
}

/* CR LF or LF at `at`. */
static enum verdict model_newline(struct model *m, int may_be_bare)
{
	size_t had_cr = m->at < m->len && m->s[m->at] == '\r';

	if (m->at + had_cr == m->len)
		return CUT;
	if (m->s[m->at + had_cr] != '\n' || (!had_cr && !may_be_bare))
		return DEAD;
	m->at += had_cr + 1;
	return GO_ON;
}

/* As many bytes as the decimal or hexadecimal number says. */
static enum verdict model_skip(struct model *m, unsigned long long n, unsigned long long *body)
{
	if (m->len - m->at < n) {
		*body += m->len - m->at;
		m->at = m->len;
		return CUT;
	}
	m->at += (size_t)n;
	*body += n;
	return GO_ON;
}

static enum verdict model_chunk_size(struct model *m, unsigned long long *ret_n)
{
	size_t begin = m->at, digits, len, next;
	enum verdict v;

	*ret_n = 0;
	while (m->at < m->len && isxdigit((unsigned char)m->s[m->at])) {
		char digit[2] = { m->s[m->at++], 0 };

		if (*ret_n >= 1ull << 59)
			return DEAD;
		*ret_n = *ret_n * 16 + strtoull(digit, NULL, 16);
	}
	digits = m->at - begin;
	if (m->at == m->len)
		return CUT;
	if (!digits)
		return DEAD;
	if (m->s[m->at] == '\r' || m->s[m->at] == '\n')
		return model_newline(m, 1);
	if (!is_one_of(m->s[m->at], "; \t"))
		return DEAD;
	v = model_line(m, m->at, &len, &next);
	if (v == GO_ON && m->s[next - 2] != '\r')
		return DEAD;
	if (v == GO_ON)
		m->at = next;
	return v;
}

static enum verdict model_chunks(struct model *m, unsigned long long *body)
{
	unsigned long long n;
	size_t len, next;
	enum verdict v;

	for (;;) {
		v = model_chunk_size(m, &n);
		if (v != GO_ON)
			return v;
		if (!n)
			break;
		v = model_skip(m, n, body);
		if (v != GO_ON)
			return v;
		v = model_newline(m, 0);
		if (v != GO_ON)
			return v;
	}
	while (m->at < m->len && m->s[m->at] != '\r' && m->s[m->at] != '\n') {
		v = model_line(m, m->at, &len, &next);
		if (v != GO_ON)
			return v;
		m->at = next;
	}
	return model_newline(m, 1);
}

enum body { NO_BODY, LENGTH, CHUNKS, UNTIL_CLOSE, INTERIM, NOT_HTTP, UNCLEAR };

static enum body model_body(const struct model *m, const struct facts *f)
{
	if (m->is_response) {
		if (f->status == 101 || (f->method == 'C' && f->status / 100 == 2))
			return NOT_HTTP;
		if (f->status < 200)
			return INTERIM;
		if (f->method == 'H' || f->status == 204 || f->status == 304)
			return NO_BODY;
	} else if (f->method == 'C' && (f->has_te || strspn(f->length, "0") != strlen(f->length))) {
		return UNCLEAR;
	}
	if (f->has_te) {
		if (f->length[0] || f->version == 10 || f->bad_coding)
			return UNCLEAR;
		return f->chunked ? CHUNKS : m->is_response ? UNTIL_CLOSE : UNCLEAR;
	}
	if (f->length[0])
		return LENGTH;
	return m->is_response ? UNTIL_CLOSE : NO_BODY;
}

static void model_closing(struct model *m, const struct facts *f, enum body kind)
{
	int close = f->close || (f->version == 10 && !f->keep_alive) || kind == UNTIL_CLOSE;

	http1_run_note(m->out, "C %zu", m->at);
	if (f->length[0])
		http1_run_note(m->out, " len=%s", kind == LENGTH ? f->length : "0");
	http1_run_note(m->out, "%s%s%s%s\n", f->chunked ? " chunked" : "", close ? " close" : "",
		       !m->is_response && f->method == 'C' ? " connect" : "",
		       f->upgrade ? " up" : "");
}

static enum verdict model_start(struct model *m, struct facts *f)
{
	size_t len, next;
	enum verdict v = model_line(m, m->at, &len, &next);
	int first = (unsigned char)m->s[m->at];

	if (m->is_response ? first != 'H' : !is_tchar(first))
		return DEAD;
	if (v != GO_ON)
		return v;
	v = m->is_response ? model_status_line(m, m->s + m->at, len, &f->version, &f->status) :
			     model_request_line(m, m->s + m->at, len, &f->version, &f->method);
	m->at = next;
	if (v != GO_ON || !m->is_response)
		return v;
	f->method = *m->expect ? *m->expect : 'G';
	if (*m->expect && (f->status >= 200 || f->status == 101))
		m->expect++;
	return GO_ON;
}

static enum verdict model_message(struct model *m)
{
	struct facts f = { 0 };
	unsigned long long body = 0;
	enum verdict v = model_start(m, &f);
	enum body kind;

	m->used = 0;
	if (v != GO_ON)
		return v;
	v = model_headers(m, &f);
	if (v != GO_ON)
		return v;
	kind = model_body(m, &f);
	if (kind == UNCLEAR)
		return DEAD;
	model_closing(m, &f, kind);
	v = model_newline(m, 1);
	if (v != GO_ON)
		return v;
	http1_run_note(m->out, "E %zu\n", m->at);
	if (kind == INTERIM)
		return GO_ON;
	if (kind == NOT_HTTP)
		return TUNNEL;
	if (kind == UNTIL_CLOSE)
		return CLOSED;
	if (kind == LENGTH)
		v = model_skip(m, strtoull(f.length, NULL, 10), &body);
	if (kind == CHUNKS)
		v = model_chunks(m, &body);
	if (v == GO_ON)
		http1_run_note(m->out, "M %zu %llu\n", m->at, body);
	return v;
}

static void model_run(struct model *m)
{
	enum verdict v = GO_ON;

	while (v == GO_ON) {
		while (v == GO_ON && m->at < m->len && (m->s[m->at] == '\r' || m->s[m->at] == '\n'))
			v = model_newline(m, 1);
		if (v == GO_ON && m->at == m->len) {
			http1_run_note(m->out, "between\n");
			return;
		}
		if (v == GO_ON)
			v = model_message(m);
	}
	if (v == TUNNEL)
		http1_run_note(m->out, "T %zu\n", m->at);
	else
		http1_run_note(m->out, v == CUT ? "cut\n" : v == CLOSED ? "closed\n" : "D\n");
}

#endif
