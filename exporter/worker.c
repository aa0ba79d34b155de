/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter thread: sleeps until finished spans are due, empties the store in batches, hands
 * each to the exporter that the user chose, and leaves when it is told to.
 *
 *   wakes for     the first finished span that waits: from then on the schedule delay runs
 *                 a full batch; what is more than that waits for the delay, or for the next one
 *                 the question to a remote sampler, and its answer
 *                 a flush, a stop, the end of the main thread
 *   never wakes   while nothing finished waits, but for a look for the host that was put off
 */
#include <linux/futex.h>

#include "clock.h"
#include "exporter.h"
#include "exporter_status.h"
#include "gzip.h"
#include "isolate.h"
#include "metrics.h"
#include "orphan.h"
#include "owner.h"
#include "quiesce.h"
#include "rawsys.h"
#include "remote_poll.h"
#include "shake.h"
#include "sink.h"
#include "sleep.h"
#include "span_limits.h"
#include "spool_read.h"
#include "stacks.h"
#include "stats.h"

#define MS_NS 1000000u
#define COLLECT_MAX 64u /* slots in one go */
#define READ_AHEAD 4u   /* slots on their way from the producer's processor */
#define TOO_LATE_NS (20 * MS_NS)
#define LOOKS_IN_VAIN 3u
#define SURVEY_NS (1000ull * MS_NS)
#define LOOK_NS (50ull * MS_NS)     /* between two looks for the host */
#define SPOOL_NS (30000ull * MS_NS) /* after spans were sent: no timer */

/* All that the thread needs, in one mapping; kept for the next thread, and empty in a child. */
struct worker {
	struct exporter *x; /* NULL: this process has not had one */
	uint64_t survey_ns; /* not before; is_missed: then, whatever else there is to do */
	bool is_missed;
	uint64_t due_ns;    /* then all that waits is sent; SLEEP_FOR_EVER: nothing waits */
	uint64_t looked_ns; /* for the host */
	uint32_t enough;    /* spans that make a batch; the store's own word is anybody's */
	uint32_t index[COLLECT_MAX]; /* slots that were collected */
	size_t given;                /* of those, back to the store; read: copied out */
	size_t read;
	struct record record;
	struct stacks stacks;
	struct span_limits limits;
	struct sinks sinks;
	struct metrics metrics;
	struct remote_poll poll;
	struct spool_reader spool;
	uint64_t spool_ns; /* not before */
};

static struct worker *kept;

/* --- one batch --- */

static void give_back(struct worker *w)
{
	store_give_back(w->x->store, w->index + w->given, w->read - w->given);
	w->given = w->read;
}

/* Slots are given back before a delivery, which may take its time. */
static void sink_give(struct worker *w, struct sink *s)
{
	if (!sink_take(s, &w->record)) {
		give_back(w);
		sink_send(s);
		if (!sink_take(s, &w->record))
			sink_give_up(s);
	}
	if (sink_is_full(s)) {
		give_back(w);
		sink_send(s);
	}
}

static void record_take(struct worker *w)
{
	if (w->sinks.n == 0)
		(void)store_account(w->x->store, 1); /* none, as the user wished */
	for (size_t i = 0; i < w->sinks.n; i++)
		sink_give(w, &w->sinks.list[i]);
}

/* --- the queue --- */

static size_t collect(struct worker *w, size_t max)
{
	struct store *st = w->x->store;
	size_t n = store_collect(st, w->index, max < COLLECT_MAX ? max : COLLECT_MAX);

	w->given = w->read = 0;
	for (size_t i = 0; i < n && i < READ_AHEAD; i++)
		store_prefetch(st, w->index[i]);
	while (w->read < n) {
		size_t i = w->read++;

		if (i + READ_AHEAD < n)
			store_prefetch(st, w->index[i + READ_AHEAD]);
		if (!store_read(st, w->index[i], &w->record)) {
			(void)store_account(st, 1);
			continue;
		}
		stacks_tell(&w->stacks, &w->record);
		span_limits_apply(&w->limits, &w->record);
		record_take(w);
	}
	give_back(w);
	return n;
}

