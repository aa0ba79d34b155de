/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "json_out.h"
#include "service_map.h"

#define ERRORS_COLUMNS 13u
#define NUMBERS_COLUMNS (28u + ERRORS_COLUMNS) /* calls, errors, p50, p99 */
#define MARK_COLUMNS 2u
#define CHANGE_COLUMNS 10u

static struct bytes name_of(const struct service_map *m, uint32_t number)
{
	return number == NAME_NONE ? BYTES("(outside)") : m->names.names[number];
}

static int compare_bytes(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

static const struct service_map *sorted; /* qsort() takes no argument along */

/* From outside first, then by names. */
static int compare_edge(const void *pa, const void *pb)
{
	const struct edge *a = *(const struct edge *const *)pa;
	const struct edge *b = *(const struct edge *const *)pb;
	int r = (b->caller == NAME_NONE) - (a->caller == NAME_NONE);

	if (!r && a->caller != NAME_NONE)
		r = compare_bytes(name_of(sorted, a->caller), name_of(sorted, b->caller));
	if (!r)
		r = compare_bytes(name_of(sorted, a->callee), name_of(sorted, b->callee));
	return r ? r : a->is_traced - b->is_traced;
}

/* Returns owned: pointers to the edges that can be shown, in order; NULL: no memory. */
static struct edge **sort(const struct service_map *m, uint32_t *ret_count)
{
	struct edge **list = calloc(m->keys.count + 1, sizeof(*list));
	uint32_t n = 0;

	for (uint32_t i = 0; list && i < m->keys.count; i++)
		if (m->edges[i].callee != NAME_NONE)
			list[n++] = &m->edges[i];
	sorted = m;
	if (list)
		qsort(list, n, sizeof(struct edge *), compare_edge);
	*ret_count = n;
	return list;
}

/* --- text --- */

static void put_numbers(struct text *to, const struct style *st, struct edge *e)
{
	char p50[16] = "", p99[16] = "", errors[40] = "";

	if (e->change == EDGE_VANISHED) {
		term_spaces(to, NUMBERS_COLUMNS);
		return;
	}
	if (e->took.count) {
		term_duration(p50, sizeof(p50), samples_percentile(&e->took, 50));
		term_duration(p99, sizeof(p99), samples_percentile(&e->took, 99));
	}
	if (e->errors)
		snprintf(errors, sizeof(errors), "%llu (%u %%)", (unsigned long long)e->errors,
			 samples_share(&e->took, e->errors));
	text_printf(to, "%8llu ", (unsigned long long)e->took.count);
	term_color(to, st, e->errors ? COLOR_RED : COLOR_PLAIN);
	text_printf(to, "%*s", (int)ERRORS_COLUMNS, errors);
	term_color(to, st, COLOR_PLAIN);
	text_printf(to, " %7s  %7s  ", p50, p99);
}

static void put_text_edge(struct text *to, const struct style *st, const struct service_map *m,
			  struct edge *e)
{
	static const char *const marks[] = { "  ", "+ ", "- " };
	static const char *const words[] = { "", "  new", "  vanished" };
	unsigned room = st->width - MARK_COLUMNS - NUMBERS_COLUMNS - (unsigned)strlen(" ->  ?") -
			(m->is_compared ? CHANGE_COLUMNS : 0);
	unsigned used;

	term_color(to, st, e->change == EDGE_SAME ? COLOR_PLAIN : COLOR_YELLOW);
	text_add_str(to, marks[e->change]);
	term_color(to, st, COLOR_PLAIN);
	put_numbers(to, st, e);
	used = term_add(to, st, name_of(m, e->caller), room / 2);
	text_add_str(to, " -> ");
	term_color(to, st, e->is_traced ? COLOR_BOLD : COLOR_DIM);
	term_add(to, st, name_of(m, e->callee), room - used);
	term_color(to, st, COLOR_PLAIN);
	text_add_str(to, e->is_traced ? "" : " ?");
	text_add_str(to, words[e->change]);
	text_add_char(to, '\n');
}

/* Two that call each other wait for each other. */
static void put_circles(struct text *to, const struct style *st, const struct service_map *m,
			struct edge *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i + 1; j < n; j++) {
			if (list[i]->caller != list[j]->callee ||
			    list[j]->caller != list[i]->callee || !list[i]->is_traced ||
			    !list[j]->is_traced || list[i]->caller == list[i]->callee ||
			    list[i]->change == EDGE_VANISHED || list[j]->change == EDGE_VANISHED)
				continue;
			text_add_str(to, "circle: ");
			term_add(to, st, name_of(m, list[i]->caller), st->width / 3);
			text_add_str(to, " and ");
			term_add(to, st, name_of(m, list[i]->callee), st->width / 3);
			text_add_str(to, " call each other\n");
		}
}

static void put_text(struct text *to, const struct style *st, struct service_map *m,
		     struct edge *const *list, uint32_t n)
{
	uint32_t changes[3] = { 0 };
	bool is_untraced = false;

	term_color(to, st, COLOR_DIM);
	text_add_str(to, "     calls        errors     p50      p99  caller -> callee\n");
	term_color(to, st, COLOR_PLAIN);
	for (uint32_t i = 0; i < n; i++) {
		put_text_edge(to, st, m, list[i]);
		changes[list[i]->change]++;
		is_untraced |= !list[i]->is_traced;
	}
	put_circles(to, st, m, list, n);
	if (is_untraced)
		text_add_str(to, "?: sent no spans\n");
	if (m->is_compared)
		text_printf(to, "%u new, %u vanished\n", changes[EDGE_NEW], changes[EDGE_VANISHED]);
	if (m->keys.refused || m->names.refused)
		text_add_str(to, "there are more: the map was full\n");
}

