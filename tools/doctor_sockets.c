/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections does a process hold, and what was made of each, and of all that it has had? */
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"
#include "fate.h"
#include "json_out.h"
#include "status_read.h"

#define SHOWN_MAX 4u /* lines of one screen are few */
#define FDS_SHOWN 3u

enum kind {
	KIND_HTTP1,
	KIND_HTTPS,
	KIND_HTTPS_GNUTLS,
	KIND_POSTGRES,
	KIND_LIBPQ,
	KIND_TLS,
	KIND_QUIET,
	KIND_TELEMETRY,
	KIND_PAIR,
	KIND_UNEDITED,
	KIND_HTTP2,
	KIND_TLS_WAITS,
	KIND_TLS_UNREAD,
	KIND_OPAQUE,
	KIND_LEFT,
	KIND_BLIND,
	KIND_UNTRACKED,
	KIND_UNSEEN,
	KIND_BEYOND,
	KIND_UNTOLD,
	KIND_LISTENS, /* said with all that it has had */
	KINDS
};

static const struct kind_row {
	const char *id, *what, *remedy;
	enum finding_level level;
	const char *counter; /* told even if none is held now; NULL: there is none */
} rows[KIND_LISTENS] = {
	[KIND_HTTP1] = { "http1", "HTTP/1, traced", "", LEVEL_OK, NULL },
	[KIND_HTTPS] = { "https", "HTTPS, read in OpenSSL, traced", "", LEVEL_OK, NULL },
	[KIND_HTTPS_GNUTLS] = { "https-gnutls", "HTTPS, read in GnuTLS, traced", "", LEVEL_OK,
				NULL },
	[KIND_POSTGRES] = { "postgres", "PostgreSQL, traced", "", LEVEL_OK, NULL },
	[KIND_LIBPQ] = { "libpq", "PostgreSQL, traced by the calls of libpq", "", LEVEL_OK, NULL },
	[KIND_TLS] = { "tls", "TLS that is read, and nothing in it yet", "", LEVEL_OK, NULL },
	[KIND_QUIET] = { "quiet", "nothing said yet", "", LEVEL_OK, NULL },
	[KIND_TELEMETRY] = { "telemetry", "telemetry (OTLP), never traced", "", LEVEL_OK, NULL },
	[KIND_PAIR] = { "pair", "local, without a name (socketpair), not looked at", "", LEVEL_OK,
			NULL },
	[KIND_UNEDITED] = { "never-injected",
			    "HTTP/1, traced, but no header is put into what it sends",
			    "SO_ZEROCOPY, SO_TIMESTAMPING or TCP_REPAIR is set, and others count "
			    "its bytes: without that its requests carry their trace on",
			    LEVEL_NOTE, NULL },
	[KIND_HTTP2] = { "http2", "HTTP/2, passed through unseen",
			 "where one may choose, have the client ask for HTTP/1.1", LEVEL_NOTE,
			 "connections_http2" },
	[KIND_TLS_WAITS] = { "tls-waiting", "TLS whose plaintext has not been found yet",
			     "if it stays so, interspan status names the TLS libraries and which "
			     "are read",
			     LEVEL_NOTE, NULL },
	[KIND_TLS_UNREAD] = { "tls-unread", "TLS by a library whose plaintext is not seen",
			      "interspan status names its TLS libraries; OpenSSL and GnuTLS are "
			      "read where they are shared libraries",
			      LEVEL_NOTE, "connections_tls_unread" },
	[KIND_OPAQUE] = { "opaque", "not understood, passed through: no spans of those",
			  "as expected of Redis, MySQL and all that is neither HTTP/1 nor "
			  "PostgreSQL",
			  LEVEL_NOTE, "connections_opaque" },
	[KIND_LEFT] = { "upgraded", "began as HTTP/1, and is passed through since",
			"as expected of WebSocket and tunnels; else see smuggling_shaped of "
			"interspan status",
			LEVEL_NOTE, NULL },
	[KIND_BLIND] = { "given-up",
			 "given up: several threads at once, sent to another process, "
			 "or read where no hook sees it",
			 "nothing more is told of those; new ones are looked at", LEVEL_NOTE,
			 "connections_blind" },
	[KIND_UNTRACKED] = { "untracked", "not followed: there was no memory for it", "",
			     LEVEL_NOTE, NULL },
	[KIND_UNSEEN] = { "unseen", "not seen to begin, and not looked at",
			  "older than the library in this process (inherited, kept over exec), or "
			  "made where no hook sees it; new ones are looked at",
			  LEVEL_NOTE, NULL },
	[KIND_BEYOND] = { "beyond-table",
			  "numbers from 1024 on, of which is not told what was made",
			  "up to 1048575 they are traced all the same", LEVEL_NOTE, NULL },
	[KIND_UNTOLD] = { "untold", "what was made of it is not told",
			  "it is told once the process, or one of its family, has finished a "
			  "span",
			  LEVEL_NOTE, NULL },
};

