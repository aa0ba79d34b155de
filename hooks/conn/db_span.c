/* SPDX-License-Identifier: Apache-2.0 */
#include "db_span.h"

#include "compiler.h"
#include "origin.h"
#include "pool.h"
#include "said.h"
#include "sql_shapes.h"
#include "stats.h"

#define SCRATCH_CHUNKS 4u
#define POSTGRES_PORT 5432u

static struct pool scratches;

struct db_scratch *db_scratch_get(void)
{
	uint32_t index;
	struct db_scratch *room =
		pool_get(&scratches, sizeof(struct db_scratch), SCRATCH_CHUNKS, &index);

	if (room)
		room->index = index;
	return room;
}

void db_scratch_put(struct db_scratch *room)
{
	if (room)
		pool_put(&scratches, room->index);
}

static NO_INLINE struct db_text describe(struct db_scratch *room, uint64_t key, struct bytes sql,
					 enum sql_backslash b, bool has_parameters)
{
	struct sql_out text = { room->text, sizeof(room->text), 0, false };
	struct sql_out summary = { room->summary, SQL_SUMMARY_BYTES, 0, false };
	struct db_text t;

	sql_describe(sql, b, has_parameters, &text, &summary);
	t = (struct db_text){ { text.to, text.len }, { summary.to, summary.len } };
	sql_shapes_add(key, sql, b, has_parameters, t.text, t.summary);
	return t;
}

static ALWAYS_INLINE struct db_text text_of(const struct sql_shape *s)
{
	return (struct db_text){ sql_shape_text(s), sql_shape_summary(s) };
}

struct db_text db_describe(struct db_scratch **room, const struct sql_shape **last,
			   struct bytes sql, enum sql_backslash b, bool has_parameters)
{
	const struct sql_shape *known;
	uint64_t key;

	/* They are kept for ever. */
	if (*last && sql_shape_fits(*last, sql, b, has_parameters))
		return text_of(*last);
	known = sql_shapes_find(sql, b, has_parameters, &key);
	if (LIKELY(known)) {
		*last = known;
		return text_of(known);
	}
	if (!*room)
		*room = db_scratch_get();
	if (*room)
		return describe(*room, key, sql, b, has_parameters);
	stats_inc(STAT_STATEMENTS_LOST);
	return (struct db_text){ { "", 0 }, { "", 0 } };
}

/* Where there is no room for a trace state, it goes on without. */
static NO_INLINE struct span *start_below(struct span_ref parent, uint64_t started_ns)
{
	struct db_scratch *room = db_scratch_get();
	struct span_context is;
	bool has_parent = span_ref_context(parent, &is, room ? room->state : NULL,
					   room ? sizeof(room->state) : 0) ||
			  origin_context(&is);
	struct span *s;

	if (!has_parent)
		stats_inc(STAT_PARENT_NONE);
	s = span_start_at(SPAN_CLIENT, has_parent ? &is : NULL, started_ns);
	db_scratch_put(room);
	return s;
}

struct span *db_span_start(struct span_ref request, uint64_t started_ns)
{
	struct span_ref parent = said_parent(request);
	struct span_context is;

	if (parent.slot)
		return start_below(parent, started_ns);
	if (UNLIKELY(origin_context(&is)))
		return span_start_at(SPAN_CLIENT, &is, started_ns);
	stats_inc(STAT_PARENT_NONE);
	return span_start_at(SPAN_CLIENT, NULL, started_ns);
}

/* Two words, of which one may be missing. */
static void set_joined(struct span *s, struct bytes a, struct bytes b)
{
	char both[SQL_SUMMARY_BYTES + 1];
	size_t gap = a.len && b.len;

	if (!gap) {
		span_set_name(s, a.len ? a : b);
		return;
	}
	if (a.len + gap + b.len > SQL_SUMMARY_BYTES)
		b.len = 0;
	memcpy(both, a.ptr, a.len);
	both[a.len] = ' ';
	memcpy(both + a.len + gap, b.ptr, b.len);
	span_set_name(s, (struct bytes){ both, a.len + gap + b.len });
}

void db_span_tell(struct span *s, struct bytes verb, const struct db_text *t, struct bytes target)
{
	if (!span_is_recording(s))
		return;
	if (t->text.len)
		span_set_str(s, ATTR_DB_QUERY_TEXT, t->text);
	if (t->summary.len)
		span_set_str(s, ATTR_DB_QUERY_SUMMARY, t->summary);
	if (verb.len)
		span_set_str(s, ATTR_DB_OPERATION_NAME, verb);
	set_joined(s, verb, t->summary.len ? t->summary : target);
}

void db_span_server(struct span *s, struct bytes address, unsigned port)
{
	if (!address.len)
		return;
	span_set_str(s, ATTR_SERVER_ADDRESS, address);
	if (port && port != POSTGRES_PORT)
		span_set_int(s, ATTR_SERVER_PORT, port);
}

void db_span_fail(struct span *s, struct bytes sqlstate, struct bytes instead)
{
	bool is_state = sqlstate.len == 5;

	if (span_has_error(s) || (is_state && bytes_start_with(sqlstate, BYTES("0")) &&
				  (sqlstate.ptr[1] == '0' || sqlstate.ptr[1] == '1')))
		return;
	if (is_state)
		span_set_str(s, ATTR_DB_RESPONSE_STATUS_CODE, sqlstate);
	span_set_error(s, is_state ? sqlstate : instead);
}
