/* SPDX-License-Identifier: Apache-2.0 */
#include "alone.h"

#include "bytes.h"
#include "rawsys.h"

/* The n-th field of /proc/self/stat behind the program's name: 0 is the main thread's state. */
static struct bytes stat_field(struct bytes stat, int n)
{
	struct bytes field = { "", 0 };
	struct bytes rest;
	size_t end = stat.len;

	while (end && stat.ptr[end - 1] != ')')
		end--; /* the name may hold anything, and ends with the last one */
	if (!end)
		return field;
	rest = bytes_skip(stat, end + 1);
	for (; rest.ptr && n >= 0; n--)
		field = bytes_split(&rest, ' ');
	return n < 0 ? field : (struct bytes){ "", 0 };
}

bool alone_in_process(_Atomic bool *main_gone)
{
	char buf[512];
	struct bytes stat = { buf, 0 };
	struct bytes threads;
	long fd = raw_open("/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : raw_read((int)fd, buf, sizeof(buf));

	if (fd >= 0)
		raw_close((int)fd);
	if (n <= 0)
		return atomic_load(main_gone);
	stat.len = (size_t)n;
	if (bytes_equal(stat_field(stat, 0), BYTES("Z")))
		atomic_store(main_gone, true);
	if (!atomic_load(main_gone))
		return false;
	threads = stat_field(stat, 17); /* the gone one still counts until the process ends */
	return bytes_equal(threads, BYTES("1")) || bytes_equal(threads, BYTES("2"));
}
