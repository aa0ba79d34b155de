/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_line.h"

#include "dwarf_impl.h"

#define UNITS_MAX (1u << 20)

enum {
	LNS_COPY = 1,
	LNS_ADVANCE_PC,
	LNS_ADVANCE_LINE,
	LNS_SET_FILE,
	LNS_SET_COLUMN,
	LNS_NEGATE_STMT,
	LNS_SET_BASIC_BLOCK,
	LNS_CONST_ADD_PC,
	LNS_FIXED_ADVANCE_PC,
};

enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS };

/* --- a unit's header --- */

/* False: not understood, or the end; r is where its header begins. */
static bool unit_read(struct reader *r, struct unit *u)
{
	uint64_t len = get(r, 4), header;

	u->offset_bytes = 4;
	if (len == 0xffffffffu) {
		u->offset_bytes = 8;
		len = get(r, 8);
	}
	if (r->is_over || !len || len > r->end - r->at)
		return false;
	u->end = r->at + len;
	u->version = (uint16_t)get(r, 2);
	if (u->version == 5)
		skip(r, 2); /* sizes of an address and of a segment's number */
	header = get(r, u->offset_bytes);
	if (header > u->end - r->at)
		header = u->end - r->at;
	u->program = r->at + header;
	u->min_length = get1(r);
	if (u->version >= 4)
		skip(r, 1); /* operations of an instruction: of VLIW machines */
	skip(r, 1);         /* whether a row is a statement, at first */
	u->line_base = (int8_t)get1(r);
	u->line_range = get1(r);
	u->opcode_base = get1(r);
	for (unsigned i = 1; i < u->opcode_base; i++)
		u->operands[i] = get1(r);
	u->start = r->at;
	return true;
}

static bool unit_is_known(const struct unit *u)
{
	return u->version >= 2 && u->version <= 5 && u->line_range && u->opcode_base >= 10 &&
	       u->start <= u->program;
}

/* --- running its program --- */

struct row {
	uint64_t at;
	uint64_t file;
	uint64_t line;
	bool is_there; /* in the sequence under way */
};

/* What a unit tells of a place: the file's number, until it has a name. */
struct hit {
	uint64_t file;
	bool is_new;
};

#define PLACES_MAX 64u

struct run {
	struct code_place *places;
	struct hit hits[PLACES_MAX];
	size_t n;
	bool has_hits;
	struct row last;
	uint64_t first; /* address of the sequence */
};

/* Everything from the last row to this one is of the last one's line. */
static void row_add(struct run *run, const struct row *now, bool is_end)
{
	/* Code that the linker has thrown away is at 0. */
	for (size_t i = 0; run->last.is_there && run->first && i < run->n; i++) {
		struct code_place *p = &run->places[i];

		if (p->line || p->at < run->last.at || p->at >= now->at)
			continue;
		if (!run->last.line || run->last.line > UINT32_MAX)
			continue;
		p->line = (uint32_t)run->last.line;
		run->hits[i] = (struct hit){ run->last.file, true };
		run->has_hits = true;
	}
	if (!run->last.is_there)
		run->first = now->at;
	run->last = *now;
	run->last.is_there = !is_end;
}

static void extended_run(struct reader *r, struct run *run, struct row *now)
{
	uint64_t len = get_uleb(r);
	uint64_t end = len < r->end - r->at ? r->at + len : r->end;
	uint8_t opcode = len ? get1(r) : 0;

	if (opcode == LNE_SET_ADDRESS && len == 9)
		now->at = get(r, 8);
	if (opcode == LNE_END_SEQUENCE) {
		row_add(run, now, true);
		*now = (struct row){ .file = 1, .line = 1 };
	}
	if (r->at < end)
		skip(r, end - r->at);
}

static void standard_run(struct reader *r, const struct unit *u, uint8_t opcode, struct run *run,
			 struct row *now)
{
	switch (opcode) {
	case LNS_COPY:
		row_add(run, now, false);
		break;
	case LNS_ADVANCE_PC:
		now->at += get_uleb(r) * u->min_length;
		break;
	case LNS_ADVANCE_LINE:
		now->line += (uint64_t)get_sleb(r);
		break;
	case LNS_SET_FILE:
		now->file = get_uleb(r);
		break;
	case LNS_CONST_ADD_PC:
		now->at += (uint64_t)((255 - u->opcode_base) / u->line_range) * u->min_length;
		break;
	case LNS_FIXED_ADVANCE_PC:
		now->at += get(r, 2);
		break;
	case LNS_NEGATE_STMT:
	case LNS_SET_BASIC_BLOCK:
		break;
	default: /* LNS_SET_COLUMN, and what we do not know */
		for (unsigned i = 0; i < u->operands[opcode]; i++)
			(void)get_uleb(r);
		break;
	}
}

static void program_run(struct reader *r, const struct unit *u, struct run *run)
{
	struct row now = { .file = 1, .line = 1 };

	run->last.is_there = false;
	while (r->at < r->end && !r->is_over) {
		uint8_t opcode = get1(r);

		if (opcode == 0) {
			extended_run(r, run, &now);
		} else if (opcode < u->opcode_base) {
			standard_run(r, u, opcode, run, &now);
		} else {
			unsigned step = (unsigned)opcode - u->opcode_base;

			now.at += (uint64_t)(step / u->line_range) * u->min_length;
			now.line += (uint64_t)(int64_t)(u->line_base + (int)(step % u->line_range));
			row_add(run, &now, false);
		}
	}
}

static void files_name(const struct reader *r, const struct unit *u, struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		struct code_place *p = &run->places[i];

		if (!run->hits[i].is_new)
			continue;
		run->hits[i].is_new = false;
		p->path_len = (uint16_t)dwarf_name(r->file, u, run->hits[i].file, p->path,
						   sizeof(p->path));
	}
	run->has_hits = false;
}

/* --- */

void dwarf_line_places(const struct code_file *f, struct code_place *places, size_t n)
{
	uint64_t len = f->line.len < DWARF_LINE_BYTES_MAX ? f->line.len : DWARF_LINE_BYTES_MAX;
	struct run run = { .places = places, .n = n < PLACES_MAX ? n : PLACES_MAX };
	struct reader r, program;
	struct unit u;

	reader_init(&r, f, f->line.at, f->line.at + len);
	for (uint32_t i = 0; i < UNITS_MAX && unit_read(&r, &u); i++) {
		if (unit_is_known(&u)) {
			reader_init(&program, f, u.program, u.end);
			program_run(&program, &u, &run);
			if (run.has_hits)
				files_name(&r, &u, &run);
		}
		r.at = u.end;
	}
}
