/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_APP_H
#define WRITE_APP_H
/*
 * An application that writes requests as the tape says: in calls of any size and shape, and when a
 * call took less than all, or nothing, it goes on with the same bytes from another place, with
 * more, with fewer, with others, or gives up.
 */
#include "write_model.h"

/* Is the receiver told of our span, where the request that is served came with RIG_VALUE? */
enum app_told {
	TOLD_NEVER,  /* somebody else's to tell */
	TOLD_WHOLE,  /* if the head is written at once */
	TOLD_ALWAYS, /* without headers of that kind */
};

struct app_text {
	const char *text;
	enum app_told told;
};

#define APP_FILL "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"

static const struct app_text app_texts[] = {
	{ "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", TOLD_ALWAYS },
	{ "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab\r\n\r\ncde", TOLD_ALWAYS },
	{ "PUT /c HTTP/1.1\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n5\r\n\r\n\r\na\r\n1;x=y\r\nb\r\n0\r\n"
	  "X-Trailer: t\r\n\r\n",
	  TOLD_ALWAYS },
	{ "GET /d HTTP/1.0\nHost: h\nConnection: keep-alive\n\n", TOLD_ALWAYS },
	{ "GET /e HTTP/1.1\r\nX-Fill: " APP_FILL APP_FILL APP_FILL "\r\nX-More: " APP_FILL
	  "\r\nHost: h\r\n\r\n",
	  TOLD_ALWAYS },
	{ "GET /f HTTP/1.1\r\ntraceparent: " RIG_VALUE "\r\nHost: h\r\n\r\n", TOLD_WHOLE },
	{ "GET /g HTTP/1.1\r\nHost: h\r\nTraceParent:" RIG_VALUE " \r\ntracestate: a=b\r\n\r\n",
	  TOLD_WHOLE },
	{ "GET /h HTTP/1.1\r\ntraceparent: 00-11111111111111111111111111111111-2222222222222222-01"
	  "\r\n\r\n",
	  TOLD_NEVER },
	{ "GET /i HTTP/1.1\r\nHost: h\r\ntraceparent: abc\r\nX-After: 1\r\n\r\n", TOLD_WHOLE },
	{ "GET /j HTTP/1.1\r\ntraceparent: " RIG_VALUE "\r\nHost: h\r\ntraceparent: " RIG_VALUE
	  "\r\ntracestate: a=b\r\n\r\n",
	  TOLD_WHOLE },
	{ "GET /k HTTP/1.1\r\ntracestate: a=b\r\nTRACESTATE: c=d\r\nHost: h\r\n\r\n", TOLD_WHOLE },
	{ "GET /l HTTP/1.1\r\ntraceparent: cc-" RIG_TRACE "-" RIG_PARENT "-01-what\r\n\r\n",
	  TOLD_WHOLE },
	{ "GET /m HTTP/1.1\r\ntraceparent: " RIG_VALUE "\r\ntracestate: A=b\r\nHost: h\r\n\r\n",
	  TOLD_WHOLE },
	{ "GET /n HTTP/1.1\r\nHost: h\r\ntraceparent:\r\n " RIG_VALUE "\r\n\r\n", TOLD_WHOLE },
	{ "GET /o HTTP/1.1\r\ntraceparent: " RIG_VALUE "\r\nAuthorization: AWS4-HMAC-SHA256 "
	  "Credential=a, SignedHeaders=host;traceparent, Signature=b\r\n\r\n",
	  TOLD_NEVER },
	{ "GET /p HTTP/1.1\r\nHost: h\r\nbaggage: a=b\r\n\r\n", TOLD_ALWAYS },
	{ "POST /v1/traces HTTP/1.1\r\nUser-Agent: otlp\r\nContent-Length: 0\r\n\r\n", TOLD_NEVER },
	{ "HEAD /q HTTP/1.1\r\ntraceparent: x\r\ntraceparent: " RIG_VALUE "\r\ntraceparent:\r\n"
	  "tracestate:\r\nTracestate: a=b\r\nX-After: 1\r\n\r\n",
	  TOLD_WHOLE },
};

struct app {
	char text[RIG_BYTES];
	size_t len;
	size_t at;         /* bytes taken so far */
	bool is_all_plain; /* all requests are TOLD_ALWAYS */
	bool is_steady;    /* see struct model */
};

static struct app app;

static inline void app_compose(void)
{
	unsigned n = 1 + tape_next(&rig.tape, 6);

	app = (struct app){ .is_all_plain = true, .is_steady = true };
	for (unsigned i = 0; i < n; i++) {
		const struct app_text *t = &app_texts[tape_next(&rig.tape, ARRAY_LEN(app_texts))];
		size_t len = strlen(t->text);

		memcpy(app.text + app.len, t->text, len);
		app.len += len;
		app.is_all_plain &= t->told == TOLD_ALWAYS;
	}
}

/* Is what comes next a line of a head? */
static inline bool app_is_in_head(void)
{
	size_t at = 0;

	while (at < app.at) {
		struct model_head h = { 0 };
		size_t left;

		for (bool is_start = true;; is_start = false) {
			const char *line = app.text + at;
			const char *eol = memchr(line, '\n', app.at - at);

			if (at == app.at)
				return !is_start;
			if (!eol)
				return false;
			model_fact(&h, line, (size_t)(eol + 1 - line));
			at += (size_t)(eol + 1 - line);
			if (!is_start && (*line == '\r' || *line == '\n'))
				break;
		}
		left = app.at - at;
		at += h.is_chunked    ? model_chunks(app.text + at, left) :
		      h.length < left ? (size_t)h.length :
					left;
	}
	return false;
}

/* The application changes its mind about what is not taken yet. */
static inline void app_change(void)
{
	static const char line[] = "X-Other: 1\r\n";
	size_t n = sizeof(line) - 1;

	app.is_steady = false;
	if (!app_is_in_head() || app.text[app.at] == ' ' || app.text[app.at] == '\t')
		return;
	memmove(app.text + app.at + n, app.text + app.at, app.len - app.at);
	memcpy(app.text + app.at, line, n);
	app.len += n;
}

/* False: it gives up. */
static inline bool app_step(void)
{
	size_t left = app.len - app.at, n;
	unsigned choice = tape_next(&rig.tape, 8);
	bool can_edit = tape_next(&rig.tape, 32) != 31;

	n = choice < 4 ? left : 1 + tape_size(&rig.tape, left);
	if (!can_edit)
		app.is_steady = false;
	for (;;) {
		ssize_t took = rig_write(app.text + app.at, n, can_edit);

		if (took > 0) {
			app.at += (size_t)took;
			return true;
		}
		switch (rig.is_broken ? 7 : tape_next(&rig.tape, 8)) {
		case 4:
			n = 1 + tape_size(&rig.tape, n);
			break;
		case 5:
			n = app.len - app.at;
			break;
		case 6:
			app_change();
			n = app.len - app.at;
			break;
		case 7:
			return false;
		default:
			break;
		}
	}
}

static inline void app_run(const uint8_t *tape, size_t len)
{
	struct span *server = NULL;
	struct model m;

	rig_begin(tape, len);
	rig.is_blocking = tape_next(&rig.tape, 2);
	if (tape_next(&rig.tape, 2))
		server = rig_serve();
	app_compose();
	while (app.at < app.len && app_step())
		;
	m = model_check(app.is_steady);
	if (app.is_all_plain && app.is_steady && m.plain_told != m.plain)
		rig_die("a head without our line");
	rig_end();
	span_discard(server);
}

#endif
