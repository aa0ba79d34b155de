/* SPDX-License-Identifier: Apache-2.0 */
#include "stack_modules.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "bytes.h"
#include "compiler.h"
#include "memory.h"
#include "unwind.h"

#define KNOWN_MAX 64u
#define NOTES_MAX 8192u
#define HEADERS_MAX 64u
#define FIRST_PAGE 4096u

/* Objects that were seen before, by where they are. */
static struct known {
	uintptr_t start, end;
	uint64_t identity;
	const char *id; /* NULL: not in its first page, which every object has */
	uint8_t id_len;
} known[KNOWN_MAX];
static uint32_t known_count;
static bool has_changed;

bool stack_modules_changed(void)
{
	bool was = has_changed;

	has_changed = false;
	return was;
}

/*
 * Where the build id of an object of that place was before, there is one again: of this one or of
 * another.  What is on our stack is mapped, so nobody need be asked whether it can be read.
 */
static struct bytes id_again(const struct unwind_object *o)
{
	for (uint32_t i = 0; i < known_count; i++) {
		const struct known *k = &known[i];
		ElfW(Nhdr) n;

		if (k->start != (uintptr_t)o->start || k->end != (uintptr_t)o->end || !k->id)
			continue;
		memcpy(&n, k->id - sizeof("GNU") - sizeof(n), sizeof(n));
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == sizeof("GNU") &&
		    n.n_descsz == k->id_len &&
		    memcmp(k->id - sizeof("GNU"), "GNU", sizeof("GNU")) == 0)
			return (struct bytes){ k->id, k->id_len };
	}
	return (struct bytes){ NULL, 0 };
}

static bool is_in_first_page(const struct packed_module *p, struct bytes id)
{
	uintptr_t at = (uintptr_t)id.ptr;

	return at > p->start && at + id.len <= p->start + FIRST_PAGE;
}

static void known_add(const struct packed_module *p, uint64_t identity, struct bytes id)
{
	for (uint32_t i = 0; i < known_count; i++) {
		struct known *k = &known[i];

		if (k->start == p->start && k->end == p->end && k->identity == identity)
			return;
		if (k->start >= p->end || p->start >= k->end)
			continue;
		has_changed = true;
		known[i--] = known[--known_count];
	}
	if (known_count == KNOWN_MAX) {
		known_count = 0;
		has_changed = true;
	}
	known[known_count++] =
		(struct known){ p->start, p->end, identity, is_in_first_page(p, id) ? id.ptr : NULL,
				(uint8_t)id.len };
}

/* --- build id --- */

static size_t note_align(uint32_t len)
{
	return ((size_t)len + 3) & ~(size_t)3;
}

/* The notes in memory; an empty one: none says. */
static struct bytes id_in_notes(const char *notes, size_t len)
{
	ElfW(Nhdr) n;

	while (len >= sizeof(n)) {
		size_t name, size;

		memcpy(&n, notes, sizeof(n));
		if (n.n_namesz > NOTES_MAX || n.n_descsz > NOTES_MAX)
			break;
		name = note_align(n.n_namesz);
		size = sizeof(n) + name + note_align(n.n_descsz);
		if (size > len)
			break;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == sizeof("GNU") &&
		    memcmp(notes + sizeof(n), "GNU", sizeof("GNU")) == 0)
			return (struct bytes){ notes + sizeof(n) + name, n.n_descsz < STACK_ID_MAX ?
										 n.n_descsz :
										 STACK_ID_MAX };
		notes += size;
		len -= size;
	}
	return (struct bytes){ NULL, 0 };
}

static bool is_inside(const struct unwind_object *o, uintptr_t at, size_t len)
{
	return at >= (uintptr_t)o->start && at < (uintptr_t)o->end && len <= (uintptr_t)o->end - at;
}

/* What lies there is read only where it is inside, and can be. */
static struct bytes id_find(const struct unwind_object *o)
{
	const ElfW(Ehdr) *e = o->start;
	const ElfW(Phdr) * p;

	if (!is_inside(o, (uintptr_t)e, sizeof(*e)) || !memory_is_readable(e, sizeof(*e)) ||
	    memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_phnum > HEADERS_MAX ||
	    e->e_phentsize != sizeof(*p))
		return (struct bytes){ NULL, 0 };
	p = (const void *)((const char *)e + e->e_phoff);
	if (!is_inside(o, (uintptr_t)p, e->e_phnum * sizeof(*p)) ||
	    !memory_is_readable(p, e->e_phnum * sizeof(*p)))
		return (struct bytes){ NULL, 0 };
	for (const ElfW(Phdr) *last = p + e->e_phnum; p < last; p++) {
		const char *notes = (const char *)o->map->l_addr + p->p_vaddr;
		struct bytes id;

		if (p->p_type != PT_NOTE || p->p_memsz > NOTES_MAX ||
		    !is_inside(o, (uintptr_t)notes, p->p_memsz) ||
		    !memory_is_readable(notes, p->p_memsz))
			continue;
		id = id_in_notes(notes, p->p_memsz);
		if (id.len)
			return id;
	}
	return (struct bytes){ NULL, 0 };
}

/* --- */

static uint64_t hash(const char *from, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)from[i]) * 0x100000001b3u;
	return h;
}

static void pack(struct packed_module *p, const struct unwind_object *o)
{
	struct bytes id = id_again(o);
	const char *path = o->map->l_name;
	size_t len = path ? strnlen(path, STACK_PATH_MAX + 1) : 0;
	struct stack_module head;

	if (!id.ptr)
		id = id_find(o);
	if (len > STACK_PATH_MAX) /* its beginning would be another file's */
		len = 0;
	head = (struct stack_module){ (uint8_t)id.len, (uint8_t)len };
	memcpy(p->packed, &head, sizeof(head));
	p->len = sizeof(head);
	memcpy(p->packed + p->len, id.ptr ? id.ptr : "", id.len);
	p->len = (uint16_t)(p->len + id.len);
	memcpy(p->packed + p->len, path ? path : "", len);
	p->len = (uint16_t)(p->len + len);
	known_add(p, hash(p->packed, p->len), id);
}

static struct stack_frame frame_in(const struct stack_modules *m, uint32_t i, uintptr_t at)
{
	return (struct stack_frame){ at - m->at[i].base, (uint8_t)i };
}

struct stack_frame stack_modules_frame(struct stack_modules *m, uintptr_t at)
{
	struct unwind_object o;
	struct packed_module *p = &m->at[m->n];

	for (uint32_t i = 0; i < m->n; i++)
		if (at > m->at[i].start && at <= m->at[i].end)
			return frame_in(m, i, at);
	/* The call, not what follows: that may be another function, or library. */
	if (m->n == STACK_MODULES_MAX || !unwind_object_find(at - 1, &o) || !o.map)
		return (struct stack_frame){ at, STACK_NO_MODULE };
	p->start = (uintptr_t)o.start;
	p->end = (uintptr_t)o.end;
	p->base = o.map->l_addr;
	pack(p, &o);
	return frame_in(m, m->n++, at);
}

bool stack_modules_is_own(uintptr_t at)
{
	static uintptr_t start, end;
	struct unwind_object o;

	if (UNLIKELY(!end) && unwind_object_find((uintptr_t)stack_modules_is_own, &o)) {
		start = (uintptr_t)o.start;
		end = (uintptr_t)o.end;
	}
	return at > start && at <= end;
}
