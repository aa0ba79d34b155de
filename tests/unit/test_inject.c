/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request head is told, to the byte: our lines in the formats that are set and in their
 * order, and what becomes of those that the application has written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lines.h"
#include "origin.h"
#include "write_rig.h"

#define START "GET / HTTP/1.1\r\nHost: h\r\n"
#define FOREIGN "11111111111111111111111111111111-2222222222222222"

static struct span *server;

/* setting: of OTEL_PROPAGATORS, or another variable with its name; NULL: none. */
static void begin(const char *setting)
{
	char text[128], *env[] = { text, NULL };

	snprintf(text, sizeof(text), "%s%s",
		 setting && !strchr(setting, '=') ? "OTEL_PROPAGATORS=" : "",
		 setting ? setting : "");
	config_parse(&config, env);
	stats_reset();
	rig_begin(NULL, 0);
	server = NULL;
}

static void end(void)
{
	rig_end();
	span_discard(server);
}

/* The request that is served: its caller sent RIG_VALUE, and these lists; empty: none. */
static void serve(const char *state, const char *baggage)
{
	struct span_context caller = { .flags = 1,
				       .is_remote = true,
				       .tracestate = bytes_from_str(state) };

	assert_true(hex_decode(caller.trace.bytes, RIG_TRACE, 16));
	assert_true(hex_decode(caller.span.bytes, RIG_PARENT, 8));
	server = span_start(SPAN_SERVER, &caller);
	assert_non_null(server);
	if (*baggage)
		span_keep_baggage(server, bytes_from_str(baggage));
	context_request_read(span_ref(server), true);
}

static void write_text(const char *text)
{
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };

	assert_int_equal(rig_call(&iov, 1, true), iov.iov_len);
}

/* Of the request that is under way, for each SPAN in what is wanted. */
#define SPAN "################"

static void assert_wire(const char *wanted)
{
	static char text[RIG_BYTES];
	char *at = text;

	assert_in_range(strlen(wanted), 1, sizeof(text) - 1);
	strcpy(text, wanted);
	while ((at = strstr(at, SPAN))) {
		const struct span *s = rig_under_way();

		assert_memory_equal(s->trace.bytes, server->trace.bytes, 16);
		assert_memory_equal(s->parent.bytes, server->id.bytes, 8);
		hex_encode(at, s->id.bytes, sizeof(s->id.bytes));
	}
	if (rig.wire_len != strlen(text) || memcmp(rig.wire, text, rig.wire_len) != 0)
		fail_msg("wanted:\n%s\ngot:\n%.*s", text, (int)rig.wire_len, rig.wire);
}

static void assert_counts(unsigned injected, unsigned rewritten, unsigned discarded)
{
	assert_int_equal(stats_read(STAT_INJECTED), injected);
	assert_int_equal(stats_read(STAT_REWRITTEN), rewritten);
	assert_int_equal(stats_read(STAT_DISCARDED), discarded);
}

/* --- formats --- */

#define W3C "traceparent: 00-" RIG_TRACE "-" SPAN "-01\r\n"
#define B3 "b3: " RIG_TRACE "-" SPAN "-1\r\n"
#define B3MULTI                                                    \
	"X-B3-TraceId: " RIG_TRACE "\r\nX-B3-SpanId: " SPAN "\r\n" \
	"X-B3-Sampled: 1\r\n"
#define JAEGER "uber-trace-id: " RIG_TRACE ":" SPAN ":0:1\r\n"
#define XRAY \
	"X-Amzn-Trace-Id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN ";Sampled=1\r\n"
#define OTTRACE                                                                 \
	"ot-tracer-traceid: 8448eb211c80319c\r\not-tracer-spanid: " SPAN "\r\n" \
	"ot-tracer-sampled: true\r\n"

