/* SPDX-License-Identifier: Apache-2.0 */
#include "status_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "compiler.h"
#include "tls_library.h"

#define PROGRAM_MAX 64
#define COUNTERS_MAX 256
#define REST 100u /* columns, at most, of what a receiver said */

/* Sums over the processes that are asked for. */
struct sums {
	struct sum {
		struct bytes key;
		uint64_t value;
		bool is_shown;
	} of[COUNTERS_MAX];
	size_t n;
	unsigned processes; /* that live */
};

static const struct kind_text {
	const char *word;
	const char *text;
} kinds[] = {
	[STATUS_TOLD] = { "told", "" },
	[STATUS_NO_PROCESS] = { "no process", "there is no such process" },
	[STATUS_FORBIDDEN] = { "forbidden", "it is somebody else's, and cannot be looked at" },
	[STATUS_NOT_LOADED] = { "not loaded", "libinterspan.so is not loaded" },
	[STATUS_NO_EXPORTER] = { "no exporter",
				 "libinterspan.so is loaded, but no span was finished yet, or only "
				 "by a thread that has a signal blocked: "
				 "there is no exporter, and no counters can be read" },
	[STATUS_FILTERED] = { "filtered", "libinterspan.so is loaded; under a seccomp filter, "
					  "as in Docker, no counters are shown: "
					  "OTEL_INTERSPAN_LOG and OTEL_METRICS_EXPORTER "
					  "tell them" },
	[STATUS_NO_MEMORY] = { "no memory", "out of memory" },
};

/* --- numbers --- */

static void sum_words(struct sums *s, struct bytes words)
{
	struct bytes key, value;

	while (status_word(&words, &key, &value)) {
		size_t i = 0;

		if (bytes_equal(key, BYTES("pid")))
			continue;
		while (i < s->n && !bytes_equal(s->of[i].key, key))
			i++;
		if (i == COUNTERS_MAX)
			continue;
		if (i == s->n)
			s->of[s->n++] = (struct sum){ .key = key };
		s->of[i].value += status_value(value);
	}
}

/* Of pid, or of all; false: there is no such process in it. */
static bool sum_processes(struct sums *s, const struct status_told *told, pid_t pid)
{
	struct bytes rest = { told->text, told->len };
	struct bytes kind, words;

	*s = (struct sums){ .n = 0 };
	while (status_line(&rest, &kind, &words)) {
		uint64_t it = status_number(words, "pid");

		if (!bytes_equal(kind, BYTES("process")) || (pid && it != (uint64_t)pid))
			continue;
		s->processes += it != 0;
		sum_words(s, words);
	}
	return s->processes > 0;
}

static uint64_t take(struct sums *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (bytes_equal(s->of[i].key, bytes_from_str(key))) {
			s->of[i].is_shown = true;
			return s->of[i].value;
		}
	return 0;
}

static struct bytes find_line(const struct status_told *told, const char *wanted)
{
	struct bytes rest = { told->text, told->len };
	struct bytes kind, words;

	while (status_line(&rest, &kind, &words))
		if (bytes_equal(kind, bytes_from_str(wanted)))
			return words;
	return BYTES("");
}

static uint64_t ago_ns(uint64_t unix_ns)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_REALTIME, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	return now > unix_ns ? now - unix_ns : 0;
}

/* --- for people --- */

static void line_begin(struct text *to, const char *what)
{
	text_printf(to, "  %-13s", what);
}

static void add_count(struct text *to, uint64_t n, const char *what)
{
	text_printf(to, "%llu %s", (unsigned long long)n, what);
}

static void show_exporter(struct text *to, const struct style *style,
			  const struct status_told *told)
{
	struct bytes words = find_line(told, "exporter");
	struct bytes result = find_line(told, "result");
	char ago[16];

	line_begin(to, "delivers to");
	term_add(to, style, status_find(words, BYTES("endpoint")), REST);
	text_add_str(to, " (");
	term_add(to, style, status_find(words, BYTES("kind")), REST);
	text_add_str(to, ")\n");
	if (result.len) {
		term_duration(ago, sizeof(ago), ago_ns(status_number(result, "unix_ns")));
		line_begin(to, "last request");
		text_printf(to, "%s ago, %s", ago,
			    status_number(result, "failed") ? "failed: " : "accepted ");
		if (status_number(result, "code"))
			text_printf(to, "HTTP %llu ",
				    (unsigned long long)status_number(result, "code"));
		term_add(to, style, status_find(result, BYTES("text")), REST);
		text_add_char(to, '\n');
	}
	line_begin(to, "waiting");
	text_printf(to, "%llu of at most ", (unsigned long long)status_number(words, "waiting"));
	add_count(to, status_number(words, "queue_limit"), "spans\n");
	if (!told->is_old)
		return;
	term_duration(ago, sizeof(ago), ago_ns(status_number(words, "unix_ns")));
	line_begin(to, "as of");
	text_printf(to, "%s ago: it does not answer\n", ago);
}

