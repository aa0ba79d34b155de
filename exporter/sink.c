/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <errno.h>

#include "clock.h"
#include "exporter_status.h"
#include "gzip.h"
#include "rawsys.h"
#include "text.h"
#include "wrap.h"

#define MS_NS 1000000u

/* So long the others wait for one whose last batch was delivered at once; not for any other. */
#define HOLD_NS (100 * MS_NS)
#define WAIT_MS 5
#define FDS_MAX 16u

/*
 * A batch ends early rather than to be refused as a whole: receivers of gRPC take 4 MiB unless they
 * are told otherwise, after decompression.  And it bounds our memory.
 */
#define BATCH_BYTES_USUAL (4u << 20)

/* The log is told of the first loss, and then at most once in a minute: counters say how many. */
#define LOG_EVERY_NS (60ull * 1000 * MS_NS)

#define FILE_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static bool is_single(const struct sink *s)
{
	return s->all->n == 1;
}

static bool is_lines(const struct sink *s)
{
	return s->kind == SINK_STDOUT || s->kind == SINK_FILE;
}

/* --- begin and end --- */

static uint32_t timeout_ms(const struct sink *s)
{
	const struct config *cfg = s->all->x->config;

	return s->kind == SINK_ZIPKIN ? cfg->zipkin_timeout_ms : endpoint_timeout_ms(cfg);
}

static void say_endpoint(const struct endpoint *e)
{
	if (!exporter_log)
		return;
	if (e->hint == ENDPOINT_IS_FOR_GRPC)
		exporter_log(
			BYTES("port 4317 is usually OTLP/gRPC's: the protocol is http, whose port "
			      "is 4318; OTEL_EXPORTER_OTLP_PROTOCOL=grpc is the other way"));
	if (e->hint == ENDPOINT_IS_FOR_HTTP)
		exporter_log(BYTES(
			"port 4318 is usually OTLP/HTTP's: the protocol is grpc, whose port "
			"is 4317; OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf is the other way"));
	if (e->kind == ENDPOINT_UNKNOWN)
		exporter_log(BYTES("the endpoint is no http URL: spans are dropped"));
	if (e->headers_refused)
		exporter_log(BYTES("some OTLP headers are malformed or reserved: left out"));
}

static bool http_begin(struct sink *s)
{
	struct exporter *x = s->all->x;

	if (s->kind == SINK_ZIPKIN)
		endpoint_init_zipkin(&s->endpoint, x->config);
	else
		endpoint_init(&s->endpoint, x->config);
	say_endpoint(&s->endpoint);
	if (s == s->all->list) {
		status_endpoint(&s->endpoint);
		s->all->operations.to = &s->endpoint;
	}
	if (s->endpoint.kind != ENDPOINT_UNKNOWN)
		s->transport = transport_new(&s->endpoint);
	/* Without memory nothing is taken; without what TLS needs it is counted as lost. */
	if (s->endpoint.kind == ENDPOINT_HTTP && !s->transport &&
	    !endpoint_needs_tls_object(&s->endpoint))
		return false;
	deliver_init(&s->deliver, x, s->transport, timeout_ms(s), s->tally);
	return true;
}

/* On each attempt that there is none yet: its directory may come later. */
static void file_open(struct sink *s)
{
	struct bytes path = s->all->x->config->otlp_file;

	if (s->kind != SINK_FILE || s->out.fd >= 0)
		return;
	s->out.fd = path.len ? (int)raw_open(path.ptr, FILE_FLAGS, 0600) : -ENOENT;
	s->out.error = s->out.fd < 0 ? -s->out.fd : 0;
}

static enum batch_format format_of(const struct sink *s)
{
	if (s->kind == SINK_ZIPKIN)
		return BATCH_ZIPKIN;
	return is_lines(s) || s->endpoint.protocol == PROTOCOL_HTTP_JSON ? BATCH_JSON :
									   BATCH_PROTOBUF;
}

static void batches_begin(struct sink *s)
{
	for (int i = 0; i < 2; i++) {
		struct batch *b = &s->batch[i];

		/* The memory of the last time is kept. */
		if (!b->encoder)
			batch_init(b, BATCH_PROTOBUF, &s->all->encoder);
		batch_reset(b);
		b->bytes_max = BATCH_BYTES_USUAL;
		b->format = format_of(s);
		b->service = resource_service(&s->all->resource);
	}
}

