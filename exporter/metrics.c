/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <string.h>

#include "clock.h"
#include "counts.h"
#include "otlp_encode.h"
#include "rawsys.h"
#include "sleep.h"
#include "text.h"
#include "version.h"

#define MS_NS 1000000u
#define HOLD_NS (1000ull * MS_NS) /* spans wait no longer for a receiver of metrics */
#define POINT_MAX 320u
#define METRIC_MAX 1024u
#define PROCESS_MAX 8192u /* all metrics of one process, but for durations */
#define DURATION_MAX 768u /* a point of those */
#define DURATION_HEAD 256u
#define ADDRESS_MAX 253u /* no name of the Internet's is longer */
#define ROOM 8u          /* before the body: TRANSPORT_PREFIX */

/* --- the wire, as far as it is needed (O113, O122-O128) --- */

struct out {
	uint8_t *to; /* with room for all that is put there */
	size_t len;
};

static void put_bytes(struct out *o, uint32_t field, const void *from, size_t len)
{
	o->len += otlp_encode_prefix(o->to + o->len, field, len);
	memcpy(o->to + o->len, from, len);
	o->len += len;
}

static void put_text(struct out *o, uint32_t field, const char *s)
{
	put_bytes(o, field, s, strlen(s));
}

static void put_fixed64(struct out *o, uint32_t field, uint64_t value)
{
	o->to[o->len++] = (uint8_t)(field << 3 | 1);
	for (int i = 0; i < 8; i++)
		o->to[o->len++] = (uint8_t)(value >> 8 * i);
}

/* Fields below 16, values below 128. */
static void put_small(struct out *o, uint32_t field, uint8_t value)
{
	o->to[o->len++] = (uint8_t)(field << 3);
	o->to[o->len++] = value;
}

/* In nanoseconds; told in seconds. */
static void put_seconds(struct out *o, uint32_t field, uint64_t ns)
{
	double seconds = (double)ns / 1e9;
	uint64_t bits;

	memcpy(&bits, &seconds, sizeof(bits));
	put_fixed64(o, field, bits);
}

/* Of points, which have their attributes at different numbers. */
#define ATTR_OF_NUMBER 7u
#define ATTR_OF_HISTOGRAM 9u

static void put_pair(struct out *o, uint32_t field, const char *key, const struct out *any)
{
	uint8_t pair[POINT_MAX];
	struct out p = { pair, 0 };

	put_text(&p, 1, key);
	put_bytes(&p, 2, any->to, any->len);
	put_bytes(o, field, pair, p.len);
}

static void put_attr_bytes(struct out *o, uint32_t field, const char *key, struct bytes value)
{
	uint8_t any[POINT_MAX];
	struct out a = { any, 0 };

	put_bytes(&a, 1, value.ptr, value.len);
	put_pair(o, field, key, &a);
}

static void put_attr(struct out *o, uint32_t field, const char *key, const char *value)
{
	put_attr_bytes(o, field, key, bytes_from_str(value));
}

static void put_attr_int(struct out *o, uint32_t field, const char *key, uint16_t value)
{
	uint8_t any[4];
	struct out a = { any, 0 };

	any[a.len++] = 3 << 3;
	for (; value > 127; value >>= 7)
		any[a.len++] = (uint8_t)(value | 128);
	any[a.len++] = (uint8_t)value;
	put_pair(o, field, key, &a);
}

/* --- one metric --- */

enum component { NO_COMPONENT, PROCESSOR, EXPORTER };

struct point {
	uint64_t value;
	const char *key; /* an attribute of its own, or NULL */
	const char *text;
};

struct metric {
	const char *name;
	const char *unit;
	const char *about;
	bool is_monotonic;
	enum component component;
};

/* Of the exporter whose word counts: the first of them. */
static const char *exporter_type(const struct config *cfg)
{
	uint32_t protocol =
		cfg->otlp_traces_protocol ? cfg->otlp_traces_protocol : cfg->otlp_protocol;

	if (!(cfg->traces_exporter & EXPORTER_OTLP))
		return cfg->traces_exporter & EXPORTER_ZIPKIN ? "zipkin_http_span_exporter" :
								"interspan_lines_span_exporter";
	if (protocol == PROTOCOL_GRPC)
		return "otlp_grpc_span_exporter";
	return protocol == PROTOCOL_HTTP_JSON ? "otlp_http_json_span_exporter" :
						"otlp_http_span_exporter";
}

