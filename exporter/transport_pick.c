/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the two builds of transport.c an endpoint is sent to by. */
#include "tls_object.h"
#include "transport.h"

static struct transport_ops *ops_of(struct transport *t)
{
	return &((struct transport_head *)(void *)t)->ops;
}

struct transport *transport_new(const struct endpoint *e)
{
	struct transport_ops ops;
	struct transport *t;

	if (!endpoint_needs_tls_object(e))
		transport_ops_fill(&ops);
	else if (!tls_object_ops(&ops))
		return NULL;
	t = ops.make(e);
	if (t)
		*ops_of(t) = ops;
	return t;
}

void transport_free(struct transport *t)
{
	if (t)
		ops_of(t)->free(t);
}

void transport_set_gzip(struct transport *t, bool is_gzip)
{
	ops_of(t)->set_gzip(t, is_gzip);
}

bool transport_begin(struct transport *t, struct bytes body)
{
	return ops_of(t)->begin(t, body);
}

enum outcome transport_poll(struct transport *t, struct exporter *x, uint64_t until_ns,
			    struct response *ret)
{
	return ops_of(t)->poll(t, x, until_ns, ret);
}

void transport_wait(struct transport *t)
{
	ops_of(t)->wait(t);
}

size_t transport_fds(struct transport *t, struct pollfd *ret, size_t max)
{
	return ops_of(t)->fds(t, ret, max);
}

struct bytes transport_body(struct transport *t)
{
	return ops_of(t)->body(t);
}

enum outcome transport_post(struct transport *t, struct exporter *x, struct bytes body,
			    uint64_t until_ns, struct response *ret)
{
	enum outcome outcome;

	if (!transport_begin(t, body)) {
		*ret = (struct response){ .status = 0 };
		return OUTCOME_IMPOSSIBLE;
	}
	while ((outcome = transport_poll(t, x, until_ns, ret)) == OUTCOME_UNDERWAY)
		transport_wait(t);
	return outcome;
}