static bool sink_begin(struct sink *s, enum sink_kind kind, unsigned int kept)
{
	s->kind = kind;
	s->tally.exported = (enum stat_id)(STAT_OTLP_EXPORTED + 2 * kind);
	s->tally.dropped = (enum stat_id)(STAT_OTLP_DROPPED + 2 * kind);
	s->tally.store = s == s->all->list ? s->all->x->store : NULL;
	s->filling = 0;
	s->is_due = false;
	s->was_good = true;
	s->logged_ns = 0;
	s->transport = NULL;
	s->out = (struct out){ .fd = -1 };
	s->endpoint.wants_gzip = false;
	if ((kind == SINK_OTLP || kind == SINK_ZIPKIN) && !http_begin(s))
		return false;
	if (kind == SINK_STDOUT && kept & 1u << 1)
		s->out.fd = 1;
	if (kind == SINK_CONSOLE && kept & 1u << 2)
		s->out.fd = 2;
	batches_begin(s);
	return true;
}

bool sinks_begin(struct sinks *all, struct exporter *x, unsigned int kept)
{
	uint64_t seed[2];

	memcpy(seed, &x->store->seed, sizeof(seed));
	all->x = x;
	all->n = 0;
	all->operations.to = NULL;
	resource_init(&all->resource, x->config, seed);
	if (all->resource.is_refused && exporter_log)
		exporter_log(BYTES("OTEL_RESOURCE_ATTRIBUTES is malformed: ignored"));
	otlp_encoder_init(&all->encoder);
	for (unsigned int kind = 0; kind < SINKS; kind++) {
		struct sink *s = &all->list[all->n];

		if (!(x->config->traces_exporter & 1u << kind))
			continue;
		s->all = all;
		all->n++;
		if (!sink_begin(s, (enum sink_kind)kind, kept))
			return false;
	}
	return true;
}

void sinks_end(struct sinks *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct sink *s = &all->list[i];

		transport_free(s->transport);
		s->transport = NULL;
		if (s->out.fd > 2)
			raw_close(s->out.fd);
		s->out.fd = -1;
	}
	gzip_done();
	sinks_trim(all);
}

void sinks_trim(struct sinks *all)
{
	for (size_t i = 0; i < all->n; i++)
		for (int b = 0; b < 2; b++)
			if (all->list[i].batch[b].spans == 0)
				scratch_trim(&all->list[i].batch[b].memory);
}

/* --- taking --- */

static bool is_under_way(const struct sink *s)
{
	return s->batch[!s->filling].spans > 0;
}

bool sink_is_full(const struct sink *s)
{
	return s->batch[s->filling].spans >= s->all->x->config->bsp_batch_size;
}

/* A single one may take as long as an export may. */
static uint64_t patience_ends(const struct sink *s)
{
	uint64_t ms = timeout_ms(s);
	uint64_t ns = is_single(s) ? ms * MS_NS : HOLD_NS;

	return ns ? clock_monotonic_ns() + ns : UINT64_MAX;
}

static void say_lost(struct sink *s)
{
	uint64_t now = clock_monotonic_ns();
	char buf[256], why[64] = "nobody reads it";
	struct text line = TEXT_IN(buf);

	if (!exporter_log || (s->logged_ns && now - s->logged_ns < LOG_EVERY_NS))
		return;
	s->logged_ns = now;
	if (s->out.error)
		(void)__wrap___xpg_strerror_r(s->out.error, why, sizeof(why));
	text_add_str(&line, "spans were lost: ");
	text_add_str(&line, s->kind == SINK_FILE ? "OTEL_INTERSPAN_OTLP_FILE: " : "the output: ");
	text_add_str(&line, why);
	exporter_log(text_bytes(&line));
}

static void operation_over(struct sink *s, enum outcome outcome, const struct response *r,
			   uint64_t took_ns)
{
	if (s == s->all->list)
		operations_add(&s->all->operations, outcome, r, took_ns);
}

static void tell(struct sink *s, bool is_written, size_t spans)
{
	if (is_written) {
		tally_accepted(&s->tally, spans, 0);
		return;
	}
	tally_lost(&s->tally, spans, is_too_late(s->all->x));
	say_lost(s);
}

static void write_and_tell(struct sink *s, struct bytes lines, size_t spans)
{
	uint64_t began = clock_monotonic_ns();
	bool is_written = out_write(&s->out, s->all->x, lines, patience_ends(s));
	enum outcome outcome = s->out.error ? OUTCOME_IMPOSSIBLE : OUTCOME_TIMEOUT;

	operation_over(s, is_written ? OUTCOME_ACCEPTED : outcome,
		       &(struct response){ .status = 0 }, clock_monotonic_ns() - began);
	tell(s, is_written, spans);
}

static void console_take(struct sink *s, const struct record *r)
{
	size_t len = console_format(r, s->all->line);

	write_and_tell(s, (struct bytes){ s->all->line, len }, 1);
}

