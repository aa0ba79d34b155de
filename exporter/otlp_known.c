/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of items whose bytes are known from the last time, whatever else differs between spans. */
#include <string.h>

#include "compiler.h"
#include "otlp_encode_impl.h"

#define STRIDE 32u

/* Of some of its bytes, and its last ones: it tells where to look, never that it is the same. */
static ALWAYS_INLINE uint64_t sum(const struct record *r)
{
	uint64_t h = r->items_len | (uint64_t)r->head.kind << 32, w;

	for (size_t at = 0; at + sizeof(w) < r->items_len; at += STRIDE) {
		memcpy(&w, r->items + at, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	memcpy(&w, r->items + r->items_len - sizeof(w), sizeof(w));
	return (h ^ w) * 0x9e3779b97f4a7c15u;
}

static bool is_same(const struct otlp_known *k, const struct record *r)
{
	return k->kind == r->head.kind && k->items_len == r->items_len &&
	       memcmp(k->items, r->items, r->items_len) == 0;
}

struct otlp_known *otlp_known_find(struct otlp_encoder *e, const struct record *r,
				   uint32_t *ret_tag, bool *ret_is_known)
{
	struct otlp_known *k;
	uint64_t h;

	*ret_is_known = false;
	if (r->items_len < sizeof(h) || r->items_len > OTLP_KNOWN_ITEMS)
		return NULL;
	h = sum(r);
	k = &e->known[(h >> 32) % OTLP_KNOWN_LISTS];
	*ret_tag = (uint32_t)(h >> 38) | 1;
	*ret_is_known = is_same(k, r);
	return k;
}

/* Events have times, which lie beside those of the one span, and links are seldom the same. */
static bool has_told(const struct record *r, const Otlp__Span *s)
{
	return s->n_events || s->dropped_events_count != r->dropped_events || s->n_links ||
	       s->dropped_links_count != r->dropped_links;
}

/* What comes once takes nobody's place. */
void otlp_known_keep(struct otlp_known *k, uint32_t tag, const struct record *r,
		     const Otlp__Span *s, size_t len)
{
	if (k->tag != tag) {
		k->tag = tag;
		return;
	}
	if (len > OTLP_KNOWN_PACKED || has_told(r, s))
		return;
	k->kind = r->head.kind;
	k->items_len = r->items_len;
	memcpy(k->items, r->items, r->items_len);
	otlp_pack_known(s, k);
}
