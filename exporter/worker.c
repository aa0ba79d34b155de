/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter thread: sleeps until finished spans are due, empties the store in batches, hands
 * each to the exporter that the user chose, and leaves when it is told to.
 *
 *   wakes for     the first finished span that waits: from then on the schedule delay runs
 *                 a full batch
 *                 a flush, a stop, the end of the main thread
 *   never wakes   while nothing finished waits
 */
#include <linux/futex.h>

#include "batch.h"
#include "clock.h"
#include "console.h"
#include "deliver.h"
#include "endpoint.h"
#include "exporter.h"
#include "exporter_status.h"
#include "gzip.h"
#include "isolate.h"
#include "owner.h"
#include "quiesce.h"
#include "rawsys.h"
#include "resource.h"
#include "shake.h"
#include "sleep.h"
#include "span_limits.h"
#include "stacks.h"
#include "stats.h"
#include "transport.h"

#define MS_NS 1000000u
#define COLLECT_MAX 64u /* slots in one go */
#define READ_AHEAD 4u   /* slots on their way from the producer's processor */
#define TOO_LATE_NS (20 * MS_NS)

/* All that the thread needs, in one mapping; kept for the next thread and for a forked child. */
struct worker {
	struct exporter *x;
	struct batch batch;
	struct deliver deliver;
	struct transport *transport;
	int console_fd;
	uint32_t enough; /* spans that make a batch; the store's own word is anybody's */
	struct resource resource;
	struct endpoint endpoint;
	char line[CONSOLE_LINE_MAX];
	uint32_t index[COLLECT_MAX]; /* slots that were collected */
	size_t given;                /* of those, back to the store; read: copied out */
	size_t read;
	struct record record;
	struct stacks stacks;
	struct span_limits limits;
	struct otlp_encoder encoder;
};

static struct worker *kept;

/* --- one batch --- */

static void give_back(struct worker *w)
{
	store_give_back(w->x->store, w->index + w->given, w->read - w->given);
	w->given = w->read;
}

/* Compressed, if that was asked for and there is memory. */
static struct bytes compressed(struct worker *w, struct bytes body)
{
	struct bytes packed = { NULL, 0 };

	if (!w->transport)
		return body;
	if (w->endpoint.wants_gzip)
		packed = gzip(&w->batch.memory, body);
	transport_set_gzip(w->transport, packed.ptr);
	return packed.ptr ? packed : body;
}

static void batch_send(struct worker *w)
{
	size_t spans = w->batch.spans;
	struct bytes body;

	if (spans == 0)
		return; /* O9 */
	give_back(w);   /* delivery may take its time */
	body = batch_finish(&w->batch, &w->resource);
	if (body.ptr)
		deliver_send(&w->deliver, compressed(w, body), spans);
	else
		stats_add(STAT_SPANS_FAILED, store_account(w->x->store, spans));
	batch_reset(&w->batch);
}

static void batch_take(struct worker *w)
{
	enum batch_add r = batch_add(&w->batch, &w->record);

	if (r == BATCH_FULL) {
		batch_send(w);
		r = batch_add(&w->batch, &w->record);
	}
	if (r != BATCH_ADDED)
		stats_add(STAT_SPANS_FAILED, store_account(w->x->store, 1)); /* O10 */
	if (w->batch.spans >= w->x->config->bsp_batch_size)
		batch_send(w);
}

