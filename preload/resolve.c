/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the tables are found: the program's DT_DEBUG entry, which the dynamic linker fills for
 * debuggers, or else the linker's own _r_debug symbol by way of AT_BASE; never by importing a
 * symbol of the linker's, which would bind us to its version.  From there the list of link maps is
 * public.
 */
#include "resolve.h"

#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "compiler.h"

#define VERSION_HIDDEN 0x8000u /* of several, not the default one */
#define VERSION_INDEX 0x7fffu
#define VERSION_LOCAL 0u
#define WORD_BITS (8 * sizeof(ElfW(Addr)))

#ifndef DT_GNU_HASH
#define DT_GNU_HASH 0x6ffffef5
#endif

/* Our own dynamic section: tells our link map from the others. */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* What the dynamic section of one object says. */
struct object {
	ElfW(Addr) base;
	const ElfW(Sym) * sym;
	const char *str;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	const ElfW(Half) * versym;
	const ElfW(Verdef) * verdef;
	const ElfW(Verneed) * verneed;
	const char *soname;
};

struct wanted {
	const char *name;
	const char *version; /* NULL: the default one */
	uint32_t gnu_hash;
};

/* --- one object --- */

/* The C library's is an indirect function, not worth a binding in every process. */
static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static uint32_t hash_gnu(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static uint32_t hash_sysv(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= h >> 24 & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

/*
 * glibc adds the load address to the entries in place, but not in a read-only section (the vDSO),
 * and musl never does: an address below the base is still an offset.
 */
static const void *table_at(ElfW(Addr) base, ElfW(Addr) value)
{
	return (const void *)(value < base ? base + value : value);
}

static void object_read(struct object *o, ElfW(Addr) base, const ElfW(Dyn) * dynamic)
{
	ElfW(Addr) soname = 0;

	*o = (struct object){ .base = base };
	for (const ElfW(Dyn) *d = dynamic; d && d->d_tag != DT_NULL; d++) {
		const void *table = table_at(base, d->d_un.d_ptr);

		switch (d->d_tag) {
		case DT_SYMTAB:
			o->sym = table;
			break;
		case DT_STRTAB:
			o->str = table;
			break;
		case DT_GNU_HASH:
			o->gnu_hash = table;
			break;
		case DT_HASH:
			o->hash = table;
			break;
		case DT_VERSYM:
			o->versym = table;
			break;
		case DT_VERDEF:
			o->verdef = table;
			break;
		case DT_VERNEED:
			o->verneed = table;
			break;
		case DT_SONAME:
			soname = d->d_un.d_val;
			break;
		default:
			break;
		}
	}
	if (o->str && soname)
		o->soname = o->str + soname;
}

/* The name of a version that the object itself defines. */
static const char *version_defined(const struct object *o, uint32_t index)
{
	const ElfW(Verdef) *d = o->verdef;

	while (d) {
		if ((d->vd_ndx & VERSION_INDEX) == index) {
			const ElfW(Verdaux) *aux = (const void *)((const char *)d + d->vd_aux);

			return o->str + aux->vda_name;
		}
		d = d->vd_next ? (const void *)((const char *)d + d->vd_next) : NULL;
	}
	return NULL;
}

/* The name of a version that the object was linked against. */
static const char *version_needed(const struct object *o, uint32_t index)
{
	const ElfW(Verneed) *n = o->verneed;

	while (n) {
		const ElfW(Vernaux) *aux = (const void *)((const char *)n + n->vn_aux);

		for (uint32_t i = 0; i < n->vn_cnt; i++) {
			if ((aux->vna_other & VERSION_INDEX) == index)
				return o->str + aux->vna_name;
			aux = (const void *)((const char *)aux + aux->vna_next);
		}
		n = n->vn_next ? (const void *)((const char *)n + n->vn_next) : NULL;
	}
	return NULL;
}

static bool version_fits(const struct object *o, uint32_t index, const char *version)
{
	uint32_t v;
	const char *defined;

	if (!o->versym)
		return true; /* without versions, as a preload mostly is: good for any */
	v = o->versym[index];
	if ((v & VERSION_INDEX) == VERSION_LOCAL)
		return false;
	if (!version)
		return !(v & VERSION_HIDDEN);
	if ((v & VERSION_INDEX) == VER_NDX_GLOBAL)
		return true;
	defined = version_defined(o, v & VERSION_INDEX);
	return defined && same(defined, version);
}

static bool symbol_fits(const struct object *o, uint32_t index, const struct wanted *w)
{
	const ElfW(Sym) *s = &o->sym[index];
	uint32_t type = ELF32_ST_TYPE(s->st_info);

	if (s->st_shndx == SHN_UNDEF || s->st_value == 0)
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_OBJECT && type != STT_NOTYPE)
		return false;
	return same(o->str + s->st_name, w->name) && version_fits(o, index, w->version);
}

/* Index of the symbol in the object; 0, which is never one, if there is none. */
static uint32_t find_gnu(const struct object *o, const struct wanted *w)
{
	uint32_t buckets = o->gnu_hash[0];
	uint32_t first = o->gnu_hash[1];
	uint32_t bloom_words = o->gnu_hash[2];
	uint32_t shift = o->gnu_hash[3];
	const ElfW(Addr) *bloom = (const void *)&o->gnu_hash[4];
	const uint32_t *bucket = (const void *)&bloom[bloom_words];
	const uint32_t *chain = &bucket[buckets];
	uint32_t h = w->gnu_hash;
	ElfW(Addr) word;

	/* An empty table has no buckets: the linkers of some toolchains write that. */
	if (buckets == 0 || bloom_words == 0)
		return 0;
	word = bloom[h / WORD_BITS & (bloom_words - 1)];
	if (!(word >> h % WORD_BITS & word >> (h >> shift) % WORD_BITS & 1))
		return 0;
	for (uint32_t i = bucket[h % buckets]; i >= first && i != 0; i++) {
		if (((chain[i - first] ^ h) | 1) == 1 && symbol_fits(o, i, w))
			return i;
		if (chain[i - first] & 1)
			break;
	}
	return 0;
}

static uint32_t find_sysv(const struct object *o, const struct wanted *w)
{
	uint32_t buckets = o->hash[0];
	const uint32_t *bucket = &o->hash[2];
	const uint32_t *chain = &bucket[buckets];

	if (buckets == 0)
		return 0;
	for (uint32_t i = bucket[hash_sysv(w->name) % buckets]; i != 0; i = chain[i])
		if (symbol_fits(o, i, w))
			return i;
	return 0;
}

static void *find_in(const struct object *o, const struct wanted *w)
{
	uint32_t index = 0;
	ElfW(Addr) at;

	if (!o->sym || !o->str)
		return NULL;
	if (o->gnu_hash)
		index = find_gnu(o, w);
	else if (o->hash)
		index = find_sysv(o, w);
	if (index == 0)
		return NULL;
	at = o->base + o->sym[index].st_value;
	if (ELF32_ST_TYPE(o->sym[index].st_info) == STT_GNU_IFUNC)
		at = ((ElfW(Addr)(*)(unsigned long))at)(getauxval(AT_HWCAP));
	return (void *)at;
}

static struct wanted wanted_name(const char *name)
{
	return (struct wanted){ .name = name, .gnu_hash = hash_gnu(name) };
}

/* --- the list of objects --- */

static const ElfW(Dyn) * dynamic_of(const ElfW(Phdr) * ph, size_t n, ElfW(Addr) base)
{
	for (size_t i = 0; i < n; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			return (const void *)(base + ph[i].p_vaddr);
	return NULL;
}

/* The program's DT_DEBUG.  NULL: linked without, or the program says not where it lies. */
static const struct r_debug *debug_of_program(void)
{
	const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM);
	const ElfW(Dyn) *d = NULL;

	for (size_t i = 0; ph && i < n; i++)
		if (ph[i].p_type == PT_PHDR)
			d = dynamic_of(ph, n, (ElfW(Addr))ph - ph[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_DEBUG)
			return (const void *)d->d_un.d_ptr;
	return NULL;
}

/* The dynamic linker's _r_debug.  NULL: it was run as a program, and the kernel loaded no other. */
static const struct r_debug *debug_of_linker(void)
{
	const ElfW(Ehdr) *eh = (const void *)getauxval(AT_BASE);
	struct wanted w = wanted_name("_r_debug");
	struct object o;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return NULL;
	object_read(&o, (ElfW(Addr))eh,
		    dynamic_of((const void *)((const char *)eh + eh->e_phoff), eh->e_phnum,
			       (ElfW(Addr))eh));
	return find_in(&o, &w);
}

static const struct r_debug *debug_get(void)
{
	static _Atomic(const struct r_debug *) known;
	const struct r_debug *debug = atomic_load_explicit(&known, memory_order_relaxed);

	if (LIKELY(debug != NULL))
		return debug;
	debug = debug_of_program();
	if (!debug)
		debug = debug_of_linker();
	atomic_store_explicit(&known, debug, memory_order_relaxed);
	return debug;
}

const struct link_map *resolve_first_object(void)
{
	const struct r_debug *debug = debug_get();

	return debug ? debug->r_map : NULL;
}

const struct link_map *resolve_own_object(void)
{
	static _Atomic(const struct link_map *) known;
	const struct link_map *map = atomic_load_explicit(&known, memory_order_relaxed);

	if (LIKELY(map != NULL))
		return map;
	map = resolve_first_object();
	while (map && map->l_ld != _DYNAMIC)
		map = map->l_next;
	atomic_store_explicit(&known, map, memory_order_relaxed);
	return map;
}

static const struct link_map *object_behind_us(void)
{
	const struct link_map *own = resolve_own_object();

	return own ? own->l_next : NULL;
}

/* --- questions --- */

static void *resolve_wanted(const struct wanted *w)
{
	void *found = NULL;

	for (const struct link_map *m = object_behind_us(); m && !found; m = m->l_next) {
		struct object o;

		object_read(&o, m->l_addr, m->l_ld);
		found = find_in(&o, w);
	}
	return found;
}

void *resolve(const char *name)
{
	struct wanted w = wanted_name(name);

	return resolve_wanted(&w);
}

void *resolve_in(const struct link_map *object, const char *name)
{
	return resolve_in_version(object, name, NULL);
}

void *resolve_in_version(const struct link_map *object, const char *name, const char *version)
{
	struct wanted w = wanted_name(name);
	struct object o;

	w.version = version;

	object_read(&o, object->l_addr, object->l_ld);
	return find_in(&o, &w);
}

uint32_t resolve_defined(const struct link_map *object, const char *names)
{
	uint32_t found = 0;
	struct object o;

	object_read(&o, object->l_addr, object->l_ld);
	for (uint32_t bit = 1; *names; bit <<= 1) {
		struct wanted w = wanted_name(names);

		if (find_in(&o, &w))
			found |= bit;
		names += strlen(names) + 1;
	}
	return found;
}

const char *resolve_soname(const struct link_map *object)
{
	struct object o;

	object_read(&o, object->l_addr, object->l_ld);
	return o.soname;
}

/* --- the version that a caller was linked against --- */

/*
 * Code lies between an object's base and its dynamic section, and objects do not interleave, so the
 * program's own headers need not be read.  The list is left alone while somebody is changing it.
 */
static const struct link_map *object_around(ElfW(Addr) address)
{
	const struct r_debug *debug = debug_get();

	if (!debug || debug->r_state != RT_CONSISTENT)
		return NULL;
	for (const struct link_map *m = debug->r_map; m; m = m->l_next)
		if (resolve_is_in(m, (const void *)address))
			return m;
	return NULL;
}

/* Among the symbols that these relocations name. */
static const char *version_in(const struct object *o, const ElfW(Rela) * rela, size_t bytes,
			      const char *name)
{
	for (size_t i = 0; rela && i < bytes / sizeof(*rela); i++) {
		size_t symbol = ELF64_R_SYM(rela[i].r_info);

		if (symbol && o->sym[symbol].st_shndx == SHN_UNDEF &&
		    same(o->str + o->sym[symbol].st_name, name))
			return version_needed(o, o->versym[symbol] & VERSION_INDEX);
	}
	return NULL;
}

/* What an object imports is in no hash table, and how many symbols it has is written nowhere. */
const char *resolve_version_imported(const struct link_map *m, const char *name)
{
	const ElfW(Rela) *plt = NULL;
	const ElfW(Rela) *rela = NULL;
	size_t plt_bytes = 0;
	size_t rela_bytes = 0;
	const char *version;
	struct object o;

	object_read(&o, m->l_addr, m->l_ld);
	if (!o.sym || !o.str || !o.versym || !o.verneed)
		return NULL;
	for (const ElfW(Dyn) *d = m->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_JMPREL)
			plt = table_at(m->l_addr, d->d_un.d_ptr);
		else if (d->d_tag == DT_RELA)
			rela = table_at(m->l_addr, d->d_un.d_ptr);
		else if (d->d_tag == DT_PLTRELSZ)
			plt_bytes = d->d_un.d_val;
		else if (d->d_tag == DT_RELASZ)
			rela_bytes = d->d_un.d_val;
	}
	version = version_in(&o, plt, plt_bytes, name);
	return version ? version : version_in(&o, rela, rela_bytes, name);
}

void *resolve_as_bound(const char *name, const void *caller)
{
	const struct link_map *around = object_around((ElfW(Addr))caller);
	struct wanted w = wanted_name(name);
	void *found = NULL;

	if (around)
		w.version = resolve_version_imported(around, name);
	if (w.version)
		found = resolve_wanted(&w);
	if (!found) {
		w.version = NULL;
		found = resolve_wanted(&w);
	}
	return found;
}
