/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_file.h"

#include <elf.h>

#include "compiler.h"

#define NOTE_GO_BUILDID 4u

/* size bytes at an offset; false: they are not there. */
static bool take(struct bytes head, uint64_t offset, void *to, size_t size)
{
	if (offset > head.len || head.len - offset < size)
		return false;
	memcpy(to, head.ptr + offset, size);
	return true;
}

static struct bytes part(struct bytes head, uint64_t offset, uint64_t size)
{
	if (offset > head.len || head.len - offset < size)
		return (struct bytes){ NULL, 0 };
	return (struct bytes){ head.ptr + offset, (size_t)size };
}

static void read_interpreter(struct elf_facts *ret, struct bytes name)
{
	size_t n = name.len ? strnlen(name.ptr, name.len) : 0;

	ret->is_whole = n > 0 && n < sizeof(ret->interpreter);
	if (!ret->is_whole)
		return;
	memcpy(ret->interpreter, name.ptr, n);
	ret->interpreter[n] = '\0';
}

static uint64_t padded(uint64_t n)
{
	return (n + 3) & ~(uint64_t)3;
}

/* A note of Go's linker is in every program of its. */
static void read_notes(struct elf_facts *ret, struct bytes notes)
{
	Elf64_Nhdr note;

	while (take(notes, 0, &note, sizeof(note))) {
		uint64_t size = sizeof(note) + padded(note.n_namesz) + padded(note.n_descsz);
		struct bytes name = part(notes, sizeof(note), note.n_namesz);

		if (note.n_type == NOTE_GO_BUILDID && bytes_start_with(name, BYTES("Go\0")))
			ret->is_go = true;
		if (size > notes.len)
			return;
		notes = bytes_skip(notes, (size_t)size);
	}
}

void elf_read(struct elf_facts *ret, struct bytes head)
{
	Elf64_Ehdr file;
	Elf64_Phdr segment;

	*ret = (struct elf_facts){ .is_elf = bytes_start_with(head, BYTES(ELFMAG)) &&
					     head.len > EI_DATA };
	if (!ret->is_elf || !take(head, 0, &file, sizeof(file)))
		return;
	ret->is_64 = file.e_ident[EI_CLASS] == ELFCLASS64;
	ret->type = file.e_type;
	ret->machine = file.e_machine;
	if (!ret->is_64 || file.e_ident[EI_DATA] != ELFDATA2LSB ||
	    file.e_phentsize != sizeof(segment))
		return;
	ret->is_whole = true;
	for (unsigned i = 0; i < file.e_phnum && ret->is_whole; i++) {
		if (!take(head, file.e_phoff + (uint64_t)i * sizeof(segment), &segment,
			  sizeof(segment)))
			ret->is_whole = false;
		else if (segment.p_type == PT_INTERP)
			read_interpreter(ret, part(head, segment.p_offset, segment.p_filesz));
		else if (segment.p_type == PT_NOTE)
			read_notes(ret, part(head, segment.p_offset, segment.p_filesz));
	}
}

uint16_t elf_own_machine(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#elif defined(__aarch64__)
	return EM_AARCH64;
#else
	return EM_NONE;
#endif
}
