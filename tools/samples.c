/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <stdlib.h>

/* splitmix64: small, and good enough to choose by. */
static uint64_t next_random(struct samples *s)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool make_room(struct samples *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : 16;
	uint64_t *list;

	if (s->count < s->cap)
		return true;
	if (s->cap >= SAMPLES_MAX)
		return false;
	list = realloc(s->list, cap * sizeof(*list));
	if (!list)
		return false;
	s->list = list;
	s->cap = cap;
	return true;
}

void samples_add(struct samples *s, uint64_t ns)
{
	uint64_t at = s->count;

	if (!make_room(s))
		at = next_random(s) % (s->count + 1);
	if (at < s->cap)
		s->list[at] = ns;
	s->is_sorted = false;
	s->count++;
	if (__builtin_add_overflow(s->sum, ns, &s->sum))
		s->sum = UINT64_MAX;
	if (ns > s->max)
		s->max = ns;
}

static int compare(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

uint64_t samples_percentile(struct samples *s, unsigned percent)
{
	uint64_t n = s->count < s->cap ? s->count : s->cap;

	if (!n)
		return 0;
	if (!s->is_sorted)
		qsort(s->list, n, sizeof(*s->list), compare);
	s->is_sorted = true;
	return s->list[(n * percent + 99) / 100 - 1];
}

unsigned samples_share(const struct samples *s, uint64_t n)
{
	double share = s->count ? (double)n * 100 / (double)s->count : 0;

	return n && share < 1 ? 1 : (unsigned)(share + 0.5);
}

void samples_done(struct samples *s)
{
	free(s->list);
	*s = (struct samples){ 0 };
}
