/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver.h"

#include "clock.h"
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

void deliver_init(struct deliver *d, struct exporter *x, struct transport *transport,
		  uint32_t timeout_ms, struct tally tally)
{
	*d = (struct deliver){ .x = x, .transport = transport, .tally = tally };
	d->timeout_ns = (uint64_t)timeout_ms * MS_NS;
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

static void count_accepted(struct deliver *d)
{
	struct response *r = &d->response;
	size_t rejected = 0;

	if (r->rejected > 0)
		rejected = (uint64_t)r->rejected < d->spans ? (size_t)r->rejected : d->spans;
	atomic_fetch_add(&d->x->accepted, 1);
	tally_accepted(&d->tally, d->spans, rejected);
	if (rejected || r->text[0])
		log_loss(d, r);
}

static uint64_t end_of_patience(struct deliver *d)
{
	uint64_t deadline = atomic_load(&d->x->deadline_ns);

	return deadline && deadline < d->until_ns ? deadline : d->until_ns;
}

static bool is_worth_retrying(enum outcome outcome)
{
	return outcome == OUTCOME_UNREACHED || outcome == OUTCOME_BROKEN || outcome == OUTCOME_BUSY;
}

static bool lose(struct deliver *d)
{
	d->state = DELIVER_IDLE;
	/* With a deadline it is the end of the process that cut us short, not the receiver. */
	tally_lost(&d->tally, d->spans, is_too_late(d->x));
	log_loss(d, &d->response);
	return false;
}

/*
 * Waits before the next attempt, or loses what is not worth one.  Whoever waits for a flush is not
 * kept waiting for a receiver that is not there: one attempt, and no second.
 */
static bool wait_to_retry(struct deliver *d)
{
	uint64_t wait_ns = d->response.retry_after_ms ? d->response.retry_after_ms * MS_NS :
							backoff_ns(d, d->attempts);

	d->attempts++;
	d->was_hurried = is_hurried(d->x);
	if (!is_worth_retrying(d->outcome) || (d->outcome == OUTCOME_UNREACHED && d->was_hurried))
		return lose(d);
	d->again_ns = clock_monotonic_ns() + wait_ns;
	d->seen = asked_now(d->x);
	d->state = DELIVER_WAITING;
	return d->again_ns < end_of_patience(d) || lose(d);
}

static bool step_sending(struct deliver *d)
{
	d->outcome = transport_poll(d->transport, d->x, d->until_ns, &d->response);
	if (d->outcome == OUTCOME_UNDERWAY)
		return true;
	d->ended_ns = clock_monotonic_ns();
	stats_add(STAT_EXPORT_BYTES, d->body.len);
	status_result(d->outcome != OUTCOME_ACCEPTED, &d->response);
	if (d->outcome != OUTCOME_ACCEPTED)
		return wait_to_retry(d);
	d->state = DELIVER_IDLE;
	count_accepted(d);
	return false;
}

static bool attempt(struct deliver *d)
{
	d->outcome = OUTCOME_IMPOSSIBLE;
	d->response = (struct response){ .status = 0 };
	if (!d->transport || !transport_begin(d->transport, d->body)) {
		d->ended_ns = clock_monotonic_ns();
		status_result(true, &d->response);
		return wait_to_retry(d);
	}
	d->state = DELIVER_SENDING;
	return step_sending(d);
}

static bool step_waiting(struct deliver *d)
{
	bool has_come = clock_monotonic_ns() >= d->again_ns;

	d->seen = asked_now(d->x);
	/*
	 * A reason to hurry came up: one attempt at once, if it was not the receiver's wish.
	 */
	if (d->outcome != OUTCOME_BUSY && !d->was_hurried && is_hurried(d->x))
		has_come = true;
	if (!has_come)
		return d->again_ns < end_of_patience(d) || lose(d);
	stats_inc(STAT_EXPORT_RETRIES);
	return attempt(d);
}

bool deliver_step(struct deliver *d)
{
	if (d->state == DELIVER_IDLE)
		return false;
	return d->state == DELIVER_SENDING ? step_sending(d) : step_waiting(d);
}

void deliver_begin(struct deliver *d, struct bytes body, size_t spans)
{
	d->body = body;
	d->spans = spans;
	d->attempts = 0;
	d->began_ns = clock_monotonic_ns();
	d->until_ns = d->timeout_ns ? d->began_ns + d->timeout_ns : UINT64_MAX;
	(void)attempt(d);
}

void deliver_wait(struct deliver *d)
{
	status_answer();
	if (d->state == DELIVER_SENDING)
		transport_wait(d->transport);
	else
		exporter_sleep(d->x, d->again_ns, d->seen, SLEEP_WHATEVER_WAITS);
}

void deliver_send(struct deliver *d, struct bytes body, size_t spans)
{
	deliver_begin(d, body, spans);
	while (deliver_step(d))
		deliver_wait(d);
}