/*
 * Before all that waits is due, only whole batches: a request for the few spans that finished while
 * the thread woke up would cost as much as one for a hundred.
 */
static size_t wanted_now(struct worker *w, bool to_the_end)
{
	size_t done = atomic_load(&w->x->store->done);

	if (!to_the_end && clock_monotonic_ns() < w->due_ns)
		return done - done % w->enough;
	w->due_ns = SLEEP_FOR_EVER;
	return done;
}

/*
 * At most as many as were waiting when it began: producers that never pause do not keep a flush
 * from ending.  What the deadline cuts off stays in the store, for a survivor, or for whoever
 * counts.  to_the_end: whatever waits, and several exporters are waited for, too.  False: there was
 * nothing.
 */
static bool drain(struct worker *w, bool to_the_end)
{
	size_t left = wanted_now(w, to_the_end), all = 0;

	while (left && !is_too_late(w->x)) {
		size_t n = collect(w, left);

		if (n == 0)
			break;
		left -= n < left ? n : left;
		all += n;
	}
	sinks_flush(&w->sinks, to_the_end);
	return all != 0;
}

/* --- what dead processes have left --- */

/* A receiver that is not there keeps nothing; in the spool it waits. */
static bool is_heard(const struct worker *w)
{
	return atomic_load(&w->x->accepted) ||
	       !(w->x->config->traces_exporter & (EXPORTER_OTLP | EXPORTER_ZIPKIN));
}

static void tell_file(struct worker *w)
{
	struct resource *resource = &w->sinks.resource;
	uint64_t seed[2] = { resource->seed[0], resource->seed[1] };
	size_t n = 1;

	memcpy(resource->seed, &w->spool.copy->seed, sizeof(resource->seed));
	w->given = w->read = 0;
	while (n && !is_too_late(w->x)) {
		n = spool_take(&w->spool, w->x->store, w->index, COLLECT_MAX);
		for (size_t i = 0; i < n; i++) {
			if (spool_record(&w->spool, w->index[i], &w->record)) {
				stacks_tell(&w->stacks, &w->record);
				span_limits_apply(&w->limits, &w->record);
				record_take(w);
			} else {
				(void)store_account(w->x->store, 1);
			}
		}
		sinks_flush(&w->sinks, true);
	}
	memcpy(resource->seed, seed, sizeof(seed));
}

static void tell_spool(struct worker *w)
{
	uint64_t now;

	if (LIKELY(!w->spool.is_on) || !is_heard(w))
		return;
	now = clock_monotonic_ns();
	if (now < w->spool_ns || is_too_late(w->x))
		return;
	w->spool_ns = now + SPOOL_NS;
	sinks_flush(&w->sinks, true);
	spool_scan(&w->spool);
	while (!is_too_late(w->x) && spool_next(&w->spool))
		tell_file(w);
	spool_close(&w->spool);
}

static void flush_answer(struct store *st, uint32_t asked)
{
	if (atomic_load(&st->flushed) == asked)
		return;
	SHAKE();
	atomic_store(&st->flushed, asked);
	raw_futex(&st->flushed, FUTEX_WAKE, INT32_MAX, NULL);
}

/* --- waiting --- */

static uint64_t schedule_delay_ns(const struct exporter *x)
{
	if (x->config->traces_exporter == EXPORTER_CONSOLE)
		return 0; /* E118: as with the simple processor */
	return (uint64_t)x->config->bsp_schedule_delay_ms * MS_NS;
}

static bool is_asked(struct exporter *x, struct asked seen)
{
	struct asked now = asked_now(x);

	return now.stop != seen.stop || now.flush != seen.flush || now.polls != seen.polls ||
	       atomic_load(&x->main_gone);
}

