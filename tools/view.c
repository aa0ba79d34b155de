/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interspan view: receives traces and prints each one when it is finished.
 *
 * Two threads.  The receiver's decodes requests and puts them into the store; this one waits for
 * signals and for traces that are due, renders them under the lock and writes them without it.  So
 * a screen that stands still costs memory, which is bounded, and never an exporter's time.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "otlp_file.h"
#include "output.h"
#include "receiver.h"
#include "view_sink.h"

/* After a signal a reader that takes nothing is given this long; a second signal cuts it short. */
#define STANDSTILL_MS 5000

/* What is kept in memory, printed or not. */
#define STORE_BYTES ((size_t)256 << 20)

/* Finished traces are rendered together up to about this much, to be written at once. */
#define RENDER_BYTES ((size_t)256 << 10)
#define RENDER_TRACES 256u /* nobody delivers meanwhile */

/* Refused requests are told of so many times, then only counted: exporters try for ever. */
#define COMPLAINTS_MAX 10u

/* --compare found a difference. */
#define EXIT_DIFFERS 3

struct viewer {
	struct view_options options;
	struct receiver receiver;
	int signals; /* signalfd */
	int news;    /* eventfd: raised by the receiver's thread */
	struct view_sink sink;
	struct text out;
	bool is_over;   /* by --once */
	bool is_ending; /* a signal said so */
	bool is_broken; /* the output takes nothing any more */

	pthread_mutex_t lock; /* guards what follows; nothing blocking is done with it held */
	struct trace_store store;
	uint64_t refused;
	uint64_t rejected; /* spans */
	bool is_unread;    /* the file could not be read to its end */
};

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

static void on_accepted(void *data, const struct otlp_batch *b)
{
	struct viewer *v = data;
	uint64_t one = 1;

	pthread_mutex_lock(&v->lock);
	trace_store_add(&v->store, b, now_ms());
	v->rejected += b->rejected;
	pthread_mutex_unlock(&v->lock);
	if (write(v->news, &one, sizeof(one)) < 0)
		return; /* full: then it is readable anyway */
}

static void on_refused(void *data, unsigned status, const char *why)
{
	struct viewer *v = data;
	uint64_t n;

	pthread_mutex_lock(&v->lock);
	n = ++v->refused;
	pthread_mutex_unlock(&v->lock);
	if (n <= COMPLAINTS_MAX)
		command_error("view", "refused a request (%u): %s", status, why);
	if (n == COMPLAINTS_MAX)
		command_error("view", "further ones are only counted");
}

/* Binds the port asked for; another free one only if none was asked for. */
static int open_receiver(struct viewer *v)
{
	const struct view_options *o = &v->options;
	int r = receiver_open(&v->receiver, o->port);

	if (r == 0 || o->is_port_given || r == -EAFNOSUPPORT)
		return r;
	fprintf(stderr, "port %u is not to be had (%s), taking another one\n", o->port,
		strerror(-r));
	return receiver_open(&v->receiver, 0);
}

static bool open_descriptors(struct viewer *v)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* Before any thread exists, so that all inherit it. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	v->signals = signalfd(-1, &set, SFD_CLOEXEC);
	v->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return v->signals >= 0 && v->news >= 0;
}

static bool start(struct viewer *v)
{
	/* A file is read to its end, and a signal is the end of that. */
	v->signals = v->news = -1;
	signal(SIGPIPE, SIG_IGN);
	if (!v->options.file && !open_descriptors(v)) {
		command_error("view", "cannot start: %s", strerror(errno));
		return false;
	}
	if (!trace_store_init(&v->store, v->options.waits, STORE_BYTES) ||
	    !view_sink_init(&v->sink, &v->options)) {
		command_error("view", "no memory");
		return false;
	}
	return true;
}

static bool start_receiver(struct viewer *v)
{
	struct receiver_calls calls = { on_accepted, on_refused, v };
	int r = open_receiver(v);

	if (r == 0)
		r = receiver_start(&v->receiver, &calls);
	if (r < 0) {
		command_error("view", "cannot listen on 127.0.0.1:%u: %s", v->options.port,
			      strerror(-r));
		return false;
	}
	/* Scripts wait for this line. */
	fprintf(stderr, "listening on http://127.0.0.1:%u\n", v->receiver.port);
	fflush(stderr);
	return true;
}

/* Renders what is due until there is enough to write; false: nothing was due. */
static bool render_due(struct viewer *v, bool all)
{
	struct trace *t;
	bool is_any = false;

	text_clear(&v->out);
	pthread_mutex_lock(&v->lock);
	for (unsigned n = 0; n < RENDER_TRACES && v->out.len < RENDER_BYTES && !v->is_over; n++) {
		t = trace_store_next(&v->store, now_ms(), clock_realtime_ns(), all);
		if (!t)
			break;
		view_sink_take(&v->sink, &v->out, t);
		trace_store_printed(&v->store, t);
		is_any = true;
		v->is_over = v->options.is_once && v->sink.shown;
	}
	pthread_mutex_unlock(&v->lock);
	return is_any;
}

static void take_signal(struct viewer *v)
{
	struct signalfd_siginfo info;

	if (read(v->signals, &info, sizeof(info)) > 0)
		v->is_ending = true;
}