static void put_component(struct out *o, uint32_t field, enum component c, const struct config *cfg)
{
	const char *type = c == PROCESSOR ? "batching_span_processor" : exporter_type(cfg);
	char buf[64];
	struct text name = TEXT_IN(buf);

	if (c == NO_COMPONENT)
		return;
	text_add_str(&name, type);
	text_add_str(&name, "/0");
	text_add_char(&name, '\0');
	put_attr(o, field, "otel.component.name", buf);
	put_attr(o, field, "otel.component.type", type);
}

struct moment {
	uint64_t start;
	uint64_t now;
	const struct config *cfg;
};

static void put_metric(struct out *o, const struct moment *when, const struct metric *is,
		       const struct point *points, size_t n)
{
	uint8_t metric[METRIC_MAX], sum[METRIC_MAX], point[POINT_MAX];
	struct out m = { metric, 0 }, s = { sum, 0 };

	for (size_t i = 0; i < n; i++) {
		struct out p = { point, 0 };

		put_fixed64(&p, 2, when->start);
		put_fixed64(&p, 3, when->now);
		put_fixed64(&p, 6, points[i].value);
		if (points[i].key)
			put_attr(&p, ATTR_OF_NUMBER, points[i].key, points[i].text);
		put_component(&p, ATTR_OF_NUMBER, is->component, when->cfg);
		put_bytes(&s, 1, point, p.len);
	}
	put_small(&s, 2, 2); /* cumulative */
	if (is->is_monotonic)
		put_small(&s, 3, 1);
	put_text(&m, 1, is->name);
	put_text(&m, 2, is->about);
	put_text(&m, 3, is->unit);
	put_bytes(&m, 7, sum, s.len);
	put_bytes(o, 2, metric, m.len);
}

/* --- how long exports took --- */

static void put_server(struct out *o, const struct endpoint *to)
{
	uint16_t port = 0;
	struct bytes address = to ? endpoint_address(to, &port) : (struct bytes){ NULL, 0 };

	if (address.len == 0 || address.len > ADDRESS_MAX)
		return;
	put_attr_bytes(o, ATTR_OF_HISTOGRAM, "server.address", address);
	if (port)
		put_attr_int(o, ATTR_OF_HISTOGRAM, "server.port", port);
}

/* One bucket without bounds, as the conventions would have it. */
static void put_duration(struct out *o, const struct moment *when, const struct operations *all,
			 const struct operation *is)
{
	char buf[OPERATION_TEXT];
	const char *error = operation_error_type(is, buf);
	const char *grpc = operation_grpc_status(is);
	uint8_t bucket[8], yes[] = { 2 << 3, 1 }; /* bool_value */

	put_fixed64(o, 2, when->start);
	put_fixed64(o, 3, when->now);
	put_fixed64(o, 4, is->count);
	put_seconds(o, 5, is->sum_ns);
	for (int i = 0; i < 8; i++)
		bucket[i] = (uint8_t)(is->count >> 8 * i);
	put_bytes(o, 6, bucket, sizeof(bucket));
	put_seconds(o, 11, is->min_ns);
	put_seconds(o, 12, is->max_ns);
	if (is == &all->of[OPERATIONS_MAX]) {
		put_pair(o, ATTR_OF_HISTOGRAM, "otel.metric.overflow", &(struct out){ yes, 2 });
		return;
	}
	if (error)
		put_attr(o, ATTR_OF_HISTOGRAM, "error.type", error);
	if (is->http_status)
		put_attr_int(o, ATTR_OF_HISTOGRAM, "http.response.status_code", is->http_status);
	if (grpc)
		put_attr(o, ATTR_OF_HISTOGRAM, "rpc.response.status_code", grpc);
	put_server(o, all->to);
	put_component(o, ATTR_OF_HISTOGRAM, EXPORTER, when->cfg);
}

static size_t durations_bound(const struct operations *all)
{
	return DURATION_HEAD + (all->n + 1) * DURATION_MAX;
}

/* Of many points: they are made where they stay, but for the room of the head. */
static void put_durations(struct out *o, const struct moment *when, const struct operations *all)
{
	uint8_t head[DURATION_HEAD], point[DURATION_MAX];
	struct out points = { o->to + o->len + DURATION_HEAD, 0 }, m = { head, 0 };

	for (size_t i = 0; i <= OPERATIONS_MAX; i++) {
		struct out p = { point, 0 };

		if (all->of[i].count == 0)
			continue;
		put_duration(&p, when, all, &all->of[i]);
		put_bytes(&points, 1, point, p.len);
	}
	if (points.len == 0)
		return;
	put_small(&points, 2, 2); /* cumulative */
	put_text(&m, 1, "otel.sdk.exporter.operation.duration");
	put_text(&m, 2, "How long exports took");
	put_text(&m, 3, "s");
	m.len += otlp_encode_prefix(m.to + m.len, 9, points.len);
	o->len += otlp_encode_prefix(o->to + o->len, 2, m.len + points.len);
	memcpy(o->to + o->len, head, m.len);
	o->len += m.len;
	memmove(o->to + o->len, points.to, points.len);
	o->len += points.len;
}

