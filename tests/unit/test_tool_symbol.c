/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions, by this program itself: what is asked is what it knows of itself. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#include "elf_symbol.h"
#include "native_frame.h"
#include "test_view_fixture.h"

__attribute__((noinline, used)) static int of_this_name(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 3;
}

struct self {
	uint64_t address; /* in the file, inside of of_this_name() */
	char id[64];      /* hex */
	char path[512];
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct self *self = data;

	(void)size;
	self->address = (uint64_t)(uintptr_t)of_this_name - info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const char *at = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		const char *end = at + info->dlpi_phdr[i].p_memsz;

		while (info->dlpi_phdr[i].p_type == PT_NOTE && at + sizeof(Elf64_Nhdr) < end) {
			const Elf64_Nhdr *note = (const void *)at;

			at += sizeof(*note) + ((note->n_namesz + 3) & ~3u);
			for (unsigned j = 0; note->n_type == NT_GNU_BUILD_ID && j < note->n_descsz;
			     j++)
				snprintf(self->id + 2 * j, 3, "%02x", (unsigned char)at[j]);
			at += (note->n_descsz + 3) & ~3u;
		}
	}
	return 1; /* the first is the program */
}

static struct self know_thyself(void)
{
	struct self self = { 0 };

	dl_iterate_phdr(look, &self);
	assert_true(readlink("/proc/self/exe", self.path, sizeof(self.path) - 1) > 0);
	return self;
}

static void test_tool_symbol_is_that_of_the_file(void **state)
{
	struct self self = know_thyself();
	char name[ELF_SYMBOL_MAX] = "";

	(void)state;
	if (!*self.id)
		skip(); /* a linker that writes none */
	assert_true(elf_symbol_find(self.path, bytes_from_str(self.id), self.address, name));
	assert_string_equal(name, "of_this_name");
	assert_true(elf_symbol_find(self.path, bytes_from_str(self.id), self.address + 1, name));
	assert_false(elf_symbol_find(self.path, bytes_from_str(self.id), 1, name));
	/* Of another build nothing is said. */
	self.id[0] ^= 1;
	assert_false(elf_symbol_find(self.path, bytes_from_str(self.id), self.address, name));
	assert_false(elf_symbol_find(self.path, BYTES(""), self.address, name));
}

static void test_tool_symbol_opens_no_devices(void **state)
{
	static const char *const paths[] = { "/dev/zero", "/dev/tty",    "/tmp",
					     "/none",     "/etc/passwd", "" };
	char name[ELF_SYMBOL_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_false(elf_symbol_find(paths[i], BYTES("00"), 1, name));
}

/* Every byte of the headers at its worst: nothing outside is read, which the sanitizers see. */
static void test_tool_symbol_survives_damaged_files(void **state)
{
	char path[] = "/tmp/test_tool_symbol.XXXXXX", name[ELF_SYMBOL_MAX];
	struct {
		Elf64_Ehdr file;
		Elf64_Shdr sections[3];
		Elf64_Sym symbols[2];
		char names[16];
		Elf64_Nhdr note;
		char note_data[8];
	} m = {
		.file = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			  .e_shoff = sizeof(m.file),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 3 },
		.sections = { { .sh_type = SHT_SYMTAB,
				.sh_offset = sizeof(m.file) + sizeof(m.sections),
				.sh_size = sizeof(m.symbols),
				.sh_link = 1 },
			      { .sh_type = SHT_STRTAB,
				.sh_offset =
					sizeof(m.file) + sizeof(m.sections) + sizeof(m.symbols),
				.sh_size = sizeof(m.names) },
			      { .sh_type = SHT_NOTE,
				.sh_offset = sizeof(m.file) + sizeof(m.sections) +
					     sizeof(m.symbols) + sizeof(m.names),
				.sh_size = sizeof(m.note) + 8 } },
		.symbols = { { .st_name = 1, .st_info = STT_FUNC, .st_value = 16, .st_size = 16 } },
		.names = "\0f",
		.note = { .n_namesz = 4, .n_descsz = 4, .n_type = NT_GNU_BUILD_ID },
		.note_data = "GNU\0\x12\x34\x56\x78",
	};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &m, sizeof(m), 0), sizeof(m));
	assert_true(elf_symbol_find(path, BYTES("12345678"), 20, name));
	assert_string_equal(name, "f");
	for (size_t at = EI_CLASS; at < sizeof(m); at++) {
		unsigned char worst[2] = { 0xff, ((unsigned char *)&m)[at] };

		assert_int_equal(pwrite(fd, worst, 1, (off_t)at), 1);
		if (elf_symbol_find(path, BYTES("12345678"), 20, name))
			assert_true(strnlen(name, sizeof(name)) < sizeof(name));
		assert_int_equal(pwrite(fd, worst + 1, 1, (off_t)at), 1);
	}
	close(fd);
	unlink(path);
}

static void test_tool_frame_names_the_function_of_this_host(void **state)
{
	struct self self = know_thyself();
	char stack[1024], host[256], want[600];
	struct text got = { 0 };
	struct otlp_span *s;
	struct made m;

	(void)state;
	if (!*self.id)
		skip();
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	snprintf(stack, sizeof(stack),
		 "#0 /lib/libx.so+0x1 (build id 00)\n#1 %s+0x%llx (build id %s)", self.path,
		 (unsigned long long)self.address + 1, self.id);
	for (int is_here = 0; is_here < 2; is_here++) {
		struct otlp_attr attrs[] = {
			{ BYTES("host.name"),
			  { OTLP_STRING, .text = bytes_from_str(is_here ? host : "other") } }
		};

		made_init(&m);
		s = made_span(&m, "s", OTLP_KIND_CLIENT, 1, 0, 0, 10);
		s->resource->attrs = (struct otlp_attrs){ attrs, 1 };
		text_clear(&got);
		native_frame(&got, s, bytes_from_str(stack));
		text_add_char(&got, '\0');
		if (is_here)
			snprintf(want, sizeof(want), "of_this_name in %s", self.path);
		else
			snprintf(want, sizeof(want), "%s+0x%llx", self.path,
				 (unsigned long long)self.address + 1);
		assert_string_equal(got.ptr, want);
		made_done(&m);
	}
	text_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_symbol_is_that_of_the_file),
		cmocka_unit_test(test_tool_symbol_opens_no_devices),
		cmocka_unit_test(test_tool_symbol_survives_damaged_files),
		cmocka_unit_test(test_tool_frame_names_the_function_of_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + 0 * of_this_name(1);
}
