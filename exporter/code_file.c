/* SPDX-License-Identifier: Apache-2.0 */
#include "code_file.h"

#include <elf.h>
#include <string.h>

#include "rawsys.h"

#define SECTIONS_MAX 4096u
#define NOTES_MAX 8192u
#define SYMBOLS_BYTES_MAX (64u << 20)
#define SYMBOLS_AT_ONCE 128u

bool code_read(const struct code_file *f, uint64_t at, void *to, size_t len)
{
	char *p = to;

	if (at > f->source.size || len > f->source.size - at)
		return false;
	if (f->source.bytes) {
		memcpy(to, f->source.bytes + at, len);
		return true;
	}
	while (len) {
		long n =
			raw_syscall6(SYS_pread64, f->source.fd, (long)p, (long)len, (long)at, 0, 0);

		if (n <= 0)
			return false;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

size_t code_text(const struct code_file *f, struct code_part part, uint64_t at, char *to,
		 size_t cap)
{
	uint64_t left = at < part.len ? part.len - at : 0;
	size_t n = left < cap ? (size_t)left : cap;
	const char *end;

	if (!n || !code_read(f, part.at + at, to, n))
		return 0;
	end = memchr(to, 0, n);
	return end ? (size_t)(end - to) : cap;
}

/* --- sections --- */

static bool part_set(const struct code_file *f, const Elf64_Shdr *s, struct code_part *to)
{
	if (s->sh_type == SHT_NOBITS || s->sh_flags & SHF_COMPRESSED ||
	    s->sh_offset > f->source.size || s->sh_size > f->source.size - s->sh_offset)
		return false;
	*to = (struct code_part){ s->sh_offset, s->sh_size };
	return true;
}

static bool section_read(const struct code_file *f, const Elf64_Ehdr *e, uint64_t i,
			 Elf64_Shdr *ret)
{
	return i < e->e_shnum && code_read(f, e->e_shoff + i * sizeof(*ret), ret, sizeof(*ret));
}

static void symbols_set(const struct code_file *f, const Elf64_Ehdr *e, const Elf64_Shdr *s,
			struct code_part *symbols, struct code_part *names)
{
	Elf64_Shdr texts;
	struct code_part p;

	if (s->sh_entsize == sizeof(Elf64_Sym) && section_read(f, e, s->sh_link, &texts) &&
	    part_set(f, &texts, names) && part_set(f, s, &p))
		*symbols = p;
}

static void debug_set(struct code_file *f, const Elf64_Shdr *s, struct code_part names)
{
	char name[20];
	size_t len = code_text(f, names, s->sh_name, name, sizeof(name));
	struct bytes n = { name, len < sizeof(name) ? len : 0 };

	if (bytes_equal(n, BYTES(".debug_line")))
		(void)part_set(f, s, &f->line);
	else if (bytes_equal(n, BYTES(".debug_line_str")))
		(void)part_set(f, s, &f->line_str);
	else if (bytes_equal(n, BYTES(".debug_str")))
		(void)part_set(f, s, &f->str);
}

static size_t aligned(uint32_t len)
{
	return ((size_t)len + 3) & ~(size_t)3;
}

static void notes_look(struct code_file *f, const Elf64_Shdr *s)
{
	struct code_part p;
	Elf64_Nhdr n;

	if (!part_set(f, s, &p) || p.len > NOTES_MAX)
		return;
	while (p.len >= sizeof(n) && code_read(f, p.at, &n, sizeof(n))) {
		char name[4];
		size_t size;

		if (n.n_namesz > NOTES_MAX || n.n_descsz > NOTES_MAX)
			return;
		size = sizeof(n) + aligned(n.n_namesz) + aligned(n.n_descsz);
		if (size > p.len)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == sizeof(name) && n.n_descsz &&
		    code_read(f, p.at + sizeof(n), name, sizeof(name)) &&
		    memcmp(name, "GNU", sizeof(name)) == 0) {
			size_t len = n.n_descsz < CODE_ID_MAX ? n.n_descsz : CODE_ID_MAX;

			if (code_read(f, p.at + sizeof(n) + sizeof(name), f->id, len))
				f->id_len = (uint8_t)len;
			return;
		}
		p.at += size;
		p.len -= size;
	}
}

static void section_take(struct code_file *f, const Elf64_Ehdr *e, const Elf64_Shdr *s,
			 struct code_part names)
{
	switch (s->sh_type) {
	case SHT_SYMTAB:
		symbols_set(f, e, s, &f->symtab, &f->strtab);
		break;
	case SHT_DYNSYM:
		symbols_set(f, e, s, &f->dynsym, &f->dynstr);
		break;
	case SHT_NOTE:
		if (!f->id_len)
			notes_look(f, s);
		break;
	case SHT_PROGBITS:
		debug_set(f, s, names);
		break;
	default:
		break;
	}
}

bool code_open(struct code_file *f, struct code_source from)
{
	struct code_part names = { 0, 0 };
	Elf64_Ehdr e;
	Elf64_Shdr s;

	*f = (struct code_file){ .source = from };
	if (!code_read(f, 0, &e, sizeof(e)) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_shentsize != sizeof(s) || e.e_shnum > SECTIONS_MAX || e.e_shoff > from.size)
		return false;
	if (section_read(f, &e, e.e_shstrndx, &s))
		(void)part_set(f, &s, &names);
	for (uint64_t i = 0; i < e.e_shnum && section_read(f, &e, i, &s); i++)
		section_take(f, &e, &s, names);
	return true;
}

/* --- symbols --- */

/* Of names for the same place those that people use: "read" rather than "__read". */
static uint8_t rank_of(const struct code_file *f, struct code_part names, const Elf64_Sym *s)
{
	char first;
	uint8_t rank = ELF64_ST_BIND(s->st_info) == STB_LOCAL ? 1 : 2;

	if (!s->st_name || s->st_name >= names.len ||
	    !code_read(f, names.at + s->st_name, &first, 1))
		return 0;
	return (uint8_t)(rank + (first == '_' ? 0 : 2));
}

static void symbol_try(const struct code_file *f, struct code_part names, const Elf64_Sym *s,
		       struct code_place *places, size_t n)
{
	uint8_t type = ELF64_ST_TYPE(s->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF)
		return;
	for (size_t i = 0; i < n; i++) {
		struct code_place *p = &places[i];
		uint8_t rank;

		if (p->name_len || p->at < s->st_value || p->at - s->st_value >= s->st_size)
			continue;
		rank = rank_of(f, names, s);
		if (rank <= p->rank)
			continue;
		p->rank = rank;
		p->start = s->st_value;
		p->name_at = s->st_name;
	}
}

static void symbols_search(const struct code_file *f, struct code_part symbols,
			   struct code_part names, struct code_place *places, size_t n)
{
	Elf64_Sym some[SYMBOLS_AT_ONCE];
	uint64_t len = symbols.len < SYMBOLS_BYTES_MAX ? symbols.len : SYMBOLS_BYTES_MAX;
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++)
		places[i].rank = 0;
	while (len - at >= sizeof(some[0])) {
		size_t count = SYMBOLS_AT_ONCE;

		if (count > (len - at) / sizeof(some[0]))
			count = (size_t)((len - at) / sizeof(some[0]));
		if (!code_read(f, symbols.at + at, some, count * sizeof(some[0])))
			break;
		for (size_t i = 0; i < count; i++)
			symbol_try(f, names, &some[i], places, n);
		at += count * sizeof(some[0]);
	}
	for (size_t i = 0; i < n; i++) {
		struct code_place *p = &places[i];
		size_t got;

		if (!p->rank)
			continue;
		got = code_text(f, names, p->name_at, p->name, sizeof(p->name));
		p->name_len = got < sizeof(p->name) ? (uint16_t)got : 0;
	}
}

void code_name_places(const struct code_file *f, struct code_place *places, size_t n)
{
	symbols_search(f, f->symtab, f->strtab, places, n);
	symbols_search(f, f->dynsym, f->dynstr, places, n);
}