/* --- all of a process --- */

struct numbers {
	uint64_t of[STATS];
};

static uint64_t without(uint64_t n, uint64_t less)
{
	return n > less ? n - less : 0;
}

static void put_spans(struct out *o, const struct moment *when, const struct numbers *n)
{
	uint64_t started = n->of[STAT_SPANS_STARTED], dropped = n->of[STAT_SPANS_UNSAMPLED];
	uint64_t queue_full = n->of[STAT_SPANS_QUEUE_FULL];
	const struct point both[] = {
		{ without(started, dropped), "otel.span.sampling_result", "RECORD_AND_SAMPLE" },
		{ dropped, "otel.span.sampling_result", "DROP" },
	};
	const struct point live = { without(started, dropped + queue_full +
							     n->of[STAT_SPANS_ENDED] +
							     n->of[STAT_SPANS_DISCARDED]),
				    "otel.span.sampling_result", "RECORD_AND_SAMPLE" };
	const struct point processed[] = {
		{ n->of[STAT_SPANS_ENDED], NULL, NULL },
		{ queue_full, "error.type", "queue_full" },
	};

	put_metric(o, when,
		   &(struct metric){ "otel.sdk.span.started", "{span}", "Spans that were started",
				     true, NO_COMPONENT },
		   both, 2);
	put_metric(o, when,
		   &(struct metric){ "otel.sdk.span.live", "{span}", "Spans that are under way",
				     false, NO_COMPONENT },
		   &live, 1);
	put_metric(o, when,
		   &(struct metric){ "otel.sdk.processor.span.processed", "{span}",
				     "Spans that were handed to the exporter, or were not", true,
				     PROCESSOR },
		   processed, 2);
}

/* Of the process that delivers: these are the tree's. */
static void put_exporter(struct out *o, const struct moment *when, struct exporter *x,
			 const struct numbers *n)
{
	const struct point size = { atomic_load(&x->store->done), NULL, NULL };
	const struct point capacity = { x->config->bsp_queue_size, NULL, NULL };
	const struct point none = { 0, NULL, NULL }; /* between two batches */
	const struct point exported[] = {
		{ n->of[STAT_SPANS_EXPORTED], NULL, NULL },
		{ n->of[STAT_SPANS_FAILED], "error.type", "rejected" },
	};

	put_metric(o, when,
		   &(struct metric){ "otel.sdk.processor.span.queue.size", "{span}",
				     "Spans that wait", false, PROCESSOR },
		   &size, 1);
	put_metric(o, when,
		   &(struct metric){ "otel.sdk.processor.span.queue.capacity", "{span}",
				     "Spans that may wait", false, PROCESSOR },
		   &capacity, 1);
	put_metric(o, when,
		   &(struct metric){ "otel.sdk.exporter.span.inflight", "{span}",
				     "Spans that are being sent", false, EXPORTER },
		   &none, 1);
	put_metric(o, when,
		   &(struct metric){ "otel.sdk.exporter.span.exported", "{span}",
				     "Spans that were delivered, or were not", true, EXPORTER },
		   exported, 2);
}

/* False: no memory. */
static bool put_process(struct metrics *m, struct out *to, const struct moment *when, uint32_t pid,
			const struct numbers *n, bool is_own)
{
	size_t bound = otlp_resource_bound(m->resource);
	uint8_t *resource = scratch_alloc(&m->memory, bound);
	uint8_t *all = scratch_alloc(&m->memory,
				     PROCESS_MAX + (is_own ? durations_bound(m->operations) : 0));
	uint8_t scope[OTLP_SCOPE_BOUND];
	struct out o = { all, 0 };
	size_t head, inner;

	if (!resource || !all)
		return false;
	put_bytes(&o, 1, scope, otlp_encode_scope(scope));
	put_spans(&o, when, n);
	if (is_own) {
		put_exporter(&o, when, m->x, n);
		put_durations(&o, when, m->operations);
	}
	put_text(&o, 3, SCHEMA_URL);
	head = otlp_encode_resource(m->resource, pid, resource);
	inner = otlp_prefix_len(1, head) + head + otlp_prefix_len(2, o.len) + o.len +
		otlp_prefix_len(3, sizeof(SCHEMA_URL) - 1) + sizeof(SCHEMA_URL) - 1;
	to->to = scratch_alloc(&m->memory, otlp_prefix_len(1, inner) + inner);
	if (!to->to)
		return false;
	to->len = otlp_encode_prefix(to->to, 1, inner);
	put_bytes(to, 1, resource, head);
	put_bytes(to, 2, all, o.len);
	put_text(to, 3, SCHEMA_URL); /* of the resource (O47) */
	return true;
}

