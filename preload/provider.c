/* SPDX-License-Identifier: Apache-2.0 */
#include "provider.h"

#include <stdbool.h>
#include <string.h>

#include "resolve.h"

#define PROVIDERS 8u

struct providers {
	const struct link_map *list[PROVIDERS];
	size_t count;
	const struct link_map *preload; /* behind us, that puts itself in front of the library */
};

static bool is_libc(const struct link_map *m)
{
	const char *soname = resolve_soname(m);

	return soname && strcmp(soname, "libc.so.6") == 0;
}

/* What has the name and not the one that only the library has puts itself in front of it. */
static void providers_find(struct providers *p, const struct library *l, const char *name)
{
	const struct link_map *own = resolve_own_object();
	bool may_be_preload = false;

	p->count = 0;
	p->preload = NULL;
	for (const struct link_map *m = resolve_first_object(); m && p->count < PROVIDERS;
	     m = m->l_next) {
		may_be_preload = m == own || (may_be_preload && !is_libc(m));
		if (m == own || !resolve_in(m, name))
			continue;
		if (resolve_in(m, l->mark))
			p->list[p->count++] = m;
		else if (may_be_preload && !p->preload)
			p->preload = m;
	}
}

/* --- what the dynamic linker has bound for the caller --- */

struct imports {
	const ElfW(Sym) * sym;
	const char *str;
	const ElfW(Rela) * rela[2];
	size_t bytes[2];
};

static const void *table_at(const struct link_map *m, ElfW(Addr) value)
{
	return (const void *)(value < m->l_addr ? m->l_addr + value : value);
}

static void imports_read(struct imports *i, const struct link_map *m)
{
	memset(i, 0, sizeof(*i));
	for (const ElfW(Dyn) *d = m->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			i->sym = table_at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB)
			i->str = table_at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_JMPREL)
			i->rela[0] = table_at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_RELA)
			i->rela[1] = table_at(m, d->d_un.d_ptr);
		else if (d->d_tag == DT_PLTRELSZ)
			i->bytes[0] = d->d_un.d_val;
		else if (d->d_tag == DT_RELASZ)
			i->bytes[1] = d->d_un.d_val;
	}
}

static const struct link_map *provider_around(const struct providers *p, const void *address)
{
	for (size_t i = 0; i < p->count; i++)
		if (resolve_is_in(p->list[i], address))
			return p->list[i];
	return NULL;
}

/* A slot that is bound to us, or not yet, tells nothing. */
static const struct link_map *bound_by_linker(const struct providers *p, const struct link_map *m,
					      const char *family)
{
	size_t len = strlen(family);
	struct imports in;

	imports_read(&in, m);
	for (int t = 0; t < 2 && in.sym && in.str; t++) {
		for (size_t i = 0; in.rela[t] && i < in.bytes[t] / sizeof(*in.rela[t]); i++) {
			const ElfW(Rela) *r = &in.rela[t][i];
			size_t symbol = ELF64_R_SYM(r->r_info);
			const struct link_map *found;

			if (!symbol || strncmp(in.str + in.sym[symbol].st_name, family, len) != 0)
				continue;
			found = provider_around(p, *(void *const *)(m->l_addr + r->r_offset));
			if (found)
				return found;
		}
	}
	return NULL;
}

static const struct link_map *first_that_fits(const struct providers *p, const char *name,
					      const struct link_map *around)
{
	const char *version = around ? resolve_version_imported(around, name) : NULL;

	for (size_t i = 0; i < p->count; i++)
		if (!version || resolve_in_version(p->list[i], name, version))
			return p->list[i];
	return p->list[0];
}

struct question {
	const struct library *library;
	const char *name;
	const void *caller;
	struct provider answer;
};

static const struct link_map *object_around(const void *address)
{
	const struct link_map *m = resolve_first_object();

	while (m && !resolve_is_in(m, address))
		m = m->l_next;
	return m;
}

/* Once, for whichever object: it is the lock that we are here for. */
static int answer(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct question *q = arg;
	const struct link_map *around = object_around(q->caller);
	const struct link_map *found = NULL, *next;
	struct providers p;

	(void)info;
	(void)len;
	providers_find(&p, q->library, q->name);
	if (p.count == 1)
		found = p.list[0];
	else if (p.count && around)
		found = bound_by_linker(&p, around, q->library->family);
	/* A library that calls itself, and nothing else of its own through the linker. */
	for (size_t i = 0; i < p.count && !found; i++)
		found = p.list[i] == around ? around : NULL;
	if (p.count && !found)
		found = first_that_fits(&p, q->name, around);
	next = p.preload && p.preload != around ? p.preload : found;
	q->answer = (struct provider){ .object = found,
				       .function = next ? resolve_in(next, q->name) : NULL,
				       .is_caller = found && found == around };
	return 1;
}

struct provider provider_of(const struct library *library, const char *name, const void *caller)
{
	struct question q = { library, name, caller, { 0 } };

	dl_iterate_phdr(answer, &q);
	return q.answer;
}

void *provider_bound(const struct link_map *object, const char *name)
{
	void *own = resolve_in(object, name);
	struct imports in;

	imports_read(&in, object);
	for (int t = 0; t < 2 && !own && in.sym && in.str; t++) {
		for (size_t i = 0; in.rela[t] && i < in.bytes[t] / sizeof(*in.rela[t]); i++) {
			const ElfW(Rela) *r = &in.rela[t][i];
			size_t symbol = ELF64_R_SYM(r->r_info);
			void *slot;

			if (!symbol || strcmp(in.str + in.sym[symbol].st_name, name) != 0)
				continue;
			slot = *(void *const *)(object->l_addr + r->r_offset);
			return slot && !resolve_is_in(object, slot) ? slot : NULL;
		}
	}
	return own;
}
