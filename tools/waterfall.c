/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace as text:
 *
 *   trace 0af7651916cd43dd8448eb211c80319c  12.4 ms  6 spans  4 services  1 error
 *   curl CLIENT GET /orders/7 500 ERROR              +0 us 12.4 ms ################
 *   `-nginx SERVER GET /orders/7 500 ERROR         +300 us 11.9 ms ################
 *     `-nginx CLIENT GET /orders/7 500             +512 us 11.2 ms  ##############
 *
 * Columns: label (tree, service, kind, title, outcome), start, duration, bar.  The label takes what
 * the others leave; in it the title gives way first, since the tree and the outcome are the news.
 */
#include "waterfall.h"

#include <stdio.h>

#include "span_title.h"

#define HEADER_COLUMNS 38u /* "trace " and the id */
#define START_COLUMNS (1 + TERM_DURATION_COLUMNS)
#define BAR_MIN 16u
#define BAR_MAX 60u
#define OUTCOME_MAX 24u
#define TITLE_MIN 10u

/* Deeper levels are not indented any further, but numbered. */
#define INDENT_MAX 64u

struct layout {
	const struct style *style;
	const struct trace_tree *tree;
	unsigned label;
	unsigned bar;
	unsigned indent; /* levels shown as such */
	struct text scratch;
	bool has_broken_time;
};

static struct layout layout_make(const struct style *st, const struct trace_tree *tree)
{
	struct layout l = { .style = st, .tree = tree };

	l.bar = st->width / 4;
	l.bar = st->width < 100 ? BAR_MIN : l.bar < BAR_MAX ? l.bar : BAR_MAX;
	l.label = st->width - START_COLUMNS - TERM_DURATION_COLUMNS - l.bar - 3;
	l.indent = l.label / 4 < INDENT_MAX ? l.label / 4 : INDENT_MAX;
	return l;
}

static struct bytes text_bytes(const struct text *t)
{
	return (struct bytes){ t->ptr, t->len };
}

static void put_count(struct text *to, uint32_t n, const char *what)
{
	text_printf(to, "%u %s%s", n, what, n == 1 ? "" : "s");
}

/* Traces have few services; the first ones are enough to count. */
static uint32_t count_services(const struct trace_tree *tree)
{
	struct bytes seen[64];
	uint32_t n = 0;

	for (uint32_t i = 0; i < tree->count && n < ARRAY_LEN(seen); i++) {
		struct bytes service = tree->nodes[i].span->resource->service;
		uint32_t j = 0;

		while (j < n && !bytes_equal(seen[j], service))
			j++;
		if (j == n)
			seen[n++] = service;
	}
	return n;
}

static void put_header(struct text *to, const struct layout *l, const struct trace *t)
{
	const struct trace_tree *tree = l->tree;
	char took[16];

	term_duration(took, sizeof(took), tree->end_ns - tree->start_ns);
	term_color(to, l->style, COLOR_BOLD);
	text_add_str(to, "trace ");
	text_add_hex(to, t->id, sizeof(t->id));
	text_printf(to, "  %s  ", took);
	put_count(to, tree->count, "span");
	text_add_str(to, "  ");
	put_count(to, count_services(tree), "service");
	term_color(to, l->style, COLOR_PLAIN);
	if (tree->errors) {
		term_color(to, l->style, COLOR_RED);
		text_add_str(to, "  ");
		put_count(to, tree->errors, "error");
		term_color(to, l->style, COLOR_PLAIN);
	}
	text_add_char(to, '\n');
}

