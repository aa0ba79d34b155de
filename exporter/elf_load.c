/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_load.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "rawsys.h"

#define PAGE 4096ul
#define HEADERS_MAX 16u

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define RELOC_RELATIVE R_X86_64_RELATIVE
#define RELOC_ABSOLUTE R_X86_64_64
#define RELOC_GOT R_X86_64_GLOB_DAT
#define RELOC_PLT R_X86_64_JUMP_SLOT
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define RELOC_RELATIVE R_AARCH64_RELATIVE
#define RELOC_ABSOLUTE R_AARCH64_ABS64
#define RELOC_GOT R_AARCH64_GLOB_DAT
#define RELOC_PLT R_AARCH64_JUMP_SLOT
#endif

struct image {
	int fd;
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph[HEADERS_MAX];
	char *base;
	size_t len;
	const ElfW(Sym) * sym;
	const char *str;
	void *(*find)(const char *name);
	const char *missing;
};

static bool read_at(int fd, void *to, size_t len, size_t at)
{
	return raw_syscall6(SYS_pread64, fd, (long)to, (long)len, (long)at, 0, 0) == (long)len;
}

static bool headers_read(struct image *m)
{
	if (!read_at(m->fd, &m->eh, sizeof(m->eh), 0) ||
	    memcmp(m->eh.e_ident, ELFMAG, SELFMAG) != 0 || m->eh.e_type != ET_DYN ||
	    m->eh.e_machine != MACHINE || m->eh.e_phentsize != sizeof(m->ph[0]) ||
	    m->eh.e_phnum > HEADERS_MAX)
		return false;
	return read_at(m->fd, m->ph, m->eh.e_phnum * sizeof(m->ph[0]), m->eh.e_phoff);
}

static size_t page_up(size_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

static size_t page_down(size_t n)
{
	return n & ~(PAGE - 1);
}

static bool map_at(void *at, size_t len, int prot, int flags, int fd, size_t offset)
{
	return !raw_is_error(
		raw_mmap(at, len, prot, flags | MAP_PRIVATE | MAP_FIXED, fd, (long)offset));
}

/* Its part of the file, and zeroes behind that. */
static bool segment_map(struct image *m, const ElfW(Phdr) * p)
{
	int prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
		   (p->p_flags & PF_X ? PROT_EXEC : 0);
	size_t begin = page_down(p->p_vaddr);
	size_t file_end = p->p_vaddr + p->p_filesz;
	size_t end = page_up(p->p_vaddr + p->p_memsz);

	if (!map_at(m->base + begin, file_end - begin, prot, 0, m->fd, page_down(p->p_offset)))
		return false;
	if (p->p_memsz == p->p_filesz)
		return true;
	memset(m->base + file_end, 0, page_up(file_end) - file_end);
	return page_up(file_end) >= end ||
	       map_at(m->base + page_up(file_end), end - page_up(file_end), prot, MAP_ANONYMOUS, -1,
		      0);
}

static bool segments_map(struct image *m)
{
	long at;

	for (int i = 0; i < m->eh.e_phnum; i++)
		if (m->ph[i].p_type == PT_LOAD && m->ph[i].p_vaddr + m->ph[i].p_memsz > m->len)
			m->len = m->ph[i].p_vaddr + m->ph[i].p_memsz;
	m->len = page_up(m->len);
	/* One reservation, so that its parts lie as they were linked. */
	at = raw_mmap(NULL, m->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->len == 0 || raw_is_error(at))
		return false;
	m->base = (char *)at;
	for (int i = 0; i < m->eh.e_phnum; i++)
		if (m->ph[i].p_type == PT_LOAD && !segment_map(m, &m->ph[i]))
			return false;
	return true;
}

static const ElfW(Phdr) * header_of(const struct image *m, uint32_t type)
{
	for (int i = 0; i < m->eh.e_phnum; i++)
		if (m->ph[i].p_type == type)
			return &m->ph[i];
	return NULL;
}

/* The value of a symbol; false: nobody has it, and it is wanted. */
static bool symbol_value(struct image *m, size_t index, ElfW(Addr) * ret)
{
	const ElfW(Sym) *s = &m->sym[index];

	if (s->st_shndx != SHN_UNDEF) {
		*ret = (ElfW(Addr))m->base + s->st_value;
		return true;
	}
	*ret = (ElfW(Addr))m->find(m->str + s->st_name);
	if (*ret || ELF64_ST_BIND(s->st_info) == STB_WEAK)
		return true;
	m->missing = m->str + s->st_name;
	return false;
}

static bool relocate(struct image *m, const ElfW(Rela) * r, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*r); i++) {
		ElfW(Addr) *where = (void *)(m->base + r[i].r_offset);
		ElfW(Addr) value = (ElfW(Addr))m->base;
		uint32_t type = (uint32_t)ELF64_R_TYPE(r[i].r_info);

		if (type == RELOC_ABSOLUTE || type == RELOC_GOT || type == RELOC_PLT) {
			if (!symbol_value(m, ELF64_R_SYM(r[i].r_info), &value))
				return false;
		} else if (type != RELOC_RELATIVE) {
			return false;
		}
		*where = value + (ElfW(Addr))r[i].r_addend;
	}
	return true;
}

static bool relocate_all(struct image *m)
{
	const ElfW(Phdr) *p = header_of(m, PT_DYNAMIC);
	const ElfW(Rela) * tables[2] = { NULL, NULL };
	size_t bytes[2] = { 0, 0 };

	if (!p)
		return false;
	for (const ElfW(Dyn) *d = (const void *)(m->base + p->p_vaddr); d->d_tag; d++) {
		const void *at = m->base + d->d_un.d_ptr;

		if (d->d_tag == DT_SYMTAB)
			m->sym = at;
		else if (d->d_tag == DT_STRTAB)
			m->str = at;
		else if (d->d_tag == DT_RELA)
			tables[0] = at;
		else if (d->d_tag == DT_JMPREL)
			tables[1] = at;
		else if (d->d_tag == DT_RELASZ)
			bytes[0] = d->d_un.d_val;
		else if (d->d_tag == DT_PLTRELSZ)
			bytes[1] = d->d_un.d_val;
	}
	return m->sym && m->str && relocate(m, tables[0], bytes[0]) &&
	       relocate(m, tables[1], bytes[1]);
}

static void protect(const struct image *m)
{
	const ElfW(Phdr) *p = header_of(m, PT_GNU_RELRO);

	if (p)
		raw_syscall3(SYS_mprotect, (long)(m->base + page_down(p->p_vaddr)),
			     (long)(page_down(p->p_vaddr + p->p_memsz) - page_down(p->p_vaddr)),
			     PROT_READ);
}

void *elf_load(int fd, void *(*find)(const char *name), const char **ret_missing)
{
	struct image m = { .fd = fd, .find = find };
	bool is_good =
		headers_read(&m) && !header_of(&m, PT_TLS) && segments_map(&m) && relocate_all(&m);

	*ret_missing = m.missing;
	if (is_good) {
		protect(&m);
		return m.base + m.eh.e_entry;
	}
	/* The name that is missing lies in it. */
	if (m.base && !m.missing)
		raw_munmap(m.base, m.len);
	return NULL;
}
