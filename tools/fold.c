/* SPDX-License-Identifier: Apache-2.0 */
#include "fold.h"

#include <stdlib.h>

/* So many calls of a kind are shown before the others are counted. */
#define SHOWN_OF_KIND 2u

static void keep_news(struct folding *f, const struct trace_report *r)
{
	for (uint32_t i = 0; i < r->verdict.count; i++)
		f->is_kept[r->verdict.list[i].node] = 1;
	for (uint32_t i = r->tree.count; i-- > 0;) {
		uint32_t node = r->tree.order[i], parent = r->tree.nodes[node].parent;

		f->is_kept[node] |= r->tree.nodes[node].span->status == OTLP_STATUS_ERROR;
		if (parent != TREE_NONE)
			f->is_kept[parent] |= f->is_kept[node];
	}
}

static void hide(struct folding *f, const struct trace_report *r)
{
	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i], parent = r->tree.nodes[node].parent;
		const struct span_time *t = &r->times.at[node];
		struct fold *group;

		if (parent != TREE_NONE && f->is_hidden[parent])
			f->is_hidden[node] = 1;
		if (f->is_hidden[node] || r->groups.of[node] == TREE_NONE)
			continue;
		group = &f->folds[r->groups.of[node]];
		if (group->seen++ < SHOWN_OF_KIND || f->is_kept[node])
			continue;
		f->is_hidden[node] = 1;
		if (!group->hidden++)
			group->start_ns = t->start_ns;
		if (t->end_ns > group->end_ns)
			group->end_ns = t->end_ns;
		group->last = node;
		group->is_critical |= t->is_critical;
	}
}

bool folding_init(struct folding *f, const struct trace_report *r)
{
	uint32_t n = r->tree.count;

	*f = (struct folding){
		.is_kept = calloc(n + 1, 1),
		.is_hidden = calloc(n + 1, 1),
		.folds = calloc(r->groups.count + 1, sizeof(*f->folds)),
	};
	if (!f->is_kept || !f->is_hidden || !f->folds) {
		folding_done(f);
		return false;
	}
	keep_news(f, r);
	hide(f, r);
	return true;
}

void folding_done(struct folding *f)
{
	free(f->is_kept);
	free(f->is_hidden);
	free(f->folds);
	*f = (struct folding){ 0 };
}

const struct fold *fold_at(const struct folding *f, const struct trace_report *r, uint32_t node)
{
	uint32_t group = r->groups.of[node];
	const struct fold *fold = group == TREE_NONE ? NULL : &f->folds[group];

	return fold && fold->hidden && fold->last == node ? fold : NULL;
}
