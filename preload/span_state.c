/* SPDX-License-Identifier: Apache-2.0 */
/* The trace state of a span that the sampler has a word in. */
#include "ot_member.h"
#include "span_items.h"
#include "tracestate.h"

/* Without its last member. */
static struct bytes without_last(struct bytes list)
{
	while (list.len && list.ptr[list.len - 1] != ',')
		list.len--;
	list.len -= list.len != 0;
	return list;
}

bool span_state_keep(struct span *s, struct bytes list, uint64_t threshold)
{
	char member[OT_MEMBER_BYTES];
	struct ot_member m;
	size_t len, room = STORE_VALUE_MAX;

	s->lists |= LISTS_OWN_STATE;
	ot_member_find(list, &m);
	len = ot_member_write(&m, threshold, member);
	if (m.before.len && m.value.ptr)
		m.before.len--;
	else if (m.after.len && !m.before.len)
		m.after = bytes_skip(m.after, 1);
	if (len && !m.value.ptr && m.others >= TRACESTATE_MEMBERS) { /* C40 */
		m.before = without_last(m.before);
		m.others--;
	}
	if (!len && !m.others)
		return true;
	room -= len + (len && m.others);
	m.before.len = list_cut(m.before.ptr, m.before.len, room);
	m.after.len = list_cut(m.after.ptr, m.after.len, room - m.before.len);
	/* C42: what was changed goes to the left end. */
	if (!span_item_add(
		    s, ITEM_TRACESTATE,
		    (struct bytes[]){
			    { member, len }, { ",", len && m.others ? 1 : 0 }, m.before, m.after },
		    4))
		return false;
	s->lists |= (uint8_t)LIST_OF(ITEM_TRACESTATE);
	return true;
}

bool span_state_is_own(const struct span *s)
{
	return s && s->lists & LISTS_OWN_STATE;
}

void span_set_debug(struct span *s)
{
	if (s)
		s->lists |= LISTS_DEBUG;
}

bool span_is_debug(const struct span *s)
{
	return s && s->lists & LISTS_DEBUG;
}