struct seen {
	const struct held_socket *socket;
	uint8_t fate; /* of any of its descriptors */
	enum kind kind;
	bool is_served, is_directed;
};

/* --- verdicts --- */

static enum kind kind_of(unsigned fate)
{
	static const enum kind kinds[] = {
		[FATE_NONE] = KIND_UNSEEN,         [FATE_QUIET] = KIND_QUIET,
		[FATE_HTTP1] = KIND_HTTP1,         [FATE_HTTP2] = KIND_HTTP2,
		[FATE_POSTGRES] = KIND_POSTGRES,   [FATE_LIBPQ] = KIND_LIBPQ,
		[FATE_OPAQUE] = KIND_OPAQUE,       [FATE_LEFT] = KIND_LEFT,
		[FATE_TLS_WAITS] = KIND_TLS_WAITS, [FATE_TLS_UNREAD] = KIND_TLS_UNREAD,
		[FATE_BLIND] = KIND_BLIND,         [FATE_TELEMETRY] = KIND_TELEMETRY,
		[FATE_UNTRACKED] = KIND_UNTRACKED,
	};
	unsigned what = fate & FATE_WHAT;

	if (what >= FATES) /* of a library that is newer */
		return KIND_UNTOLD;
	if (what == FATE_QUIET && fate & FATE_IN_TLS)
		return KIND_TLS;
	if (what == FATE_HTTP1 && fate & FATE_UNEDITED && fate & FATE_CLIENT)
		return KIND_UNEDITED;
	if (what == FATE_HTTP1 && fate & FATE_IN_TLS)
		return fate & FATE_GNUTLS ? KIND_HTTPS_GNUTLS : KIND_HTTPS;
	return kinds[what];
}

static void judge(struct seen *s, const struct fates *told)
{
	if (s->socket->state == SOCKET_LISTENS)
		s->kind = KIND_LISTENS;
	else if (!told->is_told)
		s->kind = KIND_UNTOLD;
	else if (!s->fate && s->socket->fd >= (int)FATE_FDS)
		s->kind = KIND_BEYOND;
	else if (!s->fate && !s->socket->here.address[0])
		s->kind = KIND_PAIR;
	else
		s->kind = kind_of(s->fate);
}

/* Its own port is one that it, or who started it, listens on. */
static bool is_served(const struct held_socket *list, size_t n, const struct held_socket *s)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].state == SOCKET_LISTENS && list[i].here.port == s->here.port &&
		    (s->here.port || strcmp(list[i].here.address, s->here.address) == 0))
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return ((const struct seen *)a)->socket->fd - ((const struct seen *)b)->socket->fd;
}

/* One for each socket, whatever leads to it; a later word than "nothing yet" counts. */
static size_t judge_all(struct seen *to, const struct held_socket *list, size_t n,
			const struct fates *told)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t fate = list[i].fd < (int)FATE_FDS ? told->of[list[i].fd] : 0;
		struct seen *s;

		if (!count || to[count - 1].socket->inode != list[i].inode)
			to[count++] = (struct seen){ .socket = &list[i] };
		s = &to[count - 1];
		if (!s->fate || (s->fate & FATE_WHAT) == FATE_QUIET)
			s->fate = fate ? fate : s->fate;
	}
	qsort(to, count, sizeof(*to), compare);
	for (size_t i = 0; i < count; i++) {
		struct seen *s = &to[i];

		judge(s, told);
		s->is_served = s->fate ? !(s->fate & FATE_CLIENT) : is_served(list, n, s->socket);
		s->is_directed = s->fate || s->is_served || s->socket->here.port;
	}
	return count;
}

/* --- for people --- */

static void add_end(struct text *to, const struct socket_end *e)
{
	text_add_str(to, e->address[0] ? e->address : "a local socket");
	if (e->port)
		text_printf(to, ":%u", e->port);
}