static void show_dropped(struct text *to, struct sums *s)
{
	static const struct {
		const char *key;
		const char *what;
	} reasons[] = {
		{ "spans_dropped_queue_full", "as the queue was full" },
		{ "spans_dropped_no_slot", "for want of memory" },
		{ "spans_dropped_export_failed", "as the export failed" },
		{ "spans_dropped_shutdown", "at the end of a process" },
		{ "spans_dropped_damaged", "damaged" },
	};
	uint64_t dropped = 0;

	line_begin(to, "dropped");
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		uint64_t n = take(s, reasons[i].key);

		if (!n)
			continue;
		text_add_str(to, dropped ? ", " : "");
		add_count(to, n, reasons[i].what);
		dropped += n;
	}
	text_add_str(to, dropped ? "\n" : "none\n");
}

static void show_spans(struct text *to, struct sums *s)
{
	line_begin(to, "spans");
	add_count(to, take(s, "spans_started"), "started, ");
	add_count(to, take(s, "spans_unsampled"), "sampled out, ");
	add_count(to, take(s, "spans_ended"), "ended, ");
	add_count(to, take(s, "spans_exported"), "exported\n");
	show_dropped(to, s);
	line_begin(to, "requests");
	add_count(to, take(s, "exports"), "accepted, ");
	add_count(to, take(s, "export_retries"), "retries, ");
	add_count(to, take(s, "export_bytes"), "bytes\n");
}

static void show_connections(struct text *to, struct sums *s)
{
	static const struct {
		const char *key;
		const char *one;
		const char *many;
	} kinds_of[] = {
		{ "connections_http1", "connection is HTTP/1", "connections are HTTP/1" },
		{ "connections_http2", "connection is HTTP/2, not traced yet",
		  "connections are HTTP/2, not traced yet" },
		{ "connections_tls", "connection is TLS, seen through",
		  "connections are TLS, seen through" },
		{ "connections_tls_unread",
		  "connection is TLS of a library that is not known, "
		  "not traced",
		  "connections are TLS of a library that is not known, not traced" },
		{ "connections_opaque", "connection in all is passed through unseen",
		  "connections in all are passed through unseen" },
	};
	bool is_first = true;

	for (size_t i = 0; i < ARRAY_LEN(kinds_of); i++) {
		uint64_t n = take(s, kinds_of[i].key);

		if (!n)
			continue;
		line_begin(to, is_first ? "connections" : "");
		add_count(to, n, n == 1 ? kinds_of[i].one : kinds_of[i].many);
		text_add_char(to, '\n');
		is_first = false;
	}
}

/* Of one process, asked for once: what is mapped hardly changes, and programs are large. */
static size_t tls_of(pid_t pid, const struct tls_library **ret)
{
	static struct tls_library list[TLS_LIBRARIES_MAX];
	static pid_t of;
	static size_t n;

	if (of != pid)
		n = tls_libraries_of(pid, list, TLS_LIBRARIES_MAX);
	of = pid;
	*ret = list;
	return n;
}

static void show_tls(struct text *to, const struct style *style, pid_t pid)
{
	const struct tls_library *list;
	size_t n = tls_of(pid, &list);

	for (size_t i = 0; i < n; i++) {
		line_begin(to, i ? "" : "TLS");
		text_add_str(to, list[i].name);
		text_add_str(to, list[i].version[0] ? " " : "");
		term_add(to, style, bytes_from_str(list[i].version), TLS_VERSION_MAX);
		text_add_str(to, list[i].is_linked_in ? ", linked into " : ", ");
		term_add(to, style, bytes_from_str(list[i].path), REST);
		text_add_str(to, list[i].is_read ? "\n" : ": cannot be read, and is not traced\n");
	}
}

static void show_rest(struct text *to, const struct style *style, const struct sums *s)
{
	bool is_first = true;

	for (size_t i = 0; i < s->n; i++) {
		if (s->of[i].is_shown || !s->of[i].value)
			continue;
		line_begin(to, is_first ? "counters" : "");
		term_add(to, style, s->of[i].key, REST);
		text_printf(to, " %llu\n", (unsigned long long)s->of[i].value);
		is_first = false;
	}
}

