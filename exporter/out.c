/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <poll.h>
#include <sys/stat.h>

#include "clock.h"
#include "quiesce.h"
#include "rawsys.h"
#include "sleep.h"
#include "wrap.h"

#define SLICE_MS 20
#define PIPE_PART 4096u /* of which there is room when poll(2) says that a pipe is writable */

/*
 * Whole lines go to a file with one write each: those of other processes lie between, not within.
 */
static bool is_file(int fd)
{
	struct stat st;

	return raw_syscall3(SYS_fstat, fd, (long)&st, 0) == 0 && S_ISREG(st.st_mode);
}

static bool wait_writable(int fd, struct exporter *x, uint64_t until_ns)
{
	struct pollfd p = { fd, POLLOUT, 0 };

	while (__wrap_poll(&p, 1, 0) <= 0) {
		if (clock_monotonic_ns() >= until_ns || is_too_late(x))
			return false;
		__wrap_poll(&p, 1, SLICE_MS);
	}
	return true;
}

static long write_some(int fd, struct bytes part)
{
	long n;

	quiesce_pause(); /* a disk may be slow */
	n = raw_write(fd, part.ptr, part.len);
	quiesce_resume();
	return n;
}

static size_t write_all(struct out *o, struct exporter *x, struct bytes lines, uint64_t until_ns)
{
	bool is_whole = is_file(o->fd);
	size_t done = 0;

	o->error = 0;
	while (done < lines.len) {
		struct bytes part = bytes_skip(lines, done);
		long n;

		if (!is_whole && part.len > PIPE_PART)
			part.len = PIPE_PART;
		if (!wait_writable(o->fd, x, until_ns))
			break;
		n = write_some(o->fd, part);
		if (n <= 0) {
			o->error = (int)-n;
			break;
		}
		done += (size_t)n;
	}
	return done;
}

bool out_write(struct out *o, struct exporter *x, struct bytes lines, uint64_t until_ns)
{
	size_t done;

	if (o->fd < 0)
		return false;
	if (o->is_broken && write_all(o, x, BYTES("\n"), until_ns) != 1)
		return false;
	o->is_broken = false;
	done = write_all(o, x, lines, until_ns);
	o->is_broken = done > 0 && done < lines.len;
	return done == lines.len;
}
