/* SPDX-License-Identifier: Apache-2.0 */
#include "proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define END_BYTES ((off_t)256 << 10)

static int read_from(struct text *to, const char *path, off_t from_end)
{
	char block[4096];
	ssize_t n;
	int fd, error;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (from_end)
		(void)lseek(fd, -from_end, SEEK_END); /* a shorter one is read whole */
	while ((n = read(fd, block, sizeof(block))) > 0 && to->len < PROC_FILE_MAX)
		text_add(to, (struct bytes){ block, (size_t)n });
	error = n < 0 ? -errno : 0;
	close(fd);
	return error;
}

int file_read(struct text *to, const char *path)
{
	return read_from(to, path, 0);
}

int file_read_end(struct text *to, const char *path)
{
	return read_from(to, path, END_BYTES);
}

int proc_read(struct text *to, pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read(to, path);
}

struct bytes env_find(struct bytes block, const char *name)
{
	struct bytes want = bytes_from_str(name);

	while (block.ptr && block.len) {
		struct bytes line = bytes_split(&block, '\0');

		if (bytes_start_with(line, want) && line.len > want.len &&
		    line.ptr[want.len] == '=')
			return bytes_skip(line, want.len + 1);
	}
	return (struct bytes){ NULL, 0 };
}

bool env_copy(struct bytes block, const char *name, char *to, size_t size)
{
	struct bytes value = env_find(block, name);

	snprintf(to, size, "%.*s", (int)(value.len < size ? value.len : size),
		 value.ptr ? value.ptr : "");
	return value.ptr != NULL;
}

void env_own(struct text *to)
{
	for (char **line = environ; *line; line++) {
		text_add_str(to, *line);
		text_add_char(to, '\0');
	}
}