static bool is_alone(struct worker *w, uint64_t now)
{
	struct exporter *x = w->x;

	w->looked_ns = now;
	return atomic_load(&x->main_gone) || (x->is_alone && x->is_alone());
}

/* What several exporters have under way goes on meanwhile. */
static void rest(struct worker *w, uint64_t until_ns, struct asked seen, uint32_t enough)
{
	bool is_sending = sinks_step(&w->sinks);

	if (w->poll.is_under_way) {
		remote_poll_wait(&w->poll);
		remote_poll_turn(&w->poll);
	} else if (is_sending) {
		sinks_wait(&w->sinks, until_ns, seen, enough);
	} else {
		exporter_sleep(w->x, until_ns, seen, enough);
	}
}

/* Nothing waits, and nothing has for a while. */
static void rest_long(struct worker *w, uint64_t until_ns, struct asked seen)
{
	sinks_trim(&w->sinks);
	rest(w, until_ns, seen, 1);
}

static void schedule(struct worker *w, uint32_t done, uint64_t now)
{
	if (done == 0)
		w->due_ns = SLEEP_FOR_EVER;
	else if (w->due_ns == SLEEP_FOR_EVER)
		w->due_ns = now + schedule_delay_ns(w->x);
}

/*
 * Returns when there is something to do: enough finished spans, or some for long enough, or the
 * host asked for something else than in seen.  False: there is no host any more.  That is looked
 * for before a sleep, and only then: it takes longer than to encode a hundred spans.  So while
 * batches come one after the other it is looked for now and then, and memory is kept meanwhile.
 */
static bool wait_for_work(struct worker *w, struct asked seen)
{
	while (!is_asked(w->x, seen)) {
		uint32_t done = atomic_load(&w->x->store->done);
		uint64_t now = clock_monotonic_ns();
		uint64_t until = w->is_missed ? w->survey_ns : SLEEP_FOR_EVER;
		bool is_due, has_looked;

		schedule(w, done, now);
		until = w->due_ns < until ? w->due_ns : until;
		is_due = done >= w->enough || now >= until || remote_poll_is_due(&w->poll);
		has_looked = now - w->looked_ns < LOOK_NS;
		if (atomic_load(&w->x->main_gone) || (!is_due && !has_looked && is_alone(w, now)))
			return false;
		if (has_looked && w->looked_ns + LOOK_NS < until)
			until = w->looked_ns + LOOK_NS;
		/* Past its deadline the host is about to end; nothing may be sent. */
		if (is_too_late(w->x))
			exporter_sleep(w->x, now + TOO_LATE_NS, seen, SLEEP_WHATEVER_WAITS);
		else if (is_due)
			return true;
		else if (done || has_looked)
			rest(w, until, seen, done ? w->enough : 1);
		else
			rest_long(w, until, seen);
	}
	return !atomic_load(&w->x->main_gone);
}

static void survey(struct worker *w)
{
	uint64_t now = clock_monotonic_ns();
	bool is_last = is_hurried(w->x);

	if (now < w->survey_ns && !is_last)
		return;
	w->survey_ns = now + SURVEY_NS;
	w->is_missed = orphans_survey(w->x->store, is_last);
}

/* Until the host asks us to leave, or has left itself. */
static enum exporter_end serve(struct worker *w)
{
	struct exporter *x = w->x;

	for (;;) {
		struct asked seen = asked_now(x);
		bool has_host;

		if (is_hurried(x)) {
			survey(w);
			(void)drain(w, true);
			tell_spool(w);
			metrics_turn(&w->metrics, true);
			flush_answer(x->store, seen.flush);
		}
		SHAKE();
		if (seen.stop)
			return EXPORTER_ASKED;
		has_host = wait_for_work(w, seen);
		survey(w);
		(void)drain(w, !has_host);
		tell_spool(w);
		metrics_turn(&w->metrics, !has_host);
		remote_poll_turn(&w->poll);
		if (!has_host)
			return EXPORTER_ALONE;
	}
}

