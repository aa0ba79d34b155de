/* SPDX-License-Identifier: Apache-2.0 */
/* Findings in words: what, evidence, what it may come from. */
#include "call_name.h"
#include "term.h"
#include "verdict.h"

const char *finding_label(enum finding_kind kind)
{
	static const char *const labels[] = {
		[FINDING_CULPRIT] = "culprit",   [FINDING_ERROR] = "error",
		[FINDING_N_PLUS_1] = "N+1",      [FINDING_CLOCK] = "clock",
		[FINDING_OUTLIVES] = "outlives", [FINDING_ORPHAN] = "orphan",
	};

	return labels[kind];
}

static void add_ns(struct text *to, uint64_t ns)
{
	char took[16];

	term_duration(took, sizeof(took), ns);
	text_add_str(to, took);
}

static void add_span(struct text *to, const struct otlp_span *s)
{
	text_add(to, s->resource->service);
	text_add_char(to, ' ');
	text_add_str(to, otlp_kind_name(s->kind));
	text_add_char(to, ' ');
	span_title(to, s);
}

static void add_site(struct text *to, const struct otlp_span *s)
{
	struct text site = { 0 };

	call_site(&site, s);
	if (site.len)
		text_add_str(to, "; made by ");
	text_add(to, (struct bytes){ site.ptr, site.len });
	text_done(&site);
}

static bool has_other_side(const struct trace_tree *tree, uint32_t node)
{
	for (uint32_t i = tree->nodes[node].first_child; i != TREE_NONE; i = tree->nodes[i].next)
		if (tree->nodes[i].span->kind == OTLP_KIND_SERVER)
			return true;
	return false;
}

static void add_culprit(struct text *to, const struct trace_report *r, const struct finding *f)
{
	const struct otlp_span *s = r->tree.nodes[f->node].span;
	struct text scratch = { 0 };
	struct bytes peer = call_peer(&r->tree, f->node, &scratch);

	if (f->count > 1) {
		text_printf(to, "%u x ", f->count);
		call_name(to, &r->tree, f->node);
	} else {
		add_span(to, s);
	}
	text_add_str(to, ": ");
	add_ns(to, f->ns);
	text_add_str(to, " of ");
	add_ns(to, f->of_ns);
	text_printf(to, " (%u %%), ",
		    f->of_ns ? (unsigned)((double)f->ns / (double)f->of_ns * 100) : 0);
	if (f->count > 1 && has_other_side(&r->tree, f->node)) {
		text_add_str(to, "calls and answers together");
	} else if (s->kind == OTLP_KIND_CLIENT && has_other_side(&r->tree, f->node)) {
		text_add_str(to, "on the way to ");
		text_add(to, peer);
		text_add_str(to, " and back: network, or a queue before it");
	} else if (s->kind == OTLP_KIND_CLIENT && peer.len) {
		text_add_str(to, "waiting for ");
		text_add(to, peer);
		text_add_str(to, ", which sent no spans");
	} else {
		text_add_str(to, "its own time");
	}
	add_site(to, s);
	text_done(&scratch);
}

static void add_error(struct text *to, const struct trace_report *r, const struct finding *f)
{
	const struct otlp_span *s = r->tree.nodes[f->node].span;
	const struct span_time *t = &r->times.at[f->node];

	add_span(to, s);
	text_add_char(to, ' ');
	span_outcome(to, s);
	if (t->is_known) {
		text_add_str(to, " failed after ");
		add_ns(to, t->end_ns - r->times.start_ns);
	}
	if (f->count > 1)
		text_printf(to, ", the first of %u failed spans", f->count);
	if (f->is_survived)
		text_add_str(to, "; the trace as a whole did not fail");
	add_site(to, s);
}

