/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_PUT_H
#define SPAN_PUT_H
/* What a usual span is told most, in line: a number, a moment. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"
#include "span.h"
#include "store.h"

/*
 * An item of 8 bytes; head: as struct item_head lies there, but for the length.  False: it is not
 * recorded, or has no room for it in its first slot.
 */
static ALWAYS_INLINE bool span_put(struct span *s, uint64_t head, uint64_t value, unsigned attrs)
{
	uint64_t item[2] = { head | (uint64_t)sizeof(value) << 32, value };
	uint32_t used = s->used;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(struct item_head) == 8,
		       "so it lies there");
	if (UNLIKELY(s->verdict == VERDICT_DROP) || UNLIKELY(s->last) ||
	    UNLIKELY(used + sizeof(item) > SPAN_DATA_BYTES) ||
	    UNLIKELY(s->attrs + attrs > STORE_ATTRS_MAX))
		return false;
	memcpy(span_data(s) + used, item, sizeof(item));
	/* Counted when it is there: who reads the span of a dead process sees whole items. */
	__atomic_store_n(&s->used, used + (uint32_t)sizeof(item), __ATOMIC_RELEASE);
	s->attrs = (uint16_t)(s->attrs + attrs);
	return true;
}

/* As span_set_int() and span_add_event_at(), of a span that is there. */
static ALWAYS_INLINE void span_put_int(struct span *s, enum attr key, int64_t value)
{
	if (UNLIKELY(!span_put(s, ITEM_INT | (uint64_t)key << 16, (uint64_t)value, 1)))
		span_set_int(s, key, value);
	else if (key == ATTR_HTTP_RESPONSE_STATUS_CODE)
		s->http_status = (uint16_t)value;
}

static ALWAYS_INLINE void span_put_event(struct span *s, enum span_event event, uint64_t ns)
{
	if (UNLIKELY(!span_put(s, ITEM_EVENT | (uint64_t)event << 16, ns, 0)))
		span_add_event_at(s, event, ns);
}

#endif
