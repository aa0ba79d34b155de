/* SPDX-License-Identifier: Apache-2.0 */
#include "stack_files.h"

#include <sys/stat.h>

#include "dwarf_line.h"
#include "rawsys.h"

#define PATH_ROOM 96u

static const char hex[] = "0123456789abcdef";

/*
 * Only a regular file is opened: whoever names it may want us to touch a device.  It is looked at
 * without opening it first, and opened through what was looked at.
 */
static long open_regular(const char *path, uint64_t *ret_size)
{
	char again[] = "/proc/thread-self/fd/\0\0\0\0\0\0\0\0\0\0";
	size_t at = sizeof("/proc/thread-self/fd/") - 1;
	long fd = raw_open(path, O_PATH | O_CLOEXEC, 0), opened = -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (raw_syscall3(SYS_fstat, fd, (long)&st, 0) == 0 && S_ISREG(st.st_mode)) {
		long scale = 1;

		while (fd / scale >= 10)
			scale *= 10;
		for (; scale; scale /= 10)
			again[at++] = (char)('0' + fd / scale % 10);
		opened = raw_open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
		*ret_size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	}
	raw_close((int)fd);
	return opened;
}

static bool is_missing(const struct code_place *places, size_t n,
		       bool (*has)(const struct code_place *))
{
	for (size_t i = 0; i < n; i++)
		if (!has(&places[i]))
			return true;
	return false;
}

static bool has_name(const struct code_place *p)
{
	return p->name_len != 0;
}

static bool has_line(const struct code_place *p)
{
	return p->line != 0;
}

static bool look(const char *path, struct bytes id, struct code_place *places, size_t n)
{
	struct code_source from = { .size = 0 };
	long fd = open_regular(path, &from.size);
	struct code_file f;
	bool is_it;

	if (fd < 0)
		return false;
	from.fd = (int)fd;
	is_it = code_open(&f, from) && bytes_equal((struct bytes){ f.id, f.id_len }, id);
	if (is_it) {
		code_name_places(&f, places, n);
		if (f.line.len)
			dwarf_line_places(&f, places, n);
	}
	raw_close((int)fd);
	return is_it;
}

/* /usr/lib/debug/.build-id/ab/cdef.debug */
static void look_for_debug(struct bytes id, struct code_place *places, size_t n)
{
	static const char root[] = "/usr/lib/debug/.build-id/", suffix[] = ".debug";
	char path[PATH_ROOM];
	size_t len = sizeof(root) - 1;

	if (id.len < 2 || id.len > CODE_ID_MAX)
		return;
	memcpy(path, root, len);
	for (size_t i = 0; i < id.len; i++) {
		path[len++] = hex[(unsigned char)id.ptr[i] >> 4];
		path[len++] = hex[(unsigned char)id.ptr[i] & 15];
		if (i == 0)
			path[len++] = '/';
	}
	memcpy(path + len, suffix, sizeof(suffix));
	(void)look(path, id, places, n);
}

void stack_files_look(const char *path, struct bytes id, struct code_place *places, size_t n)
{
	bool is_there = look(path, id, places, n);

	if (!is_there || is_missing(places, n, has_name) || is_missing(places, n, has_line))
		look_for_debug(id, places, n);
}