static void numbers_of(struct numbers *n, struct counts *c)
{
	for (int i = 0; i < STATS; i++)
		n->of[i] = c ? c->before[i] + stats_sum(&c->now, (enum stat_id)i) :
			       stats_read((enum stat_id)i);
}

/* c: of another process; NULL: of this one. */
static bool add_process(struct metrics *m, struct out *body, const struct moment *when,
			uint32_t pid, struct counts *c)
{
	struct numbers n;
	struct out one;
	uint8_t *more;

	numbers_of(&n, c);
	if (!put_process(m, &one, when, pid, &n, !c))
		return false;
	more = scratch_alloc(&m->memory, ROOM + body->len + one.len);
	if (!more)
		return false;
	more += ROOM;
	if (body->len)
		memcpy(more, body->to, body->len);
	memcpy(more + body->len, one.to, one.len);
	body->to = more;
	body->len += one.len;
	return true;
}

struct bytes metrics_encode(struct metrics *m, uint64_t now_unix_ns)
{
	struct moment when = { m->start_unix_ns, now_unix_ns, m->x->config };
	struct store *st = m->x->store;
	uint32_t own = (uint32_t)raw_getpid();
	uint32_t used = atomic_load(&st->counted);
	struct out body = { NULL, 0 };

	scratch_reset(&m->memory);
	if (!add_process(m, &body, &when, own, NULL))
		return (struct bytes){ NULL, 0 };
	if (used > STORE_COUNTS)
		used = STORE_COUNTS;
	for (uint32_t i = COUNTS_ENDED + 1; i < used; i++) {
		struct counts *c = counts_of(st, i);
		uint32_t pid = atomic_load(&c->pid);

		/* Memory that ends here leaves those out that it had no room for. */
		if (pid && pid != own && !add_process(m, &body, &when, pid, c))
			break;
	}
	return (struct bytes){ (const char *)body.to, body.len };
}

/* --- when --- */

static bool is_wanted(const struct config *cfg)
{
	return bytes_equal_nocase(bytes_trim(cfg->metrics_exporter), BYTES("otlp"));
}

void metrics_begin(struct metrics *m, struct exporter *x, const struct resource *resource,
		   const struct operations *operations)
{
	static struct endpoint endpoint;

	m->x = x;
	m->resource = resource;
	m->operations = operations;
	m->transport = NULL;
	m->seen = 0;
	m->next_ns = clock_monotonic_ns() + (uint64_t)x->config->metric_interval_ms * MS_NS;
	if (!is_wanted(x->config))
		return;
	if (!m->memory.limit)
		m->memory.limit = 4u << 20;
	/* Counters outlive this thread, but not a fork. */
	if (m->pid != (uint32_t)raw_getpid())
		m->start_unix_ns = clock_realtime_ns();
	m->pid = (uint32_t)raw_getpid();
	endpoint_init_metrics(&endpoint, x->config);
	if (endpoint.kind != ENDPOINT_UNKNOWN)
		m->transport = transport_new(&endpoint);
	else if (exporter_log)
		exporter_log(BYTES("metrics: the endpoint is no http URL: none are sent"));
}

void metrics_end(struct metrics *m)
{
	transport_free(m->transport);
	m->transport = NULL;
	scratch_trim(&m->memory);
}

void metrics_turn(struct metrics *m, bool is_last)
{
	uint64_t ms, now, spans;
	struct response r;
	struct bytes body;

	if (!m->transport || is_too_late(m->x))
		return;
	now = clock_monotonic_ns();
	spans = stats_read(STAT_SPANS_STARTED) + stats_read(STAT_SPANS_EXPORTED) +
		stats_read(STAT_SPANS_FAILED);
	if (spans == m->seen || (!is_last && now < m->next_ns))
		return;
	m->seen = spans;
	m->next_ns = now + (uint64_t)m->x->config->metric_interval_ms * MS_NS;
	ms = m->x->config->metric_timeout_ms;
	body = metrics_encode(m, clock_realtime_ns());
	if (body.ptr)
		(void)transport_post(m->transport, m->x, body,
				     now + (ms && ms * MS_NS < HOLD_NS ? ms * MS_NS : HOLD_NS), &r);
}
