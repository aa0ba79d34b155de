/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind.h"

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <libunwind.h>

#include "compiler.h"
#include "memory.h"
#include "rawsys.h"
#include "resolve.h"

#define PAGE 4096u
#define PAGES 16u     /* that are known to be readable, in one walk */
#define REGISTERS 17u /* UNW_X86_64_RAX to UNW_X86_64_RIP */

/* The encodings of a table that every linker makes: a count, and pairs relative to the header. */
#define EH_HEADER_VERSION 1u
#define EH_COUNT_UDATA4 0x03u
#define EH_TABLE_SDATA4_DATAREL 0x3bu
#define EH_POINTER_SDATA4_PCREL 0x1bu

struct walk {
	unw_word_t registers[REGISTERS];
	uintptr_t pages[PAGES]; /* round and round; 0: none */
	uint32_t next;
	bool has_ended; /* at a frame of which nobody says how to leave it */
};

/* libunwind's name of it, for the architecture that it is built for. */
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di,
			       unw_proc_info_t *pi, int need_unwind_info, void *arg);

bool unwind_object_find(uintptr_t at, struct unwind_object *ret)
{
	static int (*_Atomic find)(void *, struct unwind_object *);
	int (*f)(void *, struct unwind_object *) = find;

	if (UNLIKELY(!f)) {
		f = (int (*)(void *, struct unwind_object *))resolve("_dl_find_object");
		find = f;
	}
	return f && f((void *)at, ret) == 0;
}

/* --- what libunwind asks for --- */

static bool page_is_known(struct walk *w, uintptr_t at)
{
	uintptr_t page = at & ~(uintptr_t)(PAGE - 1);

	if (!page) /* as an entry that is none */
		return false;
	for (uint32_t i = 0; i < PAGES; i++)
		if (w->pages[i] == page)
			return true;
	if (!memory_is_readable((void *)at, 1))
		return false;
	w->pages[w->next++ % PAGES] = page;
	return true;
}

__attribute__((no_sanitize("address", "thread"))) static bool
word_read(struct walk *w, uintptr_t at, unw_word_t *ret)
{
	unsigned char *to = (unsigned char *)ret;

	if (!page_is_known(w, at) || !page_is_known(w, at + sizeof(*ret) - 1))
		return false;
	for (size_t i = 0; i < sizeof(*ret); i++)
		to[i] = ((const volatile unsigned char *)at)[i];
	return true;
}

static int access_memory(unw_addr_space_t as, unw_word_t at, unw_word_t *value, int is_write,
			 void *arg)
{
	(void)as;
	if (is_write || at > UINTPTR_MAX - sizeof(*value))
		return -UNW_EINVAL;
	return word_read(arg, at, value) ? 0 : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t as, unw_regnum_t which, unw_word_t *value, int is_write,
			   void *arg)
{
	struct walk *w = arg;

	(void)as;
	if (which < 0 || (uint32_t)which >= REGISTERS)
		return -UNW_EBADREG;
	if (is_write)
		w->registers[which] = *value;
	else
		*value = w->registers[which];
	return 0;
}

static int access_float(unw_addr_space_t as, unw_regnum_t which, unw_fpreg_t *value, int is_write,
			void *arg)
{
	(void)as;
	(void)which;
	(void)value;
	(void)is_write;
	(void)arg;
	return -UNW_EBADREG;
}

static int none_dynamic(unw_addr_space_t as, unw_word_t *ret, void *arg)
{
	(void)as;
	(void)ret;
	(void)arg;
	return -UNW_ENOINFO;
}

static void put_nothing(unw_addr_space_t as, unw_proc_info_t *info, void *arg)
{
	(void)as;
	(void)info;
	(void)arg;
}

/* The header of .eh_frame_hdr: version, three encodings, where .eh_frame is, how many entries. */
static bool table_find(struct walk *w, const struct unwind_object *o, unw_dyn_info_t *ret)
{
	uintptr_t header = (uintptr_t)o->eh_frame_header;
	unw_word_t first, second;
	uint32_t count;

	if (!header || !word_read(w, header, &first) || !word_read(w, header + 8, &second))
		return false;
	count = (uint32_t)second;
	if ((first & 0xffffffffu) !=
		    (EH_HEADER_VERSION | EH_POINTER_SDATA4_PCREL << 8 | EH_COUNT_UDATA4 << 16 |
		     (uint32_t)EH_TABLE_SDATA4_DATAREL << 24) ||
	    count > UINT32_MAX / 8)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->format = UNW_INFO_FORMAT_REMOTE_TABLE;
	ret->start_ip = (unw_word_t)o->start;
	ret->end_ip = (unw_word_t)o->end;
	ret->u.rti.segbase = header;
	ret->u.rti.table_data = header + 12;
	ret->u.rti.table_len = count; /* words of eight bytes, two of four each */
	return true;
}