static void add_n_plus_1(struct text *to, const struct trace_report *r, const struct finding *f)
{
	text_printf(to, "%u x ", f->count);
	call_name(to, &r->tree, f->node);
	text_add_str(to, ", serial, ");
	add_ns(to, f->ns);
	text_add_str(to, " of ");
	add_ns(to, f->of_ns);
	text_add_str(to, "; in parallel about ");
	add_ns(to, f->new_ns);
	if (f->is_same)
		text_add_str(to, "; always the same, so once may do");
	add_site(to, r->tree.nodes[f->node].span);
}

static void add_clock(struct text *to, const struct trace_report *r, const struct finding *f)
{
	const struct tree_node *n = &r->tree.nodes[f->node];
	const struct otlp_resource *there = n->span->resource;
	const struct otlp_resource *here = r->tree.nodes[n->parent].span->resource;
	const struct span_time *t = &r->times.at[f->node];
	struct bytes host = otlp_find_text(&there->attrs, "host.name");

	if (t->clock == CLOCK_WAS_SET) {
		add_span(to, n->span);
		text_add_str(to, " was before the call that it answers, on one host");
		if (host.len)
			text_add_str(to, ", ");
		text_add(to, host);
		text_add_str(to, ": its clock was set in between, or the times are wrong");
		return;
	}
	text_add_str(to, "the clock of ");
	text_add(to, there->service);
	if (host.len) {
		text_add_str(to, " on ");
		text_add(to, host);
	}
	text_add_str(to, " is about ");
	add_ns(to, t->moved_ns < 0 ? 0 - (uint64_t)t->moved_ns : (uint64_t)t->moved_ns);
	text_add_str(to, t->moved_ns < 0 ? " ahead of " : " behind ");
	text_add(to, here->service);
	text_add_str(to, "'s, give or take ");
	add_ns(to, t->unsure_ns);
	text_add_str(to, ": its spans are shown moved; is NTP at work on both hosts?");
}

static void add_outlives(struct text *to, const struct trace_report *r, const struct finding *f)
{
	const struct tree_node *n = &r->tree.nodes[f->node];

	add_span(to, n->span);
	text_add_str(to, " goes on for ");
	add_ns(to, f->ns);
	if (r->times.at[f->node].lasting == LASTING_AFTER_PARENT) {
		text_add_str(to, " after its parent's end: work in the background, or a parent "
				 "that ends too early");
		return;
	}
	text_add_str(to, " after ");
	text_add(to, r->tree.nodes[n->parent].span->resource->service);
	text_add_str(to, " stopped waiting for it: a timeout, or a request that was cancelled");
}

static void add_orphan(struct text *to, const struct trace_report *r, const struct finding *f)
{
	static const char *const causes[] = {
		[ORPHAN_NONE] = "",
		[ORPHAN_REMOTE] = "the caller's span did not come: is the caller traced, does it "
				  "send here, did it keep this trace?",
		[ORPHAN_LOCAL] = "its parent, in the same process, did not come: still under way, "
				 "dropped, or lost with the process",
		[ORPHAN_UNKNOWN] = "its parent did not come: still under way, not traced, or sent "
				   "elsewhere",
		[ORPHAN_CIRCLE] = "its parents run in a circle: two spans have one id",
	};

	if (f->count > 1)
		text_printf(to, "%u spans (?), the first ", f->count);
	add_span(to, r->tree.nodes[f->node].span);
	text_add_str(to, ": ");
	text_add_str(to, causes[f->cause]);
}

void finding_text(struct text *to, const struct trace_report *r, const struct finding *f)
{
	static void (*const write[])(struct text *, const struct trace_report *,
				     const struct finding *) = {
		[FINDING_CULPRIT] = add_culprit,   [FINDING_ERROR] = add_error,
		[FINDING_N_PLUS_1] = add_n_plus_1, [FINDING_CLOCK] = add_clock,
		[FINDING_OUTLIVES] = add_outlives, [FINDING_ORPHAN] = add_orphan,
	};

	write[f->kind](to, r, f);
}