/* What those that are told of together have in common. */
static void name_of(struct text *to, const struct seen *s)
{
	const struct held_socket *h = s->socket;

	text_clear(to);
	if (!h->here.port) {
		text_add_str(to, !s->is_directed ? "has " : s->is_served ? "serves " : "asks ");
		add_end(to, &h->here);
	} else if (s->is_served) {
		text_printf(to, "serves %s on port %u", h->there.address, h->here.port);
	} else {
		text_add_str(to, "asks ");
		add_end(to, &h->there);
	}
	if (h->state == SOCKET_CONNECTING)
		text_add_str(to, " (connecting)");
	else if (h->state == SOCKET_CLOSING)
		text_add_str(to, " (closing)");
}

static bool is_named(const struct seen *s, struct bytes name, struct text *scratch)
{
	name_of(scratch, s);
	return bytes_equal((struct bytes){ scratch->ptr, scratch->len }, name);
}

/* All of the kind that are called as first is; those before it are called otherwise. */
static void show_group(struct text *to, struct seen *list, size_t n, size_t first,
		       struct text *name)
{
	struct bytes called = { name->ptr, name->len };
	struct text scratch = { 0 }, fds = { 0 };
	size_t many = 0;

	for (size_t i = first; i < n; i++) {
		if (list[i].kind != list[first].kind || !is_named(&list[i], called, &scratch))
			continue;
		if (many++ < FDS_SHOWN)
			text_printf(&fds, "%s%d", fds.len ? ", " : "", list[i].socket->fd);
	}
	text_add(to, called);
	if (many > 1)
		text_printf(to, " x %zu", many);
	text_add_str(to, " (fd ");
	text_add(to, (struct bytes){ fds.ptr, fds.len });
	text_add_str(to, many > FDS_SHOWN ? ", ...)" : ")");
	text_done(&scratch);
	text_done(&fds);
}

/* The connections of a kind by whom they are with; returns how many there are. */
static size_t show_kind(struct text *to, struct seen *list, size_t n, enum kind kind)
{
	struct text name = { 0 }, scratch = { 0 };
	size_t count = 0, groups = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_first = true;

		if (list[i].kind != kind)
			continue;
		count++;
		name_of(&name, &list[i]);
		for (size_t k = 0; k < i && is_first; k++)
			is_first =
				list[k].kind != kind ||
				!is_named(&list[k], (struct bytes){ name.ptr, name.len }, &scratch);
		if (!is_first || groups++ >= SHOWN_MAX)
			continue;
		if (groups > 1)
			text_add_str(to, "; ");
		show_group(to, list, n, i, &name);
	}
	if (groups > SHOWN_MAX)
		text_printf(to, "; and %zu more", groups - SHOWN_MAX);
	text_done(&name);
	text_done(&scratch);
	return count;
}

/* --- for programs --- */

static void json_end(struct text *to, const char *key, const struct socket_end *e)
{
	struct text end = { 0 };

	add_end(&end, e);
	text_printf(to, ",\"%s\":", key);
	json_out_string(to, (struct bytes){ end.ptr, e->address[0] ? end.len : 0 });
	text_done(&end);
}

static void json_kind(struct text *to, const struct seen *list, size_t n, enum kind kind)
{
	static const char *const states[] = { "open", "listening", "connecting", "closing" };
	const char *comma = "";

	text_add_char(to, '[');
	for (size_t i = 0; i < n; i++) {
		const struct seen *s = &list[i];

		if (s->kind != kind)
			continue;
		text_printf(to, "%s{\"fd\":%d,\"direction\":\"%s\",\"state\":\"%s\"", comma,
			    s->socket->fd,
			    kind == KIND_LISTENS ? "listening" :
			    !s->is_directed      ? "unknown" :
			    s->is_served         ? "accepted" :
						   "connected",
			    states[s->socket->state]);
		json_end(to, "local", &s->socket->here);
		json_end(to, "peer", &s->socket->there);
		text_add_char(to, '}');
		comma = ",";
	}
	text_add_char(to, ']');
}

/* --- findings --- */

/* What has become of all that it has ever had. */
static void show_all(struct text *to, struct bytes words)
{
	static const struct {
		const char *counter, *what;
	} kinds[] = {
		{ "connections_http1", "HTTP/1" },
		{ "connections_http2", "HTTP/2" },
		{ "connections_tls", "inside TLS, read" },
		{ "connections_tls_unread", "TLS of a library that is not read" },
		{ "connections_blind", "given up" },
		{ "connections_otlp", "telemetry" },
		{ "connections_opaque", "not understood" },
	};
	bool is_any = false;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint64_t n = status_number(words, kinds[i].counter);

		if (i == ARRAY_LEN(kinds) - 1) /* those two are among them */
			n -= status_number(words, "connections_http2") +
			     status_number(words, "connections_tls_unread");
		if (n && n <= INT64_MAX)
			text_printf(to, "%s%llu %s",
				    is_any  ? ", " :
				    to->len ? "; of all so far: " :
					      "of all so far: ",
				    (unsigned long long)n, kinds[i].what);
		is_any |= n && n <= INT64_MAX;
	}
}