static int info_find(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *ret, int with_info,
		     void *arg)
{
	struct walk *w = arg;
	struct unwind_object o;
	unw_dyn_info_t table;

	if (unwind_object_find(ip, &o) && table_find(w, &o, &table) &&
	    search_unwind_table(as, ip, &table, ret, with_info, arg) >= 0)
		return 0;
	/* libunwind would guess. */
	w->has_ended = true;
	return -UNW_ENOINFO;
}

static int resume_nowhere(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as;
	(void)cursor;
	(void)arg;
	return -UNW_EINVAL;
}

static int name_nothing(unw_addr_space_t as, unw_word_t ip, char *to, size_t cap, unw_word_t *at,
			void *arg)
{
	(void)as;
	(void)ip;
	(void)to;
	(void)cap;
	(void)at;
	(void)arg;
	return -UNW_ENOINFO;
}

/* --- walking --- */

static unw_addr_space_t space;

static unw_addr_space_t space_get(void)
{
	unw_accessors_t a = { .find_proc_info = info_find,
			      .put_unwind_info = put_nothing,
			      .get_dyn_info_list_addr = none_dynamic,
			      .access_mem = access_memory,
			      .access_reg = access_register,
			      .access_fpreg = access_float,
			      .resume = resume_nowhere,
			      .get_proc_name = name_nothing };

	if (space)
		return space;
	space = unw_create_addr_space(&a, 0);
	if (space)
		unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
	return space;
}

void unwind_forget(void)
{
	if (space)
		unw_flush_cache(space, 0, 0);
}

static void registers_set(struct walk *w, const struct unwind_registers *from)
{
	w->registers[UNW_X86_64_R15] = from->r15;
	w->registers[UNW_X86_64_R14] = from->r14;
	w->registers[UNW_X86_64_R13] = from->r13;
	w->registers[UNW_X86_64_R12] = from->r12;
	w->registers[UNW_X86_64_RBX] = from->rbx;
	w->registers[UNW_X86_64_RBP] = from->rbp;
	w->registers[UNW_X86_64_RSP] = (unw_word_t)(from + 1);
	w->registers[UNW_X86_64_RIP] = from->rip;
}

uint32_t unwind_walk(const struct unwind_registers *from, uintptr_t *to, uint32_t max)
{
	struct walk w = { .next = 0 };
	unw_cursor_t cursor;
	unw_word_t at = from->rip, stack = 0, below;
	uint32_t n = 0;

	registers_set(&w, from);
	if (!space_get() || unw_init_remote(&cursor, space, &w) < 0)
		return 0;
	while (n < max) {
		below = stack;
		if (!at || unw_get_reg(&cursor, UNW_REG_SP, &stack) < 0 || (n && stack <= below))
			break;
		to[n++] = at;
		if (unw_step(&cursor) <= 0 || w.has_ended ||
		    unw_get_reg(&cursor, UNW_REG_IP, &at) < 0)
			break;
	}
	return n;
}

/* --- what libunwind calls instead of libc (scripts/static-parts) --- */

/*
 * Only under the lock of stack.c, so that its own locks are none; with memory that is the kernel's.
 */
void *unwind_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
int unwind_munmap(void *at, size_t len);
void *unwind_malloc(size_t len);
void *unwind_calloc(size_t n, size_t len);
void unwind_free(void *at);
ssize_t unwind_write(int fd, const void *from, size_t len);
const char *unwind_strerror(int error);
int unwind_lock_init(void *lock, const void *how);
int unwind_lock(void *lock);
int unwind_unlock(void *lock);

void *unwind_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	long to = raw_mmap(at, len, prot, flags, fd, offset);

	return raw_is_error(to) ? MAP_FAILED : (void *)to;
}

int unwind_munmap(void *at, size_t len)
{
	return (int)raw_munmap(at, len);
}

void *unwind_malloc(size_t len)
{
	long to = raw_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_is_error(to) ? NULL : (void *)to;
}

void *unwind_calloc(size_t n, size_t len)
{
	return unwind_malloc(n * len);
}

void unwind_free(void *at)
{
	(void)at;
}

/* It has nothing to say. */
ssize_t unwind_write(int fd, const void *from, size_t len)
{
	(void)fd;
	(void)from;
	return (ssize_t)len;
}

const char *unwind_strerror(int error)
{
	(void)error;
	return "";
}

int unwind_lock_init(void *lock, const void *how)
{
	(void)lock;
	(void)how;
	return 0;
}

int unwind_lock(void *lock)
{
	(void)lock;
	return 0;
}

int unwind_unlock(void *lock)
{
	(void)lock;
	return 0;
}