/* C50, C51, C74-C94: each as it is defined, in the order of the setting, and each once. */
static void test_inject_formats_in_their_order(void **state)
{
	static const char *const rows[][2] = {
		{ "tracecontext", W3C },
		{ "b3", B3 },
		{ "b3multi", B3MULTI },
		{ "jaeger", JAEGER },
		{ "xray", XRAY },
		{ "ottrace", OTTRACE },
		{ "b3,tracecontext", B3 W3C },
		{ "tracecontext,b3", W3C B3 },
		{ "xray,b3multi,jaeger,b3,ottrace", XRAY B3MULTI JAEGER B3 OTTRACE },
		{ "jaeger,tracecontext,jaeger", JAEGER W3C },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char wanted[1024];

		begin(rows[i][0]);
		serve("", "");
		write_text(START "\r\n");
		snprintf(wanted, sizeof(wanted), START "%s\r\n", rows[i][1]);
		assert_wire(wanted);
		assert_counts(1, 0, 0);
		end();
	}
}

/*
 * No format has anything to tell: the head goes as it is, and is not counted as one that is told.
 */
static void test_inject_nothing_to_tell(void **state)
{
	static const char *const settings[] = { "none", "baggage" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		begin(settings[i]);
		serve("a=b", "");
		write_text(START "\r\n");
		assert_wire(START "\r\n");
		assert_counts(0, 0, 0);
		end();
	}
}

/* C78: what one caller wants to be looked at closely, whoever is called hears of. */
static void test_inject_tells_of_debug(void **state)
{
	(void)state;
	begin("b3,jaeger,b3multi");
	serve("", "");
	span_set_debug(server);
	write_text(START "\r\n");
	assert_wire(START "b3: " RIG_TRACE "-" SPAN "-d\r\n"
			  "uber-trace-id: " RIG_TRACE ":" SPAN ":0:3\r\n"
			  "X-B3-TraceId: " RIG_TRACE "\r\nX-B3-SpanId: " SPAN "\r\n"
			  "X-B3-Flags: 1\r\n\r\n");
	end();
}

/* --- lists --- */