bool sink_take(struct sink *s, const struct record *r)
{
	enum batch_add added = BATCH_TOO_LONG; /* O10 */

	if (s->kind == SINK_CONSOLE) {
		console_take(s, r);
		return true;
	}
	if (!sink_is_full(s) || !is_under_way(s))
		added = batch_add(&s->batch[s->filling], r);
	if (added == BATCH_TOO_LONG)
		sink_give_up(s);
	return added != BATCH_FULL;
}

void sink_give_up(struct sink *s)
{
	tally_lost(&s->tally, 1, false);
}

/* --- sending --- */

/* Compressed, if that was asked for and there is memory. */
static struct bytes compressed(struct sink *s, struct batch *b, struct bytes body)
{
	struct bytes packed = { NULL, 0 };

	if (!s->transport)
		return body;
	if (s->endpoint.wants_gzip)
		packed = gzip(&b->memory, body);
	transport_set_gzip(s->transport, packed.ptr);
	return packed.ptr ? packed : body;
}

/* O81: one line a batch.  batch_finish() left room for the newline. */
static void lines_send(struct sink *s, struct batch *b, struct bytes body)
{
	char *end = (char *)(uintptr_t)body.ptr + body.len;

	*end = '\n';
	body.len++;
	file_open(s);
	write_and_tell(s, body, b->spans);
	batch_reset(b);
}

/* The one under way is over. */
static void finish(struct sink *s)
{
	const struct deliver *d = &s->deliver;

	operation_over(s, d->outcome, &d->response, d->ended_ns - d->began_ns);
	s->was_good = d->attempts == 0;
	batch_reset(&s->batch[!s->filling]);
	/*
	 * On in the same memory: two that are half a megabyte each take the host's out of the
	 * caches.
	 */
	if (s->batch[s->filling].spans == 0)
		s->filling = !s->filling;
}

static bool step(struct sink *s)
{
	if (!is_under_way(s) || deliver_step(&s->deliver))
		return is_under_way(s);
	finish(s);
	if (s->is_due || sink_is_full(s))
		sink_send(s);
	return is_under_way(s);
}

/* Of several, one is waited for only while its batch may be expected to be delivered at once. */
static bool is_worth_waiting(const struct sink *s)
{
	return is_single(s) || (s->was_good && s->deliver.attempts == 0 &&
				clock_monotonic_ns() < s->began_ns + HOLD_NS);
}

static void make_room(struct sink *s)
{
	while (is_under_way(s) && is_worth_waiting(s)) {
		if (is_single(s))
			deliver_wait(&s->deliver);
		else
			sinks_wait(s->all, 0, asked_now(s->all->x), SLEEP_WHATEVER_WAITS);
		if (!deliver_step(&s->deliver))
			finish(s);
	}
}

void sink_send(struct sink *s)
{
	struct batch *b = &s->batch[s->filling];
	struct bytes body;

	s->is_due = is_under_way(s) && !sink_is_full(s);
	if (b->spans == 0 || s->is_due)
		return; /* O9 */
	make_room(s);
	if (is_under_way(s))
		return;
	body = batch_finish(b, &s->all->resource);
	if (!body.ptr) {
		tally_lost(&s->tally, b->spans, false);
		batch_reset(b);
	} else if (is_lines(s)) {
		lines_send(s, b, body);
	} else {
		s->filling = !s->filling;
		s->began_ns = clock_monotonic_ns();
		deliver_begin(&s->deliver, compressed(s, b, body), b->spans);
		if (s->deliver.state == DELIVER_IDLE)
			finish(s);
		if (is_single(s))
			make_room(s);
	}
}

/* --- all of them --- */

bool sinks_step(struct sinks *all)
{
	bool is_any = false;

	for (size_t i = 0; i < all->n; i++)
		is_any |= step(&all->list[i]);
	return is_any;
}

void sinks_wait(struct sinks *all, uint64_t until_ns, struct asked seen, uint32_t enough)
{
	struct pollfd fds[FDS_MAX];
	bool is_sending = false;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct deliver *d = &all->list[i].deliver;

		if (d->state == DELIVER_WAITING && d->again_ns < until_ns)
			until_ns = d->again_ns;
		if (d->state != DELIVER_SENDING)
			continue;
		is_sending = true;
		n += transport_fds(d->transport, fds + n, FDS_MAX - n);
	}
	status_answer();
	if (is_sending)
		__wrap_poll(fds, n, WAIT_MS);
	else
		exporter_sleep(all->x, until_ns, seen, enough);
}

void sinks_flush(struct sinks *all, bool to_the_end)
{
	for (size_t i = 0; i < all->n; i++)
		sink_send(&all->list[i]);
	while (to_the_end && sinks_step(all))
		sinks_wait(all, SLEEP_FOR_EVER, asked_now(all->x), SLEEP_WHATEVER_WAITS);
}