/* Lines from the ancestors down to this node; returns the columns taken. */
static unsigned put_branches(struct text *to, const struct layout *l, const struct tree_node *node)
{
	bool has_more[INDENT_MAX];
	const struct tree_node *at = node;
	bool has_utf8 = l->style->has_utf8;
	char depth[16];

	if (node->depth > l->indent) {
		int n = snprintf(depth, sizeof(depth), "%u> ", node->depth);

		term_spaces(to, 2 * l->indent);
		text_add_str(to, depth);
		return 2 * l->indent + (unsigned)n;
	}
	for (unsigned d = node->depth; d > 0; d--) {
		has_more[d - 1] = at->next != TREE_NONE;
		at = &l->tree->nodes[at->parent];
	}
	for (unsigned d = 0; d + 1 < node->depth; d++)
		text_add_str(to, !has_more[d] ? "  " : has_utf8 ? "\u2502 " : "| ");
	if (node->depth && has_more[node->depth - 1])
		text_add_str(to, has_utf8 ? "\u251c\u2500" : "|-");
	else if (node->depth)
		text_add_str(to, has_utf8 ? "\u2514\u2500" : "`-");
	if (node->is_orphan)
		text_add_str(to, "? ");
	return 2 * node->depth + (node->is_orphan ? 2 : 0);
}

/* Columns for each part of a label, so that together they fit. */
struct shares {
	unsigned service, kind, title, outcome;
};

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static struct shares share_out(unsigned room, const struct shares *want)
{
	struct shares got = *want;
	unsigned total;

	got.outcome = least(got.outcome, OUTCOME_MAX);
	/* Each part but the title has a space behind or before it. */
	total = got.service + 1 + (got.kind ? got.kind + 1 : 0) + got.title +
		(got.outcome ? got.outcome + 1 : 0);
	if (total <= room)
		return got;
	got.title -= least(total - room, got.title > TITLE_MIN ? got.title - TITLE_MIN : 0);
	total = total - want->title + got.title;
	if (total > room && got.service > TITLE_MIN) {
		unsigned cut = least(total - room, got.service - TITLE_MIN);

		got.service -= cut;
		total -= cut;
	}
	if (total > room && got.kind) {
		total -= got.kind + 1;
		got.kind = 0;
	}
	if (total > room)
		got.title -= least(total - room, got.title);
	return got;
}

static void put_label(struct text *to, struct layout *l, const struct tree_node *node)
{
	const struct otlp_span *s = node->span;
	const struct style *st = l->style;
	struct bytes kind = bytes_from_str(otlp_kind_name(s->kind));
	struct bytes title, outcome;
	size_t split;
	struct shares want, got;
	bool is_error = s->status == OTLP_STATUS_ERROR;
	unsigned used = put_branches(to, l, node);

	text_clear(&l->scratch);
	span_title(&l->scratch, s);
	split = l->scratch.len;
	span_outcome(&l->scratch, s);
	title = (struct bytes){ l->scratch.ptr, split };
	outcome = bytes_skip(text_bytes(&l->scratch), split);
	want = (struct shares){ term_columns(st, s->resource->service), (unsigned)kind.len,
				term_columns(st, title), term_columns(st, outcome) };
	got = share_out(l->label - used, &want);

	term_color(to, st, is_error ? COLOR_RED : COLOR_BOLD);
	used += term_add(to, st, s->resource->service, got.service) + 1;
	text_add_char(to, ' ');
	term_color(to, st, is_error ? COLOR_RED : COLOR_PLAIN);
	if (got.kind) {
		used += term_add(to, st, kind, got.kind) + 1;
		text_add_char(to, ' ');
	}
	used += term_add(to, st, title, got.title);
	if (got.outcome) {
		text_add_char(to, ' ');
		used += term_add(to, st, outcome, got.outcome) + 1;
	}
	term_color(to, st, COLOR_PLAIN);
	term_spaces(to, l->label > used ? l->label - used : 0);
}

static void put_times(struct text *to, struct layout *l, const struct otlp_span *s)
{
	char start[16] = "", took[16] = "clock?", offset[17] = "";

	if (!span_time_is_broken(s))
		term_duration(took, sizeof(took), s->end_ns - s->start_ns);
	else
		l->has_broken_time = true;
	if (s->start_ns >= l->tree->start_ns && s->start_ns <= l->tree->end_ns && s->start_ns) {
		term_duration(start, sizeof(start), s->start_ns - l->tree->start_ns);
		snprintf(offset, sizeof(offset), "+%s", start);
	}
	term_color(to, l->style, COLOR_DIM);
	text_printf(to, " %*s %*s ", (int)START_COLUMNS, offset, (int)TERM_DURATION_COLUMNS, took);
	term_color(to, l->style, COLOR_PLAIN);
}