/* --- begin and end --- */

/*
 * In a forked child nothing is left of what the parent's thread had made, or a copy, as of
 * libcurl's handles: their descriptors are not in this thread's table, so they are forgotten, not
 * closed.
 */
static struct worker *worker_get(struct exporter *x, unsigned int std_kept)
{
	if (!kept)
		kept = map_wiped(sizeof(*kept));
	else if (!kept->x && pool_forget())
		gzip_forget();
	if (!kept)
		return NULL;
	kept->x = x;
	span_limits_init(&kept->limits, x->config);
	kept->enough = x->config->bsp_batch_size < x->config->bsp_queue_size ?
			       x->config->bsp_batch_size :
			       x->config->bsp_queue_size;
	kept->given = kept->read = 0;
	kept->survey_ns = 0;
	kept->is_missed = false;
	kept->spool_ns = 0;
	kept->due_ns = SLEEP_FOR_EVER;
	kept->looked_ns = 0;
	spool_begin(&kept->spool);
	if (!sinks_begin(&kept->sinks, x, std_kept)) {
		sinks_end(&kept->sinks);
		return NULL;
	}
	metrics_begin(&kept->metrics, x, &kept->sinks.resource, &kept->sinks.operations);
	remote_poll_begin(&kept->poll, x, &kept->sinks.resource);
	return kept;
}

/*
 * Once the word says that nobody delivers, a producer that finds no owner starts another exporter;
 * one that looked just before relied on us.  So we look again, and own it again for what came late;
 * and for what came while we did that, until it is nothing, or others would keep us for ever.
 */
static void leave(struct worker *w)
{
	struct store *st = w->x->store;
	uint64_t until = clock_monotonic_ns() + w->x->config->shutdown_timeout_ms * (uint64_t)MS_NS;

	owner_release(st);
	SHAKE();
	for (unsigned in_vain = 0; atomic_load(&st->done) && in_vain < LOOKS_IN_VAIN;) {
		if (is_too_late(w->x) || clock_monotonic_ns() >= until || !owner_take(st))
			break;
		/* In vain: it is about to be there, and its producer may rely on us by now. */
		in_vain = drain(w, true) ? 0 : in_vain + 1;
		owner_release(st);
		SHAKE();
	}
}

static enum exporter_end run_quiet(struct exporter *x, unsigned int std_kept)
{
	struct worker *w = worker_get(x, std_kept);
	enum exporter_end end;

	if (!w)
		return EXPORTER_REFUSED;
	if (!owner_take(x->store)) {
		sinks_end(&w->sinks);
		metrics_end(&w->metrics);
		remote_poll_end(&w->poll);
		return EXPORTER_ASKED; /* another process came first, and delivers */
	}
	end = serve(w);
	leave(w);
	atomic_store(&x->has_left, true);
	sinks_end(&w->sinks);
	metrics_end(&w->metrics);
	remote_poll_end(&w->poll);
	return end;
}

/* Where did the user ask for something to be written? */
static unsigned int wanted(const struct config *cfg)
{
	unsigned int keep = 0;

	if (cfg->traces_exporter & EXPORTER_CONSOLE || bytes_equal(cfg->log, BYTES("stderr")))
		keep |= KEEP_STDERR;
	if (cfg->traces_exporter & EXPORTER_OTLP_STDOUT)
		keep |= KEEP_STDOUT;
	return keep;
}

enum exporter_end exporter_run(struct exporter *x)
{
	enum exporter_end end;
	unsigned int std_kept;

	if (!isolate(wanted(x->config), &std_kept))
		return EXPORTER_REFUSED;
	quiesce_begin(x->quiesce);
	status_open(x);
	end = run_quiet(x, std_kept);
	status_close();
	quiesce_end();
	return end;
}