/* C58, C61, C68: the lists of the request that is served, as they came, each in its place. */
static void test_inject_lists_in_their_order(void **state)
{
	static const char *const rows[][2] = {
		{ "tracecontext,baggage", W3C "tracestate: a=b,c=d\r\nbaggage: k=1;p=q,l=%20\r\n" },
		{ "baggage,tracecontext",
		  "baggage: k=1;p=q,l=%20\r\n" W3C "tracestate: a=b,c=d\r\n" },
		{ "tracecontext", W3C "tracestate: a=b,c=d\r\n" },
		{ "baggage", "baggage: k=1;p=q,l=%20\r\n" },
		{ "b3", B3 }, /* which has neither (C94) */
		/* C87, C92: a header for each, without what is behind its value. */
		{ "jaeger", JAEGER "uberctx-k: 1\r\nuberctx-l: %20\r\n" },
		{ "ottrace,baggage",
		  OTTRACE "ot-baggage-k: 1\r\not-baggage-l: %20\r\nbaggage: k=1;p=q,l=%20\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char wanted[1024];

		begin(rows[i][0]);
		serve("a=b,c=d", "k=1;p=q,l=%20");
		write_text(START "\r\n");
		strcpy(wanted, START);
		strcat(strcat(wanted, rows[i][1]), "\r\n");
		assert_wire(wanted);
		end();
	}
}

/* What the application has by itself is not told twice; what it has signed is left as it is. */
static void test_inject_lists_that_are_the_applications(void **state)
{
	static const struct {
		const char *setting, *line, *ours;
	} rows[] = {
		{ "tracecontext,baggage", "Baggage: x=9\r\n", W3C "tracestate: a=b\r\n" },
		{ "tracecontext,baggage", "Signature-Input: s=(\"baggage\")\r\n",
		  W3C "tracestate: a=b\r\n" },
		{ "tracecontext,baggage", "Signature-Input: s=(\"tracestate\")\r\n",
		  W3C "baggage: k=1\r\n" },
		{ "jaeger", "UberCtx-X: 9\r\n", JAEGER },
		{ "jaeger", "ot-baggage-x: 9\r\n", JAEGER "uberctx-k: 1\r\n" },
		{ "jaeger,ottrace", "ot-baggage-x: 9\r\n", JAEGER "uberctx-k: 1\r\n" OTTRACE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256], wanted[1024];

		begin(rows[i].setting);
		serve("a=b", "k=1");
		snprintf(text, sizeof(text), START "%s\r\n", rows[i].line);
		write_text(text);
		snprintf(wanted, sizeof(wanted), START "%s%s\r\n", rows[i].line, rows[i].ours);
		assert_wire(wanted);
		assert_counts(1, 0, 0);
		end();
	}
}

/* HEAD_ITEMS_BYTES: an item that does not fit is left out whole, and counted; the next one may. */
static void test_inject_items_that_do_not_fit(void **state)
{
	static char list[BAGGAGE_BYTES], wanted[BAGGAGE_BYTES];

	(void)state;
	/* 11, 4000 and 2 bytes of 4096 leave 83: 84 are one too many, 83 are not. */
	snprintf(list, sizeof(list), "a=%04000d,b=%071d,c=%070d,d=4", 0, 0, 0);
	snprintf(wanted, sizeof(wanted),
		 START JAEGER "uberctx-a: %04000d\r\nuberctx-c: %070d\r\n"
			      "\r\n",
		 0, 0);
	begin("jaeger");
	serve("", list);
	write_text(START "\r\n");
	assert_wire(wanted);
	assert_int_equal(stats_read(STAT_LIST_LOST), 2);
	end();
}

/* --- what the application has written in other formats --- */

/* Its names become ones that nobody reads, of the same length, and lines of ours are added. */
static void test_inject_other_formats_are_replaced(void **state)
{
	static const struct {
		const char *setting, *lines, *wanted;
		unsigned discarded;
	} rows[] = {
		{ "b3", "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\n",
		  "x-: " RIG_TRACE "-" RIG_PARENT "-1\r\n" B3, 1 },
		{ "b3", "B3:" RIG_TRACE "-" RIG_PARENT "\r\nX-After: 1\r\n",
		  "x-:" RIG_TRACE "-" RIG_PARENT "\r\nX-After: 1\r\n" B3, 1 },
		/* C74: read in both forms, whichever is written. */
		{ "b3",
		  "x-b3-traceid: " RIG_TRACE "\r\nX-B3-SpanId: " RIG_PARENT
		  "\r\nX-B3-ParentSpanId: 1111111111111111\r\nX-B3-Sampled: 1\r\n",
		  "x-discarded-: " RIG_TRACE "\r\nx-discarded: " RIG_PARENT
		  "\r\nx-discarded-trace: 1111111111111111\r\nx-discarded-: 1\r\n" B3,
		  4 },
		{ "jaeger", "uber-trace-id: " RIG_TRACE ":" RIG_PARENT ":0:1\r\n",
		  "x-discarded-t: " RIG_TRACE ":" RIG_PARENT ":0:1\r\n" JAEGER, 1 },
		{ "xray",
		  "X-Amzn-Trace-Id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" RIG_PARENT
		  "\r\n",
		  "x-discarded-tra: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" RIG_PARENT
		  "\r\n" XRAY,
		  1 },
		/* Nobody's: not valid. */
		{ "b3", "b3: nonsense\r\nb3: more\r\n", "x-: nonsense\r\nx-: more\r\n" B3, 2 },
		/* Of a format that is not set: somebody else's. */
		{ "b3", "uber-trace-id: x\r\nb3: y\r\n", "uber-trace-id: x\r\nx-: y\r\n" B3, 1 },
		{ "jaeger", "traceparent: " RIG_VALUE "\r\n",
		  "traceparent: " RIG_VALUE "\r\n" JAEGER, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512], wanted[1024];

		begin(rows[i].setting);
		serve("", "");
		snprintf(text, sizeof(text), START "%s\r\n", rows[i].lines);
		write_text(text);
		snprintf(wanted, sizeof(wanted), START "%s\r\n", rows[i].wanted);
		assert_wire(wanted);
		assert_counts(1, 0, rows[i].discarded);
		end();
	}
}

/* A copy of both headers that came in: the value of one is ours, the other one is written anew. */
static void test_inject_rewrites_one_and_replaces_the_other(void **state)
{
	(void)state;
	begin("tracecontext,b3");
	serve("", "");
	write_text(START "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\ntraceparent: " RIG_VALUE
			 "\r\n\r\n");
	assert_wire(START "x-: " RIG_TRACE "-" RIG_PARENT "-1\r\n" W3C B3 "\r\n");
	assert_counts(0, 1, 1);
	end();
}

/* The same without the other one: whoever reads that alone is told, too. */
static void test_inject_rewrites_one_and_adds_the_other(void **state)
{
	(void)state;
	begin("b3,tracecontext");
	serve("", "");
	write_text(START "traceparent: " RIG_VALUE "\r\n\r\n");
	assert_wire(START W3C B3 "\r\n");
	assert_counts(0, 1, 0);
	end();
}

/* Nothing of a head is changed, not a byte; why is counted. */
static void is_left_alone(const char *setting, const char *lines, enum stat_id why)
{
	char text[512];

	begin(setting);
	serve("", "");
	snprintf(text, sizeof(text), START "%s\r\n", lines);
	write_text(text);
	assert_wire(text);
	assert_counts(0, 0, 0);
	for (enum stat_id i = STAT_INJECT_LATE; i <= STAT_INJECT_OUTSIDE; i++)
		assert_int_equal(stats_read(i), i == why);
	end();
}

static void test_inject_leaves_other_formats_alone(void **state)
{
	(void)state;
	/* Somebody here traces on their own. */
	is_left_alone("b3", "b3: " FOREIGN "-1\r\n", STATS);
	/* A signature covers one of them. */
	is_left_alone("b3",
		      "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\n"
		      "Signature-Input: s=(\"b3\")\r\n",
		      STAT_INJECT_SIGNED);
	is_left_alone("b3,tracecontext",
		      "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\n"
		      "Signature-Input: s=(\"traceparent\")\r\n",
		      STAT_INJECT_SIGNED);
	/* More than we keep places for. */
	is_left_alone("b3",
		      "b3: 1\r\nb3: 2\r\nb3: 3\r\nb3: 4\r\nb3: 5\r\nb3: 6\r\nb3: 7\r\nb3: 8\r\n",
		      STAT_INJECT_REFUSED);
}

/* C29, and who signs: a header must not come, or go, that the application has vouched for. */
static void test_inject_leaves_alone_what_is_signed(void **state)
{
	(void)state;
	is_left_alone(NULL, "Signature-Input: s=(\"traceparent\")\r\n", STAT_INJECT_SIGNED);
	is_left_alone(NULL, "tracestate: a=b\r\nSignature-Input: s=(\"tracestate\")\r\n",
		      STAT_INJECT_SIGNED);
}

/* Seven are just as many as there are places, beside an insertion. */
static void test_inject_replaces_as_many_as_there_are_places(void **state)
{
	(void)state;
	begin("b3");
	serve("", "");
	write_text(START "b3: 1\r\nb3: 2\r\nb3: 3\r\nb3: 4\r\nb3: 5\r\nb3: 6\r\nb3: 7\r\n\r\n");
	assert_wire(START "x-: 1\r\nx-: 2\r\nx-: 3\r\nx-: 4\r\nx-: 5\r\nx-: 6\r\nx-: 7\r\n" B3
			  "\r\n");
	assert_counts(1, 0, 7);
	end();
}

/* A header that has left already cannot be replaced, and there must not be two. */
static void test_inject_header_that_has_left(void **state)
{
	static const char text[] = START "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\n\r\n";

	(void)state;
	begin("b3");
	serve("", "");
	write_text(START "b3: " RIG_TRACE "-" RIG_PARENT "-1\r\n");
	write_text("\r\n");
	assert_wire(text);
	assert_int_equal(stats_read(STAT_INJECT_LATE), 1);
	assert_counts(0, 0, 0);
	end();
}

/* Wherever a head is cut into pieces of memory: names are found across them. */
static void test_inject_finds_names_in_pieces(void **state)
{
	static const char text[] = START "X-B3-TraceId: " RIG_TRACE "\r\nX-B3-SpanId: " RIG_PARENT
					 "\r\nX-After: b3: 1\r\n\r\n";

	(void)state;
	for (size_t size = 1; size < sizeof(text); size++) {
		struct iovec iov[sizeof(text)];
		size_t n = 0;

		begin("b3");
		serve("", "");
		for (size_t at = 0; at < sizeof(text) - 1; at += size) {
			size_t left = sizeof(text) - 1 - at;

			iov[n++] = (struct iovec){ (char *)(uintptr_t)text + at,
						   left < size ? left : size };
		}
		assert_int_equal(rig_call(iov, n, true), sizeof(text) - 1);
		assert_wire(START "x-discarded-: " RIG_TRACE "\r\nx-discarded: " RIG_PARENT
				  "\r\nX-After: b3: 1\r\n" B3 "\r\n");
		end();
	}
}

/* --- where lines are looked for --- */

/* Only in what the call has brought, and only from the beginning of a line on. */
static void test_lines_are_found_where_they_are(void **state)
{
	static char text[] = "traceparent: a\r\ntracestate:\t b\r\ntrace: c\r\n";
	struct iovec iov[] = { { text, 20 }, { NULL, 0 }, { text + 20, sizeof(text) - 1 - 20 } };
	struct arrival a = { iov, 3, sizeof(text) - 1, 1000 };
	struct lines found;

	(void)state;
	begin(NULL);
	lines_find(&a, 1000, 1000 + a.len, true, &found);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.traceparents, 1);
	assert_int_equal(found.tracestates, 1);
	assert_int_equal(found.list[0].at, 1000);
	assert_int_equal(found.list[0].value, 1013);
	assert_int_equal(found.list[1].at, 1016);
	assert_int_equal(found.list[1].value, 1029);
	assert_true(found.list[1].is_tracestate);
	/* Behind the beginning of the first one. */
	lines_find(&a, 1000, 1000 + a.len, false, &found);
	assert_int_equal(found.count, 1);
	assert_true(found.list[0].is_tracestate);
	/* Up to the second one. */
	lines_find(&a, 1000, 1016, true, &found);
	assert_int_equal(found.count, 1);
	assert_false(found.list[0].is_tracestate);
	/* From before what is there on: where its lines begin is not known. */
	lines_find(&a, 999, 1000 + a.len, true, &found);
	assert_int_equal(found.count, 0);
	/* The call has not all of it. */
	a.len = 10;
	lines_find(&a, 1000, 1040, true, &found);
	assert_int_equal(found.count, 0);
	end();
}