static void details(struct diagnosis *d, const struct seen *list, size_t n, enum kind kind)
{
	struct text json = { 0 };

	json_kind(&json, list, n, kind);
	diagnosis_details(d, (struct bytes){ json.ptr, json.len });
	text_done(&json);
}

static void tell_kind(struct diagnosis *d, struct seen *list, size_t n, enum kind kind,
		      struct bytes words)
{
	const struct kind_row *r = &rows[kind];
	uint64_t ever = r->counter ? status_number(words, r->counter) : 0;
	struct text text = { 0 };
	size_t count = show_kind(&text, list, n, kind);
	char what[200];

	if (count)
		snprintf(what, sizeof(what), "%zu connection%s: %s", count, count > 1 ? "s" : "",
			 r->what);
	else
		snprintf(what, sizeof(what), "connections that are gone: %s", r->what);
	if (count || ever) {
		diagnose(d, r->level, r->id, what);
		if (ever)
			text_printf(&text, "%s%s=%llu", count ? "; " : "", r->counter,
				    (unsigned long long)ever);
		diagnosis_seen(d, "%.*s", (int)text.len, text.ptr);
		diagnosis_remedy(d, "%s", r->remedy);
		details(d, list, n, kind);
	}
	text_done(&text);
}

void doctor_connections(struct diagnosis *d, const struct held_socket *list, size_t n,
			const struct fates *told, struct bytes words)
{
	static struct seen seen[SOCKETS_MAX];
	size_t count = judge_all(seen, list, n < SOCKETS_MAX ? n : SOCKETS_MAX, told);
	struct text text = { 0 };
	size_t shown = 0, listens = 0;

	for (size_t i = 0; i < count; i++) {
		if (seen[i].kind != KIND_LISTENS || listens++ >= SHOWN_MAX)
			continue;
		text_add_str(&text, shown++ ? ", " : "listens on ");
		add_end(&text, &seen[i].socket->here);
	}
	if (listens > SHOWN_MAX)
		text_printf(&text, ", and %zu more", listens - SHOWN_MAX);
	if (count > listens)
		text_printf(&text, "%sholds %zu connection%s", text.len ? "; " : "",
			    count - listens, count - listens > 1 ? "s" : "");
	show_all(&text, words);
	if (text.len) {
		diagnose(d, LEVEL_OK, "connections", "it has connections, or had some");
		diagnosis_seen(d, "%.*s", (int)text.len, text.ptr);
		details(d, seen, count, KIND_LISTENS);
	}
	text_done(&text);
	for (int kind = 0; kind < KIND_LISTENS; kind++)
		tell_kind(d, seen, count, (enum kind)kind, words);
}

/* "3:41,7:02,": the last one may be cut. */
static void read_fates(struct fates *ret, struct bytes at)
{
	while (at.len) {
		struct bytes one = bytes_split(&at, ',');
		struct bytes fd = bytes_split(&one, ':');
		uint64_t number = status_value(fd);
		char digits[3] = { 0 };

		if (one.len != 2 || !fd.len || number >= FATE_FDS)
			continue;
		memcpy(digits, one.ptr, 2);
		ret->of[number] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

void doctor_sockets(struct diagnosis *d, pid_t pid, const struct status_told *told)
{
	static struct held_socket list[SOCKETS_MAX];
	static struct fates all;
	struct bytes rest = { told ? told->text : NULL, told ? told->len : 0 };
	struct bytes kind, words, own = { 0 };

	all = (struct fates){ .is_told = false };
	while (status_line(&rest, &kind, &words)) {
		if (status_number(words, "pid") != (uint64_t)pid)
			continue;
		if (bytes_equal(kind, BYTES("process")))
			own = words;
		if (!bytes_equal(kind, BYTES("fates")))
			continue;
		all.is_told = true;
		read_fates(&all, status_find(words, BYTES("at")));
	}
	doctor_connections(d, list, sockets_of(pid, list, SOCKETS_MAX), &all, own);
}