bool status_show(struct text *to, const struct style *style, const struct status_told *told,
		 pid_t pid)
{
	static struct sums sums;
	char program[PROGRAM_MAX];
	pid_t about = pid ? pid : told->pid;

	if (!sum_processes(&sums, told, pid))
		return false;
	status_program(about, program, sizeof(program));
	term_color(to, style, COLOR_BOLD);
	term_add(to, style, bytes_from_str(program), PROGRAM_MAX);
	term_color(to, style, COLOR_PLAIN);
	text_printf(to, ", pid %d", (int)about);
	if (!pid && sums.processes > 1)
		text_printf(to, ", and %u that it delivers for", sums.processes - 1);
	if (pid && pid != told->pid)
		text_printf(to, "; its spans are delivered by pid %d", (int)told->pid);
	text_add_char(to, '\n');
	show_exporter(to, style, told);
	show_spans(to, &sums);
	show_connections(to, &sums);
	show_tls(to, style, about);
	show_rest(to, style, &sums);
	return true;
}

void status_show_none(struct text *to, const struct style *style, pid_t pid, enum status_kind kind)
{
	char program[PROGRAM_MAX];

	status_program(pid, program, sizeof(program));
	text_printf(to, "%s, pid %d: %s\n", program, (int)pid, kinds[kind].text);
	show_tls(to, style, pid);
}

/* --- for programs --- */

/* A number as it is, everything else in quotes; only what can stand there does. */
static void json_value(struct text *to, struct bytes value)
{
	bool is_number = value.len > 0 && value.len < 20;

	for (size_t i = 0; i < value.len; i++)
		is_number &= value.ptr[i] >= '0' && value.ptr[i] <= '9';
	if (is_number) {
		text_add(to, value);
		return;
	}
	text_add_char(to, '"');
	while (value.len) {
		uint32_t code = utf8_take(&value);

		if (code == '"' || code == '\\')
			text_add_char(to, '\\');
		text_add_code(to, utf8_is_unsafe(code) ? UTF8_INVALID : code);
	}
	text_add_char(to, '"');
}

static void json_words(struct text *to, struct bytes words)
{
	struct bytes key, value;
	const char *comma = "";

	text_add_char(to, '{');
	while (status_word(&words, &key, &value)) {
		text_add_str(to, comma);
		json_value(to, key);
		text_add_char(to, ':');
		json_value(to, value);
		comma = ",";
	}
	text_add_char(to, '}');
}

static void json_tls(struct text *to, pid_t pid)
{
	const struct tls_library *list;
	size_t n = tls_of(pid, &list);

	for (size_t i = 0; i < n; i++) {
		text_printf(to, "%s{\"library\":\"%s\",\"version\":\"", i ? "," : "", list[i].name);
		text_add_str(to, list[i].version);
		text_add_str(to, "\",\"path\":");
		json_value(to, bytes_from_str(list[i].path));
		text_printf(to, ",\"linked_in\":%s,\"read\":%s}",
			    list[i].is_linked_in ? "true" : "false",
			    list[i].is_read ? "true" : "false");
	}
}

bool status_show_json(struct text *to, const struct status_told *told, pid_t pid)
{
	struct bytes rest = { told->text, told->len };
	struct bytes kind, words;
	static struct sums sums;
	const char *comma = "";

	if (!sum_processes(&sums, told, pid))
		return false;
	text_printf(to, "{\"pid\":%d,\"answered\":%s,\"exporter\":", (int)told->pid,
		    told->is_old ? "false" : "true");
	json_words(to, find_line(told, "exporter"));
	text_add_str(to, ",\"result\":");
	json_words(to, find_line(told, "result"));
	text_add_str(to, ",\"processes\":[");
	while (status_line(&rest, &kind, &words)) {
		if (!bytes_equal(kind, BYTES("process")) ||
		    (pid && status_number(words, "pid") != (uint64_t)pid))
			continue;
		text_add_str(to, comma);
		json_words(to, words);
		comma = ",";
	}
	text_add_str(to, "],\"tls\":[");
	json_tls(to, pid ? pid : told->pid);
	text_add_str(to, "]}\n");
	return true;
}

void status_show_none_json(struct text *to, pid_t pid, enum status_kind kind)
{
	text_printf(to, "{\"pid\":%d,\"error\":\"%s\"}\n", (int)pid, kinds[kind].word);
}