/* --- without spans --- */

/* C23, C57: a program that is told to trace nothing passes on who has started it. */
static void test_inject_passes_on_who_started_a_silent_program(void **state)
{
	static const char *const env[] = { "TRACEPARENT=" RIG_VALUE, "TRACESTATE=a=b", NULL };

	(void)state;
	origin_init((char *const *)(uintptr_t)env);
	begin("OTEL_SDK_DISABLED=true");
	write_text(START "\r\n");
	assert_wire(START "traceparent: " RIG_VALUE "\r\ntracestate: a=b\r\n\r\n");
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 0);
	end();
	/* And what the application copies it leaves as it came. */
	begin("OTEL_SDK_DISABLED=true");
	write_text(START "tracestate: c=d\r\n\r\n");
	assert_wire(START "tracestate: c=d\r\n\r\n");
	end();
	origin_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inject_formats_in_their_order),
		cmocka_unit_test(test_inject_nothing_to_tell),
		cmocka_unit_test(test_inject_tells_of_debug),
		cmocka_unit_test(test_inject_lists_in_their_order),
		cmocka_unit_test(test_inject_lists_that_are_the_applications),
		cmocka_unit_test(test_inject_items_that_do_not_fit),
		cmocka_unit_test(test_inject_other_formats_are_replaced),
		cmocka_unit_test(test_inject_rewrites_one_and_replaces_the_other),
		cmocka_unit_test(test_inject_rewrites_one_and_adds_the_other),
		cmocka_unit_test(test_inject_leaves_other_formats_alone),
		cmocka_unit_test(test_inject_leaves_alone_what_is_signed),
		cmocka_unit_test(test_inject_replaces_as_many_as_there_are_places),
		cmocka_unit_test(test_inject_header_that_has_left),
		cmocka_unit_test(test_inject_finds_names_in_pieces),
		cmocka_unit_test(test_lines_are_found_where_they_are),
		cmocka_unit_test(test_inject_passes_on_who_started_a_silent_program),
	};

	rig_begin(NULL, 0);
	rig_end();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