static void record_take(struct worker *w)
{
	switch (w->x->config->traces_exporter) {
	case EXPORTER_OTLP:
		batch_take(w);
		break;
	case EXPORTER_CONSOLE:
		(void)store_account(w->x->store, 1);
		stats_inc(console_write(w->console_fd, &w->record, w->line) ? STAT_SPANS_EXPORTED :
									      STAT_SPANS_FAILED);
		break;
	case EXPORTER_NONE:
		(void)store_account(w->x->store, 1);
		break; /* as the user wished */
	}
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
 * At most as many as were waiting when it began: producers that never pause do not keep a flush
 * from ending.  What the deadline cuts off stays in the store, for a survivor, or for whoever
 * counts.
 */
static void drain(struct worker *w)
{
	size_t left = atomic_load(&w->x->store->done);

	while (left && !is_too_late(w->x)) {
		size_t n = collect(w, left);

		if (n == 0)
			break;
		left -= n < left ? n : left;
	}
	batch_send(w);
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

	return now.stop != seen.stop || now.flush != seen.flush || atomic_load(&x->main_gone);
}

static bool is_alone(struct exporter *x)
{
	return atomic_load(&x->main_gone) || (x->is_alone && x->is_alone());
}

/*
 * Returns when there is something to do: enough finished spans, or some for long enough, or the
 * host asked for something else than in seen.  False: there is no host any more.  That is looked
 * for before a sleep, and only then: it takes longer than to encode a hundred spans.
 */
static bool wait_for_work(struct worker *w, struct asked seen)
{
	uint64_t due = SLEEP_FOR_EVER;

	while (!is_asked(w->x, seen)) {
		uint32_t done = atomic_load(&w->x->store->done);
		uint64_t now = clock_monotonic_ns();
		bool is_due = done >= w->enough || now >= due;

		if (atomic_load(&w->x->main_gone) || (!is_due && is_alone(w->x)))
			return false;
		if (done == 0) {
			due = SLEEP_FOR_EVER;
			scratch_trim(&w->batch.memory);
		} else if (due == SLEEP_FOR_EVER) {
			due = now + schedule_delay_ns(w->x);
			is_due |= now >= due;
		}
		/* Past its deadline the host is about to end; nothing may be sent. */
		if (is_too_late(w->x))
			exporter_sleep(w->x, now + TOO_LATE_NS, seen, SLEEP_WHATEVER_WAITS);
		else if (is_due)
			return true;
		else
			exporter_sleep(w->x, due, seen, done ? w->enough : 1);
	}
	return !atomic_load(&w->x->main_gone);
}

/* Until the host asks us to leave, or has left itself. */
static enum exporter_end serve(struct worker *w)
{
	struct exporter *x = w->x;

	for (;;) {
		struct asked seen = asked_now(x);
		bool has_host;

		if (is_hurried(x)) {
			drain(w);
			flush_answer(x->store, seen.flush);
		}
		SHAKE();
		if (seen.stop)
			return EXPORTER_ASKED;
		has_host = wait_for_work(w, seen);
		drain(w);
		if (!has_host)
			return EXPORTER_ALONE;
	}
}

/* --- begin and end --- */

static void say_endpoint(const struct endpoint *e, const struct resource *r)
{
	if (!exporter_log)
		return;
	if (e->kind == ENDPOINT_HTTPS)
		exporter_log(BYTES("https endpoints are not supported yet: spans are dropped"));
	if (e->kind == ENDPOINT_UNKNOWN)
		exporter_log(BYTES("the OTLP endpoint is no http URL: spans are dropped"));
	if (e->headers_refused)
		exporter_log(BYTES("some OTLP headers are malformed or reserved: left out"));
	if (r->is_refused)
		exporter_log(BYTES("OTEL_RESOURCE_ATTRIBUTES is malformed: ignored"));
}

/* False: no memory. */
static bool otlp_init(struct worker *w)
{
	uint64_t seed[2];

	memcpy(seed, &w->x->store->seed, sizeof(seed));
	resource_init(&w->resource, w->x->config, seed);
	endpoint_init(&w->endpoint, w->x->config);
	say_endpoint(&w->endpoint, &w->resource);
	status_endpoint(&w->endpoint);
	otlp_encoder_init(&w->encoder);
	w->batch.format = w->endpoint.protocol == PROTOCOL_HTTP_JSON ? BATCH_JSON : BATCH_PROTOBUF;
	w->transport = NULL;
	if (w->endpoint.kind == ENDPOINT_HTTP) {
		w->transport = transport_new(&w->endpoint);
		if (!w->transport)
			return false;
	}
	deliver_init(&w->deliver, w->x, w->transport);
	return true;
}

/*
 * In a forked child the mapping is a copy of the parent's, and so are libcurl's handles: their
 * descriptors are not in this thread's table, so they are forgotten, not closed.
 */
static struct worker *worker_get(struct exporter *x)
{
	if (!kept) {
		kept = map_memory(sizeof(*kept));
		if (!kept)
			return NULL;
		batch_init(&kept->batch, BATCH_PROTOBUF, &kept->encoder);
	}
	kept->x = x;
	span_limits_init(&kept->limits, x->config);
	kept->enough = x->config->bsp_batch_size < x->config->bsp_queue_size ?
			       x->config->bsp_batch_size :
			       x->config->bsp_queue_size;
	batch_reset(&kept->batch);
	kept->batch.format = BATCH_PROTOBUF;
	kept->given = kept->read = 0;
	if (x->config->traces_exporter == EXPORTER_OTLP && !otlp_init(kept))
		return NULL;
	return kept;
}

static void worker_put(struct worker *w)
{
	transport_free(w->transport);
	w->transport = NULL;
	gzip_done();
	scratch_trim(&w->batch.memory);
}

/*
 * Once the word says that nobody delivers, a producer that finds no owner starts another exporter;
 * one that looked just before relied on us.  So we look again, and own it again for what came late.
 */
static void leave(struct worker *w)
{
	struct store *st = w->x->store;

	owner_release(st);
	SHAKE();
	while (atomic_load(&st->done) && !is_too_late(w->x) && owner_take(st)) {
		uint32_t before = atomic_load(&st->done);

		drain(w);
		owner_release(st);
		if (atomic_load(&st->done) >= before)
			break;
	}
}

static enum exporter_end run_quiet(struct exporter *x, int console_fd)
{
	struct worker *w = worker_get(x);
	enum exporter_end end;

	if (!w)
		return EXPORTER_REFUSED;
	w->console_fd = console_fd;
	if (!owner_take(x->store)) {
		worker_put(w);
		return EXPORTER_ASKED; /* another process came first, and delivers */
	}
	end = serve(w);
	leave(w);
	worker_put(w);
	return end;
}

/* Did the user ask for something to be written there? */
static bool wants_stderr(const struct config *cfg)
{
	return cfg->traces_exporter == EXPORTER_CONSOLE || bytes_equal(cfg->log, BYTES("stderr"));
}

enum exporter_end exporter_run(struct exporter *x)
{
	enum exporter_end end;
	int console_fd;

	if (!isolate(wants_stderr(x->config), &console_fd))
		return EXPORTER_REFUSED;
	quiesce_begin(&x->quiesce);
	status_open(x);
	end = run_quiet(x, console_fd);
	status_close();
	quiesce_end();
	return end;
}