static void write_out(struct viewer *v)
{
	struct bytes out = { v->out.ptr, v->out.len };
	enum output_verdict verdict;

	for (;;) {
		verdict = output_write(STDOUT_FILENO, v->signals, &out,
				       v->is_ending ? STANDSTILL_MS : -1);
		if (verdict != OUTPUT_INTERRUPTED || v->is_ending)
			break;
		take_signal(v);
	}
	v->is_broken = verdict != OUTPUT_DONE;
}

static void print_due(struct viewer *v, bool all)
{
	while (!v->is_broken && render_due(v, all)) {
		if (v->out.is_short)
			command_error("view", "no memory: a trace is printed in part");
		write_out(v);
	}
}

/* Milliseconds to wait for the next trace that is due; -1: only news can make one. */
static int next_wait(struct viewer *v)
{
	uint64_t due, now = now_ms();

	pthread_mutex_lock(&v->lock);
	due = trace_store_due(&v->store);
	pthread_mutex_unlock(&v->lock);
	if (due == UINT64_MAX)
		return -1;
	if (due <= now)
		return 1;
	return due - now < 60000 ? (int)(due - now) : 60000;
}

/* Until a signal, --once or the end of the output. */
static void view_loop(struct viewer *v)
{
	uint64_t news;

	while (!v->is_over && !v->is_ending && !v->is_broken) {
		struct pollfd fds[2] = {
			{ .fd = v->signals, .events = POLLIN },
			{ .fd = v->news, .events = POLLIN },
		};

		if (poll(fds, 2, next_wait(v)) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			take_signal(v);
		if (fds[1].revents && read(v->news, &news, sizeof(news)) < 0)
			continue;
		print_due(v, false);
	}
}

/* --- files --- */

/*
 * A file's traces are all over; they are printed when it is, or when they take too much memory, and
 * must then make room.
 */
static void on_read(void *data, const struct otlp_batch *b)
{
	struct viewer *v = data;

	trace_store_add(&v->store, b, now_ms());
	v->rejected += b->rejected;
	if (v->store.bytes <= STORE_BYTES / 2)
		return;
	print_due(v, true);
	trace_store_forget_printed(&v->store);
}

static void on_bad_line(void *data, uint64_t line, const char *why)
{
	struct viewer *v = data;

	if (++v->refused <= COMPLAINTS_MAX)
		command_error("view", "%s:%llu: %s", v->options.file, (unsigned long long)line,
			      why);
	if (v->refused == COMPLAINTS_MAX)
		command_error("view", "further ones are only counted");
}

static void view_file(struct viewer *v)
{
	struct otlp_file_calls calls = { on_read, on_bad_line, v };
	int r = otlp_file_read(v->options.file, &calls);

	if (r < 0)
		command_error("view", "%s: %s", v->options.file,
			      r == -EIO ? "damaged, or cut off" : strerror(-r));
	v->is_unread = r < 0 || v->refused;
}

/* What was lost is never lost silently. */
static void summarize(const struct viewer *v)
{
	const struct trace_counts *c = &v->store.counts;

	if (v->refused)
		command_error("view", "%llu %s were refused", (unsigned long long)v->refused,
			      v->options.file ? "lines" : "requests");
	if (v->rejected)
		command_error("view", "%llu spans had no usable ids",
			      (unsigned long long)v->rejected);
	if (c->forgotten_spans)
		command_error("view", "%llu spans of %llu traces were forgotten before printing",
			      (unsigned long long)c->forgotten_spans,
			      (unsigned long long)c->forgotten_traces);
	if (v->sink.late)
		command_error("view", "%llu spans came too late to be counted",
			      (unsigned long long)v->sink.late);
	if (v->options.is_selecting && !v->sink.shown)
		command_error("view", "none of %llu traces is as asked for",
			      (unsigned long long)v->sink.passed_over);
	if (v->is_broken)
		command_error("view",
			      "the output stood still or was closed: traces were not printed");
}

/* Until there is nothing more to come; false: it could not begin. */
static bool run(struct viewer *v)
{
	if (v->options.file) {
		view_file(v);
	} else {
		if (!start_receiver(v))
			return false;
		view_loop(v);
		/* From here on nothing is added; what came is printed, finished or not. */
		receiver_close(&v->receiver);
	}
	if (!v->is_over)
		print_due(v, true);
	return true;
}

/* Returns the exit status. */
static int end(struct viewer *v)
{
	int differ;

	text_clear(&v->out);
	differ = view_sink_end(&v->sink, &v->out);
	if (v->out.len && !v->is_broken)
		write_out(v);
	summarize(v);
	if (differ < 0 || v->is_broken || v->is_unread)
		return EXIT_FAILURE;
	return differ ? EXIT_DIFFERS : EXIT_SUCCESS;
}

int command_view(int argc, char **argv)
{
	static struct viewer v;
	int status = view_options_read(&v.options, argc, argv);

	if (status >= 0)
		return status;
	pthread_mutex_init(&v.lock, NULL);
	if (!start(&v) || !run(&v))
		return EXIT_FAILURE;
	status = end(&v);
	view_sink_done(&v.sink);
	trace_store_done(&v.store);
	text_done(&v.out);
	return status;
}
