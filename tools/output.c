/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* poll() promises room for this much in a pipe, so the write that follows does not block. */
#define PIECE ((size_t)PIPE_BUF)

enum output_verdict output_write(int fd, int interrupt_fd, struct bytes *s, int timeout_ms)
{
	while (s->len) {
		struct pollfd fds[2] = {
			{ .fd = fd, .events = POLLOUT },
			{ .fd = interrupt_fd, .events = POLLIN },
		};
		int ready = poll(fds, 2, timeout_ms);
		ssize_t n;

		if (ready == 0)
			return OUTPUT_STANDS;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return OUTPUT_CLOSED;
		if (!fds[0].revents)
			return OUTPUT_INTERRUPTED;
		n = write(fd, s->ptr, s->len < PIECE ? s->len : PIECE);
		if (n >= 0)
			*s = bytes_skip(*s, (size_t)n);
		else if (errno != EINTR && errno != EAGAIN)
			return OUTPUT_CLOSED;
	}
	return OUTPUT_DONE;
}
