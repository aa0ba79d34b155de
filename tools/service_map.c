/* SPDX-License-Identifier: Apache-2.0 */
#include "service_map.h"

#include <stdlib.h>

#include "call_name.h"

#define SERVICES_MAX 4096u
#define EDGES_MAX 8192u

bool service_map_init(struct service_map *m)
{
	*m = (struct service_map){ .edges = calloc(EDGES_MAX, sizeof(*m->edges)) };
	if (m->edges && name_table_init(&m->names, SERVICES_MAX) &&
	    name_table_init(&m->keys, EDGES_MAX))
		return true;
	service_map_done(m);
	return false;
}

void service_map_done(struct service_map *m)
{
	for (uint32_t i = 0; i < m->keys.count; i++)
		samples_done(&m->edges[i].took);
	free(m->edges);
	name_table_done(&m->names);
	name_table_done(&m->keys);
	*m = (struct service_map){ 0 };
}

/* By name, so that the keys of two maps can be compared; a caller from outside has none. */
static void make_key(struct text *to, struct bytes caller, struct bytes callee, bool is_traced)
{
	text_add(to, caller);
	text_add_char(to, '\0');
	text_add(to, callee);
	text_add_char(to, is_traced ? 't' : 'u');
}

/* NULL: there is no room. */
static struct edge *edge_get(struct service_map *m, struct bytes caller, struct bytes callee,
			     bool is_traced)
{
	struct text key = { 0 };
	uint32_t before = m->keys.count, number;
	struct edge made = { .caller = NAME_NONE, .is_traced = is_traced };

	make_key(&key, caller, callee, is_traced);
	number = name_table_get(&m->keys, (struct bytes){ key.ptr, key.len });
	text_done(&key);
	if (number == NAME_NONE)
		return NULL;
	if (number == before) {
		if (caller.len)
			made.caller = name_table_get(&m->names, caller);
		made.callee = name_table_get(&m->names, callee);
		m->edges[number] = made;
	}
	/* A service that had no room has an edge that cannot be shown. */
	return m->edges[number].callee == NAME_NONE ? NULL : &m->edges[number];
}

static bool is_failed(const struct otlp_span *s)
{
	return s && s->status == OTLP_STATUS_ERROR;
}

/* call: the caller's span, or NULL; served: the callee's, or NULL. */
static void add_call(struct service_map *m, struct bytes caller, struct bytes callee,
		     const struct otlp_span *call, const struct otlp_span *served)
{
	struct edge *e = edge_get(m, caller, callee, served != NULL);
	const struct otlp_span *s = call ? call : served;

	if (!e)
		return;
	e->errors += is_failed(call) || is_failed(served);
	samples_add(&e->took, span_time_is_broken(s) ? 0 : s->end_ns - s->start_ns);
}

static bool is_call(const struct otlp_span *s)
{
	return s->kind == OTLP_KIND_CLIENT || s->kind == OTLP_KIND_PRODUCER;
}

static bool is_served(const struct otlp_span *s)
{
	return s->kind == OTLP_KIND_SERVER || s->kind == OTLP_KIND_CONSUMER;
}

static bool has_callee(const struct trace_tree *tree, uint32_t node)
{
	const struct otlp_span *s = tree->nodes[node].span;

	for (uint32_t i = tree->nodes[node].first_child; i != TREE_NONE; i = tree->nodes[i].next)
		if (is_served(tree->nodes[i].span) ||
		    !bytes_equal(tree->nodes[i].span->resource->service, s->resource->service))
			return true;
	return false;
}

/* "postgresql (db:5432)": what a database is says more than where. */
static void add_untraced(struct service_map *m, const struct trace_tree *tree, uint32_t node)
{
	const struct otlp_span *s = tree->nodes[node].span;
	struct bytes system = otlp_find_text(&s->attrs, "db.system.name");
	struct text scratch = { 0 }, name = { 0 };
	struct bytes peer = call_peer(tree, node, &scratch);

	if (!system.len)
		system = otlp_find_text(&s->attrs, "messaging.system");
	text_add(&name, system);
	if (system.len && peer.len && !bytes_equal(system, peer))
		text_add_str(&name, " (");
	if (!bytes_equal(system, peer))
		text_add(&name, peer);
	if (system.len && peer.len && !bytes_equal(system, peer))
		text_add_char(&name, ')');
	if (!name.len)
		text_add_str(&name, "(unknown)");
	add_call(m, s->resource->service, (struct bytes){ name.ptr, name.len }, s, NULL);
	text_done(&scratch);
	text_done(&name);
}

void service_map_add(struct service_map *m, const struct trace_report *r)
{
	m->traces++;
	for (uint32_t i = 0; i < r->tree.count; i++) {
		const struct tree_node *n = &r->tree.nodes[i];
		const struct otlp_span *s = n->span, *parent;
		struct bytes service = s->resource->service;

		if (is_call(s) && !has_callee(&r->tree, i))
			add_untraced(m, &r->tree, i);
		if (n->parent == TREE_NONE) {
			if (is_served(s))
				add_call(m, (struct bytes){ NULL, 0 }, service, NULL, s);
			continue;
		}
		parent = r->tree.nodes[n->parent].span;
		if (is_call(parent) && is_served(s))
			add_call(m, parent->resource->service, service, parent, s);
		else if (!bytes_equal(parent->resource->service, service))
			add_call(m, parent->resource->service, service, NULL, s);
	}
}

static struct bytes name_of(const struct service_map *m, uint32_t number)
{
	return number == NAME_NONE ? (struct bytes){ NULL, 0 } : m->names.names[number];
}

uint32_t service_map_compare(struct service_map *m, const struct service_map *old)
{
	uint32_t differ = 0;

	m->is_compared = true;
	for (uint32_t i = 0; i < m->keys.count; i++)
		if (name_table_find(&old->keys, m->keys.names[i]) == NAME_NONE) {
			m->edges[i].change = EDGE_NEW;
			differ++;
		}
	for (uint32_t i = 0; i < old->keys.count; i++) {
		const struct edge *was = &old->edges[i];
		struct edge *e;

		if (was->callee == NAME_NONE ||
		    name_table_find(&m->keys, old->keys.names[i]) != NAME_NONE)
			continue;
		e = edge_get(m, name_of(old, was->caller), name_of(old, was->callee),
			     was->is_traced);
		if (!e)
			continue;
		e->change = EDGE_VANISHED;
		differ++;
	}
	return differ;
}