/* --- graphs --- */

/* "30 calls, 2 errors, p50 3.30 ms, p99 9.00 ms" */
static void put_edge_label(struct text *to, struct edge *e)
{
	char p50[16], p99[16];

	if (e->change == EDGE_VANISHED) {
		text_add_str(to, "vanished");
		return;
	}
	term_duration(p50, sizeof(p50), samples_percentile(&e->took, 50));
	term_duration(p99, sizeof(p99), samples_percentile(&e->took, 99));
	text_printf(to, "%s%llu call%s, ", e->change == EDGE_NEW ? "new: " : "",
		    (unsigned long long)e->took.count, e->took.count == 1 ? "" : "s");
	if (e->errors)
		text_printf(to, "%llu error%s, ", (unsigned long long)e->errors,
			    e->errors == 1 ? "" : "s");
	text_printf(to, "p50 %s, p99 %s", p50, p99);
}

/* Letters and what is harmless stay; all else is #NN;, as Mermaid wants it. */
static void put_mermaid_text(struct text *to, struct bytes s)
{
	while (s.len) {
		uint32_t code = utf8_take(&s);
		bool is_plain = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
				(code >= '0' && code <= '9') ||
				(code < 0x80 && code && strchr(" -_.:/()", (int)code));

		if (is_plain)
			text_add_char(to, (char)code);
		else
			text_printf(to, "#%u;", utf8_is_unsafe(code) ? UTF8_INVALID : code);
	}
}

static void put_mermaid(struct text *to, struct service_map *m, struct edge *const *list,
			uint32_t n)
{
	text_add_str(to, "flowchart LR\n");
	for (uint32_t i = 0; i < m->names.count; i++) {
		text_printf(to, "  n%u[\"", i);
		put_mermaid_text(to, m->names.names[i]);
		text_add_str(to, "\"]\n");
	}
	for (uint32_t i = 0; i < n; i++) {
		struct edge *e = list[i];

		if (e->caller == NAME_NONE)
			text_add_str(to, "  outside((outside))");
		else
			text_printf(to, "  n%u", e->caller);
		text_add_str(to,
			     e->is_traced && e->change != EDGE_VANISHED ? " -->|\"" : " -.->|\"");
		put_edge_label(to, e);
		text_printf(to, "\"| n%u\n", e->callee);
	}
}

static void put_dot_text(struct text *to, struct bytes s)
{
	text_add_char(to, '"');
	while (s.len) {
		uint32_t code = utf8_take(&s);

		if (code == '"' || code == '\\')
			text_add_char(to, '\\');
		text_add_code(to, utf8_is_unsafe(code) ? UTF8_INVALID : code);
	}
	text_add_char(to, '"');
}

static void put_dot(struct text *to, struct service_map *m, struct edge *const *list, uint32_t n)
{
	text_add_str(to, "digraph services {\n  rankdir=LR;\n  node [shape=box];\n");
	for (uint32_t i = 0; i < n; i++) {
		struct edge *e = list[i];

		text_add_str(to, "  ");
		put_dot_text(to, name_of(m, e->caller));
		text_add_str(to, " -> ");
		put_dot_text(to, name_of(m, e->callee));
		text_add_str(to, " [label=\"");
		put_edge_label(to, e);
		text_add_str(to, e->change == EDGE_VANISHED ? "\", style=dotted, color=gray" :
				 !e->is_traced              ? "\", style=dashed" :
							      "\"");
		text_add_str(to, e->change == EDGE_NEW ? ", color=blue" :
				 e->errors             ? ", color=red" :
							 "");
		text_add_str(to, "];\n");
	}
	text_add_str(to, "}\n");
}

static void put_json_edge(struct text *to, const struct service_map *m, struct edge *e)
{
	static const char *const words[] = { "same", "new", "vanished" };

	text_add_str(to, "{\"caller\":");
	if (e->caller == NAME_NONE)
		text_add_str(to, "null");
	else
		json_out_string(to, name_of(m, e->caller));
	text_add_str(to, ",\"callee\":");
	json_out_string(to, name_of(m, e->callee));
	text_printf(to, ",\"traced\":%s,\"calls\":%llu,\"errors\":%llu",
		    e->is_traced ? "true" : "false", (unsigned long long)e->took.count,
		    (unsigned long long)e->errors);
	text_printf(to, ",\"p50Nano\":%llu,\"p99Nano\":%llu",
		    (unsigned long long)samples_percentile(&e->took, 50),
		    (unsigned long long)samples_percentile(&e->took, 99));
	if (m->is_compared)
		text_printf(to, ",\"change\":\"%s\"", words[e->change]);
	text_add_str(to, "}\n");
}

void service_map_print(struct text *to, const struct style *st, struct service_map *m,
		       enum map_form form)
{
	uint32_t n;
	struct edge **list = sort(m, &n);

	if (!list) {
		to->is_short = true;
		return;
	}
	if (form == MAP_TEXT)
		put_text(to, st, m, list, n);
	else if (form == MAP_MERMAID)
		put_mermaid(to, m, list, n);
	else if (form == MAP_DOT)
		put_dot(to, m, list, n);
	for (uint32_t i = 0; form == MAP_JSON && i < n; i++)
		put_json_edge(to, m, list[i]);
	free(list);
}
