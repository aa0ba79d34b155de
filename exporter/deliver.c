/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver.h"

#include "clock.h"
#include "endpoint.h"
#include "exporter_status.h"
#include "rawsys.h"
#include "sleep.h"
#include "stats.h"
#include "text.h"

#define MS_NS 1000000u

/* O26: exponential with jitter; five waits and six attempts within the default 10 s. */
#define BACKOFF_FIRST_MS 200u
#define BACKOFF_MAX_MS 5000u
#define JITTER_PERCENT 20u

/* The log is told of the first loss, and then at most once in a minute: counters say how many. */
#define LOG_EVERY_NS (60ull * 1000 * MS_NS)

void deliver_init(struct deliver *d, struct exporter *x, struct transport *transport)
{
	*d = (struct deliver){ .x = x, .transport = transport };
	d->timeout_ns = (uint64_t)endpoint_timeout_ms(x->config) * MS_NS;
	if (raw_getrandom(&d->random, sizeof(d->random), 0) < 0 || d->random == 0)
		d->random = clock_monotonic_ns() | 1;
}

/* xorshift64: only to keep processes from retrying in step. */
static uint64_t random_next(struct deliver *d)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return d->random;
}

static uint64_t backoff_ns(struct deliver *d, unsigned int attempt)
{
	uint64_t ms = BACKOFF_FIRST_MS;
	uint64_t spread;

	while (attempt-- && ms < BACKOFF_MAX_MS)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	spread = ms * MS_NS * JITTER_PERCENT / 100;
	return ms * MS_NS - spread + random_next(d) % (2 * spread);
}

static void log_loss(struct deliver *d, const struct response *r)
{
	char buf[RESPONSE_TEXT + 64];
	struct text line = TEXT_IN(buf);
	uint64_t now = clock_monotonic_ns();

	if (!exporter_log || (d->logged_ns && now - d->logged_ns < LOG_EVERY_NS))
		return;
	d->logged_ns = now;
	text_add_str(&line, "spans were lost: ");
	if (r->status) {
		text_add_str(&line, "HTTP ");
		text_add_uint(&line, (uint64_t)r->status);
		text_add_char(&line, ' ');
	}
	text_add_str(&line, r->text);
	exporter_log(text_bytes(&line));
}

static void count_accepted(struct deliver *d, const struct response *r, size_t spans)
{
	size_t rejected = 0;

	if (r->rejected > 0)
		rejected = (uint64_t)r->rejected < spans ? (size_t)r->rejected : spans;
	(void)store_account(d->x->store, spans);
	atomic_fetch_add(&d->x->accepted, 1);
	stats_inc(STAT_EXPORTS);
	stats_add(STAT_SPANS_EXPORTED, spans - rejected);
	stats_add(STAT_SPANS_FAILED, rejected);
	if (rejected || r->text[0])
		log_loss(d, r);
}

static void count_lost(struct deliver *d, const struct response *r, size_t spans)
{
	/* With a deadline it is the end of the process that cut us short, not the receiver. */
	stats_add(is_too_late(d->x) ? STAT_SPANS_LATE : STAT_SPANS_FAILED,
		  store_account(d->x->store, spans));
	log_loss(d, r);
}

static uint64_t end_of_patience(struct deliver *d, uint64_t until_ns)
{
	uint64_t deadline = atomic_load(&d->x->deadline_ns);

	return deadline && deadline < until_ns ? deadline : until_ns;
}

/*
 * Waits before the next attempt; false: there will be none.  Whoever waits for a flush is not kept
 * waiting for a receiver that is not there: one attempt, and no second.
 */
static bool wait_to_retry(struct deliver *d, enum outcome outcome, uint64_t wait_ns,
			  uint64_t until_ns)
{
	uint64_t again_ns = clock_monotonic_ns() + wait_ns;
	bool was_hurried = is_hurried(d->x);
	struct asked seen = asked_now(d->x);

	if (outcome == OUTCOME_UNREACHED && was_hurried)
		return false;
	while (clock_monotonic_ns() < again_ns) {
		if (again_ns >= end_of_patience(d, until_ns))
			return false;
		exporter_sleep(d->x, again_ns, seen, SLEEP_WHATEVER_WAITS);
		/*
		 * A reason to hurry came up: one attempt at once, if it was not the receiver's
		 * wish.
		 */
		if (outcome != OUTCOME_BUSY && !was_hurried && is_hurried(d->x))
			break;
		seen = asked_now(d->x);
	}
	stats_inc(STAT_EXPORT_RETRIES);
	return true;
}

static bool is_worth_retrying(enum outcome outcome)
{
	return outcome == OUTCOME_UNREACHED || outcome == OUTCOME_BROKEN || outcome == OUTCOME_BUSY;
}

void deliver_send(struct deliver *d, struct bytes body, size_t spans)
{
	uint64_t until_ns = d->timeout_ns ? clock_monotonic_ns() + d->timeout_ns : UINT64_MAX;
	struct response r = { .status = 0 };

	for (unsigned int attempt = 0;; attempt++) {
		enum outcome outcome = OUTCOME_IMPOSSIBLE;
		uint64_t wait_ns;

		if (d->transport) {
			outcome = transport_post(d->transport, d->x, body, until_ns, &r);
			stats_add(STAT_EXPORT_BYTES, body.len);
		}
		status_result(outcome != OUTCOME_ACCEPTED, &r);
		if (outcome == OUTCOME_ACCEPTED) {
			count_accepted(d, &r, spans);
			return;
		}
		wait_ns = r.retry_after_ms ? r.retry_after_ms * MS_NS : backoff_ns(d, attempt);
		if (!is_worth_retrying(outcome) || !wait_to_retry(d, outcome, wait_ns, until_ns)) {
			count_lost(d, &r, spans);
			return;
		}
	}
}
