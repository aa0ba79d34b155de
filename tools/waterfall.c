/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace as text:
 *
 *   trace 0af7651916cd43dd8448eb211c80319c  12.4 ms  6 spans  4 services  1 error
 *   span                                     start    took    self * critical
 *   curl CLIENT GET /orders/7 500 ERROR      +0 us 12.4 ms  512 us* #----------#
 *   `-nginx SERVER GET /orders/7 500       +300 us 11.9 ms  700 us*  #--------#
 *
 * Columns: label (tree, service, kind, title, outcome), start, duration, self time, bar.  The label
 * takes what the others leave; in it the title gives way first, since the tree and the outcome are
 * the news.  In the bar '#' is the span's own time, '-' what it waited for.
 */
#include "waterfall.h"

#include <stdio.h>

#include "call_name.h"
#include "fold.h"
#include "span_title.h"
#include "verdict_print.h"

#define HEADER_COLUMNS 38u /* "trace " and the id */
#define START_COLUMNS (1 + TERM_DURATION_COLUMNS)
#define BAR_MIN 12u
#define BAR_MAX 60u
#define LABEL_MIN 24u
#define OUTCOME_MAX 24u
#define TITLE_MIN 10u

/* Deeper levels are not indented any further, but numbered. */
#define INDENT_MAX 64u

struct layout {
	const struct style *style;
	const struct trace_report *report;
	const struct trace_tree *tree;
	unsigned label;
	unsigned bar;
	unsigned indent; /* levels shown as such */
	struct text scratch;
	bool has_broken_time;
};

static struct layout layout_make(const struct style *st, const struct trace_report *r)
{
	struct layout l = { .style = st, .report = r, .tree = &r->tree };

	l.bar = st->width / 4;
	l.bar = st->width < 100 ? BAR_MIN : l.bar < BAR_MAX ? l.bar : BAR_MAX;
	l.label = st->width - START_COLUMNS - 2 * TERM_DURATION_COLUMNS - l.bar - 5;
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

static void put_header(struct text *to, const struct layout *l, const struct trace *t)
{
	const struct trace_tree *tree = l->tree;
	const struct trace_times *times = &l->report->times;
	char took[16];

	term_duration(took, sizeof(took), times->end_ns - times->start_ns);
	term_color(to, l->style, COLOR_BOLD);
	text_add_str(to, "trace ");
	text_add_hex(to, t->id, sizeof(t->id));
	text_printf(to, "  %s  ", took);
	put_count(to, tree->count, "span");
	text_add_str(to, "  ");
	put_count(to, trace_tree_services(tree), "service");
	term_color(to, l->style, COLOR_PLAIN);
	if (tree->errors) {
		term_color(to, l->style, COLOR_RED);
		text_add_str(to, "  ");
		put_count(to, tree->errors, "error");
		term_color(to, l->style, COLOR_PLAIN);
	}
	text_add_char(to, '\n');
}

static void put_heads(struct text *to, const struct layout *l)
{
	term_color(to, l->style, COLOR_DIM);
	text_printf(to, "%-*s %*s %*s %*s* critical", (int)l->label, "span", (int)START_COLUMNS,
		    "start", (int)TERM_DURATION_COLUMNS, "took", (int)TERM_DURATION_COLUMNS,
		    "self");
	term_color(to, l->style, COLOR_PLAIN);
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

/* Returns the columns taken; the rest of the label's are up to the caller. */
static unsigned put_label(struct text *to, struct layout *l, const struct tree_node *node)
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
	return used;
}

/* "28 more: GET gamma/items/{}" */
static unsigned put_fold_label(struct text *to, struct layout *l, const struct fold *f)
{
	unsigned used = put_branches(to, l, &l->tree->nodes[f->last]);

	text_clear(&l->scratch);
	text_printf(&l->scratch, "%u more: ", f->hidden);
	call_name(&l->scratch, l->tree, f->last);
	term_color(to, l->style, COLOR_DIM);
	used += term_add(to, l->style, text_bytes(&l->scratch), l->label - used);
	term_color(to, l->style, COLOR_PLAIN);
	return used;
}

/* Empty texts are not known; is_critical: on the critical path. */
static void put_columns(struct text *to, const struct layout *l, const char *start,
			const char *took, const char *self, bool is_critical)
{
	term_color(to, l->style, COLOR_DIM);
	text_printf(to, " %*s %*s %*s", (int)START_COLUMNS, start, (int)TERM_DURATION_COLUMNS, took,
		    (int)TERM_DURATION_COLUMNS, self);
	term_color(to, l->style, COLOR_PLAIN);
	if (is_critical)
		term_color(to, l->style, COLOR_YELLOW);
	text_add_str(to, is_critical ? "* " : "  ");
	if (is_critical)
		term_color(to, l->style, COLOR_PLAIN);
}

static void put_times(struct text *to, struct layout *l, const struct span_time *t)
{
	char start[16], took[16], self[16], offset[17];

	if (!t->is_known) {
		l->has_broken_time = true;
		put_columns(to, l, "", "clock?", "", false);
		return;
	}
	term_duration(start, sizeof(start), t->start_ns - l->report->times.start_ns);
	term_duration(took, sizeof(took), t->end_ns - t->start_ns);
	term_duration(self, sizeof(self), t->self_ns);
	snprintf(offset, sizeof(offset), "+%s", start);
	put_columns(to, l, offset, took, self, t->is_critical);
}

/* at/total of cells; 128 bit, since times are anybody's numbers. */
static unsigned scale(uint64_t at, uint64_t total, unsigned cells, bool is_up)
{
	unsigned __int128 product = (unsigned __int128)at * cells;

	return (unsigned)((product + (is_up ? total - 1 : 0)) / total);
}

struct cells {
	unsigned from, until;
};

/* The cells that a time takes, one at least. */
static struct cells cells_of(const struct layout *l, uint64_t start_ns, uint64_t end_ns)
{
	const struct trace_times *times = &l->report->times;
	uint64_t total = times->end_ns - times->start_ns;
	struct cells c = { 0, l->bar };

	if (total) {
		c.from = scale(start_ns - times->start_ns, total, l->bar, false);
		c.until = scale(end_ns - times->start_ns, total, l->bar, true);
	}
	c.from = least(c.from, l->bar - 1);
	c.until = c.until > c.from ? c.until : c.from + 1;
	return c;
}

/* A time in cells, as a fraction. */
static double in_cells(const struct layout *l, uint64_t ns)
{
	const struct trace_times *times = &l->report->times;
	double total = (double)(times->end_ns - times->start_ns);

	return total > 0 ? (double)(ns - times->start_ns) / total * l->bar : 0;
}

/* How much of each cell the children take that are waited for. */
static void cover_cells(const struct layout *l, uint32_t node, double *cover)
{
	double until = 0;

	for (uint32_t i = l->tree->nodes[node].first_child; i != TREE_NONE;
	     i = l->tree->nodes[i].next) {
		const struct span_time *t = &l->report->times.at[i];
		double from, to;

		if (!t->is_known || t->lasting == LASTING_AFTER_PARENT)
			continue;
		from = in_cells(l, t->start_ns);
		to = in_cells(l, t->end_ns);
		from = from > until ? from : until;
		until = to > until ? to : until;
		for (unsigned c = (unsigned)from; c < l->bar && c < to; c++)
			cover[c] += (to < c + 1 ? to : c + 1) - (from > c ? from : c);
	}
}

static void put_bar(struct text *to, const struct layout *l, uint32_t node)
{
	static const char *const signs[2][2] = { { "#", "-" }, { "\u2588", "\u2500" } };
	const struct otlp_span *s = l->tree->nodes[node].span;
	const struct span_time *t = &l->report->times.at[node];
	double cover[BAR_MAX] = { 0 }, from, end;
	struct cells c;

	if (!t->is_known)
		return;
	c = cells_of(l, t->start_ns, t->end_ns);
	from = in_cells(l, t->start_ns);
	end = in_cells(l, t->end_ns);
	cover_cells(l, node, cover);
	term_spaces(to, c.from);
	term_color(to, l->style,
		   s->status == OTLP_STATUS_ERROR ? COLOR_RED :
		   s->kind == OTLP_KIND_CLIENT    ? COLOR_BLUE :
						    COLOR_CYAN);
	for (unsigned i = c.from; i < c.until; i++) {
		double part = (end < i + 1 ? end : i + 1) - (from > i ? from : i);

		text_add_str(to, signs[l->style->has_utf8][cover[i] > part / 2]);
	}
	term_color(to, l->style, COLOR_PLAIN);
}

static void put_row(struct text *to, struct layout *l, uint32_t node)
{
	put_times(to, l, &l->report->times.at[node]);
	put_bar(to, l, node);
	while (to->len && to->ptr[to->len - 1] == ' ')
		to->len--;
	text_add_char(to, '\n');
}

/* From the start of the first to the end of the last of them. */
static void put_fold_row(struct text *to, const struct layout *l, const struct fold *f)
{
	char start[16], took[16], offset[17];
	struct cells c = cells_of(l, f->start_ns, f->end_ns);

	term_duration(start, sizeof(start), f->start_ns - l->report->times.start_ns);
	term_duration(took, sizeof(took), f->end_ns - f->start_ns);
	snprintf(offset, sizeof(offset), "+%s", start);
	put_columns(to, l, offset, took, "", f->is_critical);
	term_spaces(to, c.from);
	term_color(to, l->style, COLOR_DIM);
	for (unsigned i = c.from; i < c.until; i++)
		text_add_str(to, l->style->has_utf8 ? "\u2591" : "=");
	term_color(to, l->style, COLOR_PLAIN);
	text_add_char(to, '\n');
}

/* The rows in order, WATERFALL_ROWS_MAX at most: nodes that are not hidden, or have a fold. */
static uint32_t choose_rows(const struct trace_report *r, const struct folding *f, uint32_t *rows,
			    uint32_t *ret_unprinted)
{
	uint32_t n = 0;

	*ret_unprinted = 0;
	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i];

		if (f->is_hidden[node] && !fold_at(f, r, node))
			continue;
		if (n < WATERFALL_ROWS_MAX)
			rows[n++] = node;
		else
			++*ret_unprinted;
	}
	return n;
}

/* The label takes what the longest needs, at most what is there. */
static void fit_label(struct layout *l, const struct folding *f, const uint32_t *rows, uint32_t n)
{
	struct text unused = { 0 };
	unsigned widest = LABEL_MIN;

	for (uint32_t i = 0; i < n; i++) {
		const struct fold *fold = fold_at(f, l->report, rows[i]);
		unsigned used = fold ? put_fold_label(&unused, l, fold) :
				       put_label(&unused, l, &l->tree->nodes[rows[i]]);

		widest = used > widest ? used : widest;
		text_clear(&unused);
	}
	l->label = least(l->label, widest);
	text_done(&unused);
}

/* Returns how many rows there was no room for. */
static uint32_t put_rows(struct text *to, struct layout *l, const struct folding *f)
{
	static uint32_t rows[WATERFALL_ROWS_MAX]; /* one trace is printed at a time */
	uint32_t unprinted, n = choose_rows(l->report, f, rows, &unprinted);

	fit_label(l, f, rows, n);
	put_heads(to, l);
	for (uint32_t i = 0; i < n; i++) {
		const struct fold *fold = fold_at(f, l->report, rows[i]);
		unsigned used = fold ? put_fold_label(to, l, fold) :
				       put_label(to, l, &l->tree->nodes[rows[i]]);

		term_spaces(to, l->label > used ? l->label - used : 0);
		if (fold)
			put_fold_row(to, l, fold);
		else
			put_row(to, l, rows[i]);
	}
	return unprinted;
}

static void put_remarks(struct text *to, const struct layout *l, uint32_t unprinted)
{
	if (unprinted)
		text_printf(to, "  %u more row%s (--json has all spans)\n", unprinted,
			    unprinted == 1 ? "" : "s");
	if (l->tree->duplicates)
		text_printf(to, "  %u span%s received again, left out\n", l->tree->duplicates,
			    l->tree->duplicates == 1 ? "" : "s");
	if (l->has_broken_time)
		text_add_str(to, "  clock?: no start, or an end before it\n");
}

void waterfall_print(struct text *to, const struct style *st, const struct trace *t,
		     const struct trace_report *r)
{
	struct layout l = layout_make(st, r);
	struct folding f;
	uint32_t unprinted = 0;

	put_header(to, &l, t);
	if (folding_init(&f, r))
		unprinted = put_rows(to, &l, &f);
	else
		to->is_short = true;
	folding_done(&f);
	verdict_print(to, st, r);
	put_remarks(to, &l, unprinted);
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
