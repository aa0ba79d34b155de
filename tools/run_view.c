/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads, as in view.c: the receiver's decodes requests and puts them into the store; this one
 * waits for the program, and takes finished traces out of it.
 */
#include "run_view.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "output.h"
#include "receiver.h"
#include "summary.h"

#define STORE_BYTES ((size_t)256 << 20)

/*
 * The program's own spans are here when it has ended; those of programs that it left behind come
 * within their schedule delay, which is 500 ms (run_options.c).
 */
#define LEFT_BEHIND_MS 1000

#define STANDSTILL_MS 5000

struct run_viewer {
	struct receiver receiver;
	struct summary summary;
	sigset_t signals_before;
	int signals; /* signalfd */
	pid_t pid;
	int status; /* of waitpid() */
	bool is_over;
	bool is_impatient; /* a signal came when only the last traces were waited for */

	pthread_mutex_t lock; /* guards what follows */
	struct trace_store store;
	uint64_t refused;
};

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

static void on_accepted(void *data, const struct otlp_batch *b)
{
	struct run_viewer *v = data;

	pthread_mutex_lock(&v->lock);
	trace_store_add(&v->store, b, now_ms());
	pthread_mutex_unlock(&v->lock);
}

static void on_refused(void *data, unsigned status, const char *why)
{
	struct run_viewer *v = data;
	uint64_t n;

	pthread_mutex_lock(&v->lock);
	n = ++v->refused;
	pthread_mutex_unlock(&v->lock);
	if (n == 1)
		command_error("run", "refused a request (%u): %s", status, why);
}

/* The program gets the signals as they were; a terminal sends its own to it, too. */
static bool block_signals(struct run_viewer *v)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, &v->signals_before);
	v->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return v->signals >= 0;
}

static bool start(struct run_viewer *v, const struct run_options *o, const char *object)
{
	struct receiver_calls calls = { on_accepted, on_refused, v };
	struct sigaction child_before, by_default = { .sa_handler = SIG_DFL };
	char url[64];
	int r = receiver_open(&v->receiver, 0);

	if (r < 0) {
		command_error("run", "cannot listen on 127.0.0.1: %s", strerror(-r));
		return false;
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", v->receiver.port);
	/* Where it was ignored nobody could be waited for. */
	sigaction(SIGCHLD, &by_default, &child_before);
	v->pid = fork();
	if (v->pid == 0) {
		sigaction(SIGCHLD, &child_before, NULL);
		pthread_sigmask(SIG_SETMASK, &v->signals_before, NULL);
		_exit(run_become(o, object, url));
	}
	if (v->pid < 0) {
		command_error("run", "cannot start a process: %s", strerror(errno));
		return false;
	}
	signal(SIGPIPE, SIG_IGN);
	r = receiver_start(&v->receiver, &calls);
	if (r < 0)
		command_error("run", "cannot receive: %s", strerror(-r));
	return true;
}

/* One who sends a signal to us alone means the program. */
static void take_signals(struct run_viewer *v)
{
	struct signalfd_siginfo info;

	while (read(v->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (v->is_over)
			v->is_impatient = true;
		else if (info.ssi_code <= 0)
			kill(v->pid, (int)info.ssi_signo);
	}
	if (!v->is_over && waitpid(v->pid, &v->status, WNOHANG) == v->pid)
		v->is_over = true;
}

/*
 * Finished traces into the summary; with all set, also unfinished ones.  Returns how many are left.
 */
static uint32_t take_traces(struct run_viewer *v, bool all)
{
	struct trace *t;
	uint32_t left = 0;

	pthread_mutex_lock(&v->lock);
	while ((t = trace_store_next(&v->store, now_ms(), clock_realtime_ns(), all))) {
		if (!t->is_printed)
			summary_add(&v->summary, t);
		trace_store_printed(&v->store, t);
	}
	for (t = v->store.pending.head; t; t = t->next)
		left++;
	pthread_mutex_unlock(&v->lock);
	return left;
}

static void wait_for(struct run_viewer *v, int ms)
{
	struct pollfd fd = { .fd = v->signals, .events = POLLIN };

	if (poll(&fd, 1, ms) > 0)
		take_signals(v);
}

static void follow(struct run_viewer *v)
{
	uint64_t deadline_ms;

	take_signals(v);
	while (!v->is_over) {
		wait_for(v, 1000);
		take_traces(v, false);
	}
	deadline_ms = now_ms() + LEFT_BEHIND_MS;
	while (take_traces(v, false) && !v->is_impatient && now_ms() < deadline_ms)
		wait_for(v, 20);
	receiver_close(&v->receiver);
	take_traces(v, true);
}

static void tell(struct run_viewer *v, uint64_t took_ns)
{
	struct text out = { 0 };
	struct bytes rest;

	if (v->summary.traces)
		summary_print(&out, &v->summary, took_ns, v->store.counts.forgotten_spans);
	else
		text_add_str(&out,
			     "interspan: no span came: the program made and served no request "
			     "that could be seen,\nor it is one of those in the README's \"What "
			     "it cannot see\"\n");
	rest = (struct bytes){ out.ptr, out.len };
	if (output_write(STDERR_FILENO, -1, &rest, STANDSTILL_MS) != OUTPUT_DONE)
		v->is_impatient = true;
	text_done(&out);
}

int run_view(const struct run_options *o, const char *object)
{
	static struct run_viewer v;
	uint64_t start_ns = clock_monotonic_ns(), took_ns;

	pthread_mutex_init(&v.lock, NULL);
	style_detect(&v.summary.style, STDERR_FILENO);
	if (!summary_init(&v.summary) ||
	    !trace_store_init(&v.store, trace_waits_default, STORE_BYTES)) {
		command_error("run", "no memory");
		return EXIT_OURS;
	}
	if (!block_signals(&v) || !start(&v, o, object))
		return EXIT_OURS;
	follow(&v);
	took_ns = clock_monotonic_ns() - start_ns;
	tell(&v, took_ns);
	trace_store_done(&v.store);
	summary_done(&v.summary);
	return WIFSIGNALED(v.status) ? 128 + WTERMSIG(v.status) : WEXITSTATUS(v.status);
}
