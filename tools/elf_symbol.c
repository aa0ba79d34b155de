/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX 1024u
#define TABLE_MAX ((size_t)64 << 20) /* of one section */

static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool read_at(int fd, uint64_t offset, void *to, size_t size)
{
	return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* Returns owned, with a NUL behind it; NULL: it is not there, or too large. */
static char *read_section(int fd, const Elf64_Shdr *s)
{
	char *data = s->sh_size && s->sh_size <= TABLE_MAX ? malloc(s->sh_size + 1) : NULL;

	if (!data)
		return NULL;
	if (!read_at(fd, s->sh_offset, data, s->sh_size)) {
		free(data);
		return NULL;
	}
	data[s->sh_size] = '\0';
	return data;
}

/* Returns owned; NULL: they cannot be read. */
static Elf64_Shdr *read_sections(int fd, unsigned *ret_count)
{
	Elf64_Ehdr file;
	Elf64_Shdr *list;

	if (!read_at(fd, 0, &file, sizeof(file)) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
	    file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_shentsize != sizeof(*list) ||
	    !file.e_shnum || file.e_shnum > SECTIONS_MAX)
		return NULL;
	list = calloc(file.e_shnum, sizeof(*list));
	if (list && !read_at(fd, file.e_shoff, list, file.e_shnum * sizeof(*list))) {
		free(list);
		return NULL;
	}
	*ret_count = file.e_shnum;
	return list;
}

static bool is_id(const unsigned char *id, size_t n, struct bytes digits)
{
	char hex[3];

	if (digits.len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		snprintf(hex, sizeof(hex), "%02x", id[i]);
		if (memcmp(hex, digits.ptr + 2 * i, 2) != 0)
			return false;
	}
	return true;
}

/* The note of the linker: "GNU", type 3. */
static bool has_build_id(int fd, const Elf64_Shdr *list, unsigned count, struct bytes digits)
{
	bool is = false;

	for (unsigned i = 0; i < count && !is; i++) {
		const Elf64_Nhdr *note;
		char *data = list[i].sh_type == SHT_NOTE ? read_section(fd, &list[i]) : NULL;

		note = (const void *)data;
		if (data && list[i].sh_size >= sizeof(*note) + 4 &&
		    note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    memcmp(note + 1, "GNU", 4) == 0 &&
		    note->n_descsz <= list[i].sh_size - sizeof(*note) - 4)
			is = is_id((const unsigned char *)(note + 1) + 4, note->n_descsz, digits);
		free(data);
	}
	return is;
}

static bool search(const Elf64_Sym *symbols, size_t n, const char *names, size_t names_size,
		   uint64_t address, char ret[ELF_SYMBOL_MAX])
{
	for (size_t i = 0; i < n; i++) {
		const Elf64_Sym *s = &symbols[i];

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || address < s->st_value ||
		    address - s->st_value >= s->st_size || s->st_name >= names_size)
			continue;
		snprintf(ret, ELF_SYMBOL_MAX, "%s", names + s->st_name);
		return *ret != '\0';
	}
	return false;
}

static bool search_table(int fd, const Elf64_Shdr *list, unsigned count, unsigned type,
			 uint64_t address, char ret[ELF_SYMBOL_MAX])
{
	bool is = false;

	for (unsigned i = 0; i < count && !is; i++) {
		char *symbols, *names;

		if (list[i].sh_type != type || list[i].sh_link >= count)
			continue;
		symbols = read_section(fd, &list[i]);
		names = read_section(fd, &list[list[i].sh_link]);
		if (symbols && names)
			is = search((const void *)symbols, list[i].sh_size / sizeof(Elf64_Sym),
				    names, list[list[i].sh_link].sh_size, address, ret);
		free(symbols);
		free(names);
	}
	return is;
}

bool elf_symbol_find(const char *path, struct bytes build_id, uint64_t address,
		     char ret[ELF_SYMBOL_MAX])
{
	int fd = open_regular(path);
	unsigned count = 0;
	Elf64_Shdr *list = fd < 0 ? NULL : read_sections(fd, &count);
	bool is = list && build_id.len && has_build_id(fd, list, count, build_id) &&
		  (search_table(fd, list, count, SHT_SYMTAB, address, ret) ||
		   search_table(fd, list, count, SHT_DYNSYM, address, ret));

	free(list);
	if (fd >= 0)
		close(fd);
	return is;
}
