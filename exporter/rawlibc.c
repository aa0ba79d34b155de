/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for what libc would do with the host's memory or locks (wrap.list). */
#include <errno.h>
#include <stdbool.h>

#include "text.h"
#include "wrap.h"

/* "http": our ports are numbers. */
struct servent *__wrap_getservbyname(const char *name, const char *protocol)
{
	(void)name;
	(void)protocol;
	return NULL;
}

/* Only who binds to an interface by name asks. */
int __wrap_getifaddrs(struct ifaddrs **ret)
{
	*ret = NULL;
	errno = ENOSYS;
	return -1;
}

void __wrap_freeifaddrs(struct ifaddrs *list)
{
	(void)list;
}

/* --- the addresses of a name, in the order of preference --- */

static void swap(char *a, char *b, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		char c = a[i];

		a[i] = b[i];
		b[i] = c;
	}
}

/* The item at root goes down until no child is greater: items [0, n) form a heap again. */
static void sift(char *base, size_t root, size_t n, size_t bytes, __compar_fn_t compare)
{
	for (size_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && compare(base + child * bytes, base + (child + 1) * bytes) < 0)
			child++;
		if (compare(base + root * bytes, base + child * bytes) >= 0)
			return;
		swap(base + root * bytes, base + child * bytes, bytes);
	}
}

/* By heap: in place, and an answer that is made to take long does not. */
void __wrap_qsort(void *base, size_t n, size_t bytes, __compar_fn_t compare)
{
	for (size_t i = n / 2; i > 0; i--)
		sift(base, i - 1, n, bytes, compare);
	for (size_t end = n; end > 1; end--) {
		swap(base, (char *)base + (end - 1) * bytes, bytes);
		sift(base, 0, end - 1, bytes, compare);
	}
}

/* --- what libcurl and we write into messages --- */

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ EACCES, "Permission denied" },
	{ EADDRNOTAVAIL, "Cannot assign requested address" },
	{ EBADF, "Bad file descriptor" },
	{ ECONNREFUSED, "Connection refused" },
	{ ECONNRESET, "Connection reset by peer" },
	{ EFBIG, "File too large" },
	{ EHOSTUNREACH, "No route to host" },
	{ EMFILE, "Too many open files" },
	{ ENETUNREACH, "Network is unreachable" },
	{ ENOENT, "No such file or directory" },
	{ ENOSPC, "No space left on device" },
	{ EPERM, "Operation not permitted" },
	{ EPIPE, "Broken pipe" },
	{ EROFS, "Read-only file system" },
	{ ETIMEDOUT, "Connection timed out" },
};

int __wrap___xpg_strerror_r(int error, char *buf, size_t room)
{
	struct text t = { buf, room ? room - 1 : 0, 0, false };
	const char *known = NULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].error == error)
			known = texts[i].text;
	text_add_str(&t, known ? known : "error ");
	if (!known)
		text_add_int(&t, error);
	if (room)
		buf[t.len] = '\0';
	return t.is_cut || !room ? ERANGE : 0;
}
