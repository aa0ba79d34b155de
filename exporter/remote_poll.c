/* SPDX-License-Identifier: Apache-2.0 */
#include "remote_poll.h"

#include "clock.h"
#include "exporter_status.h"
#include "remote.h"
#include "stats.h"
#include "text.h"

#define SECOND_NS 1000000000ull
#define PATIENCE_NS (10 * SECOND_NS)
#define LOG_EVERY_NS (60 * SECOND_NS)

static void say(struct remote_poll *p, long status, const char *what)
{
	char buf[RESPONSE_TEXT + 96];
	struct text line = TEXT_IN(buf);
	uint64_t now = clock_monotonic_ns();

	if (!exporter_log || (p->logged_ns && now - p->logged_ns < LOG_EVERY_NS))
		return;
	p->logged_ns = now;
	text_add_str(&line, "jaeger_remote: no strategy: ");
	if (status) {
		text_add_str(&line, "HTTP ");
		text_add_uint(&line, (uint64_t)status);
		text_add_char(&line, ' ');
	}
	text_add_str(&line, what);
	exporter_log(text_bytes(&line));
}

static void fail(struct remote_poll *p, long status, const char *what)
{
	stats_inc(STAT_STRATEGIES_FAILED);
	say(p, status, what);
}

void remote_poll_begin(struct remote_poll *p, struct exporter *x, const struct resource *resource)
{
	static struct endpoint endpoint; /* transport_new() borrows it */
	struct remote_settings settings;

	*p = (struct remote_poll){ .x = x };
	if (!remote_is_chosen(x->config))
		return;
	(void)remote_settings(x->config, &settings); /* sampler.c has told what is wrong */
	endpoint_init_sampling(&endpoint, settings.endpoint, resource_service(resource));
	if (endpoint.kind != ENDPOINT_UNKNOWN)
		p->transport = transport_new(&endpoint);
	if (!p->transport)
		fail(p, 0, "the endpoint is no http URL, or cannot be spoken to");
}

void remote_poll_end(struct remote_poll *p)
{
	transport_free(p->transport);
	p->transport = NULL;
	p->is_under_way = false;
}

bool remote_poll_is_due(const struct remote_poll *p)
{
	return p->transport && !p->is_under_way &&
	       atomic_load(&p->x->store->polls_asked) != p->seen;
}

static void take(struct remote_poll *p, enum outcome outcome, const struct response *r)
{
	struct bytes body = transport_body(p->transport);

	p->is_under_way = false;
	if (outcome != OUTCOME_ACCEPTED)
		fail(p, r->status, r->text);
	else if (!body.ptr || !remote_answer(p->x->store, body))
		fail(p, r->status, "its answer is none, or too long");
	else
		stats_inc(STAT_STRATEGIES_TAKEN);
}

void remote_poll_turn(struct remote_poll *p)
{
	struct response r;
	enum outcome outcome;

	if (remote_poll_is_due(p) && !is_hurried(p->x)) {
		p->seen = atomic_load(&p->x->store->polls_asked);
		p->until_ns = clock_monotonic_ns() + PATIENCE_NS;
		p->is_under_way = transport_begin(p->transport, (struct bytes){ NULL, 0 });
		if (!p->is_under_way)
			fail(p, 0, "no memory");
	}
	if (!p->is_under_way)
		return;
	outcome = transport_poll(p->transport, p->x, p->until_ns, &r);
	if (outcome != OUTCOME_UNDERWAY)
		take(p, outcome, &r);
}

void remote_poll_wait(struct remote_poll *p)
{
	status_answer();
	transport_wait(p->transport);
}
