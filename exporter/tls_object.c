/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_object.h"

#include "alloc.h"
#include "elf_load.h"
#include "rawsys.h"
#include "text.h"
#include "version.h"

#define PATH_ROOM 4096u
#define NAME "libinterspan-tls.so"

static struct transport_ops known;
static bool is_known; /* also in a forked child: the mapping was inherited */

static void say(const char *what, const char *more)
{
	char buf[256];
	struct text line = TEXT_IN(buf);

	if (!exporter_log)
		return;
	text_add_str(&line, NAME ": ");
	text_add_str(&line, what);
	text_add_str(&line, more);
	text_add_str(&line, ": spans are dropped");
	exporter_log(text_bytes(&line));
}

/* --- where we lie: as the kernel knows it, since the name of a preload may be relative --- */

static uint64_t hex_of(struct bytes s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.ptr[i]);

		n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n;
}

/* begin-end perms offset device inode   /path */
static bool line_is_ours(struct bytes line, struct bytes *ret_path)
{
	const char *slash = memchr(line.ptr, '/', line.len);
	struct bytes end = bytes_split(&line, ' ');
	struct bytes begin = bytes_split(&end, '-');
	uint64_t here = (uintptr_t)line_is_ours;

	if (!slash || here < hex_of(begin) || here >= hex_of(end))
		return false;
	*ret_path = (struct bytes){ slash, (size_t)(line.ptr + line.len - slash) };
	return true;
}

/* Lines of /proc/self/maps, each of which fits into buf. */
static bool own_path(char *buf, struct bytes *ret)
{
	int fd = (int)raw_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	size_t len = 0;
	bool is_found = false;
	long n;

	if (fd < 0)
		return false;
	while (!is_found && (n = raw_read(fd, buf + len, PATH_ROOM - len)) > 0) {
		struct bytes rest = { buf, len + (size_t)n };

		while (!is_found && rest.len && memchr(rest.ptr, '\n', rest.len))
			is_found = line_is_ours(bytes_split(&rest, '\n'), ret);
		if (is_found)
			break;
		len = rest.len;
		if (len)
			memmove(buf, rest.ptr, len);
	}
	raw_close(fd);
	return is_found;
}

static int open_beside(void)
{
	char buf[PATH_ROOM], path[PATH_ROOM];
	struct text to = { path, sizeof(path) - 1, 0, false };
	struct bytes own;

	if (!own_path(buf, &own))
		return -1;
	while (own.len && own.ptr[own.len - 1] != '/')
		own.len--;
	text_add(&to, own);
	text_add_str(&to, NAME);
	path[to.len] = '\0';
	return to.is_cut ? -1 : (int)raw_open(path, O_RDONLY | O_CLOEXEC, 0);
}

static bool load(void)
{
	const char *missing = NULL;
	int fd = open_beside();
	tls_object_entry *entry;

	if (fd < 0) {
		say("not found beside libinterspan.so", "");
		return false;
	}
	entry = (tls_object_entry *)(uintptr_t)elf_load(fd, tls_import, &missing);
	raw_close(fd);
	if (!entry) {
		say(missing ? "wants " : "cannot be loaded", missing ? missing : "");
		return false;
	}
	if (!entry(INTERSPAN_VERSION, &known)) {
		say("of another version, or no memory", "");
		return false;
	}
	return true;
}

bool tls_object_ops(struct transport_ops *ret)
{
	if (!is_known) {
		pool_stay();
		is_known = load();
	}
	if (is_known)
		*ret = known;
	return is_known;
}