/* at/total of cells; 128 bit, since times are anybody's numbers. */
static unsigned scale(uint64_t at, uint64_t total, unsigned cells, bool is_up)
{
	unsigned __int128 product = (unsigned __int128)at * cells;

	return (unsigned)((product + (is_up ? total - 1 : 0)) / total);
}

static void put_bar(struct text *to, const struct layout *l, const struct otlp_span *s)
{
	uint64_t total = l->tree->end_ns - l->tree->start_ns;
	unsigned from = 0, until = l->bar;

	if (span_time_is_broken(s))
		return;
	if (total) {
		from = scale(s->start_ns - l->tree->start_ns, total, l->bar, false);
		until = scale(s->end_ns - l->tree->start_ns, total, l->bar, true);
	}
	from = least(from, l->bar - 1);
	until = until > from ? until : from + 1;
	term_spaces(to, from);
	term_color(to, l->style,
		   s->status == OTLP_STATUS_ERROR ? COLOR_RED :
		   s->kind == OTLP_KIND_CLIENT    ? COLOR_BLUE :
						    COLOR_CYAN);
	for (unsigned i = from; i < until; i++)
		text_add_str(to, l->style->has_utf8 ? "\u2588" : "#");
	term_color(to, l->style, COLOR_PLAIN);
}

static void put_remark(struct text *to, const struct layout *l, uint32_t n, const char *one,
		       const char *many)
{
	if (!n)
		return;
	term_color(to, l->style, COLOR_YELLOW);
	text_printf(to, "  %u %s", n, n == 1 ? one : many);
	term_color(to, l->style, COLOR_PLAIN);
	text_add_char(to, '\n');
}

static void put_remarks(struct text *to, const struct layout *l, uint32_t unprinted)
{
	put_remark(to, l, unprinted, "more span (--json prints it)",
		   "more spans (--json prints them)");
	put_remark(to, l, l->tree->orphans, "span (?) whose parent was not received",
		   "spans (?) whose parents were not received");
	put_remark(to, l, l->tree->duplicates, "span received again, left out",
		   "spans received again, left out");
	if (l->has_broken_time)
		text_add_str(to, "  clock?: no start, or an end before it\n");
}

void waterfall_print(struct text *to, const struct style *st, const struct trace *t,
		     const struct trace_tree *tree)
{
	struct layout l = layout_make(st, tree);
	uint32_t rows = tree->count < WATERFALL_ROWS_MAX ? tree->count : WATERFALL_ROWS_MAX;

	put_header(to, &l, t);
	for (uint32_t i = 0; i < rows; i++) {
		const struct tree_node *node = &tree->nodes[tree->order[i]];

		put_label(to, &l, node);
		put_times(to, &l, node->span);
		put_bar(to, &l, node->span);
		text_add_char(to, '\n');
	}
	put_remarks(to, &l, tree->count - rows);
	text_add_char(to, '\n');
	text_done(&l.scratch);
}

void waterfall_print_late(struct text *to, const struct style *st, const struct trace *t,
			  const struct trace_tree *tree)
{
	struct text names = { 0 };
	struct bytes before = { NULL, 0 };
	char count[32];

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct otlp_span *s = tree->nodes[tree->order[i]].span;

		if (!s->is_late || bytes_equal(before, s->resource->service))
			continue;
		text_add_str(&names, before.ptr ? ", " : "");
		text_add(&names, s->resource->service);
		before = s->resource->service;
	}
	snprintf(count, sizeof(count), "  %u late span%s of ", t->late, t->late == 1 ? "" : "s");
	term_color(to, st, COLOR_YELLOW);
	text_add_str(to, "trace ");
	text_add_hex(to, t->id, sizeof(t->id));
	text_add_str(to, count);
	term_add(to, st, text_bytes(&names), st->width - HEADER_COLUMNS - (unsigned)strlen(count));
	term_color(to, st, COLOR_PLAIN);
	text_add_str(to, "\n\n");
	text_done(&names);
}
