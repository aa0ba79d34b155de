/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <string.h>

#include "rawsys.h"

#define CONTAINER_HEX 64u

struct bytes machine_file(const char *path, char *buf, size_t cap)
{
	long fd = raw_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	size_t len = 0;
	long n = 1;

	if (fd < 0)
		return (struct bytes){ buf, 0 };
	while (n > 0 && len < cap) {
		n = raw_read((int)fd, buf + len, cap - len);
		len += n > 0 ? (size_t)n : 0;
	}
	raw_close((int)fd);
	return (struct bytes){ buf, len };
}

static struct bytes without_quotes(struct bytes s)
{
	if (s.len >= 2 && (*s.ptr == '"' || *s.ptr == '\'') && s.ptr[s.len - 1] == *s.ptr)
		return (struct bytes){ s.ptr + 1, s.len - 2 };
	return s;
}

struct bytes machine_os_release(struct bytes text, struct bytes key)
{
	while (text.ptr) {
		struct bytes value = bytes_split(&text, '\n');

		if (bytes_equal(bytes_split(&value, '='), key) && value.ptr)
			return without_quotes(bytes_trim(value));
	}
	return (struct bytes){ NULL, 0 };
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The first run of exactly 64 digits that stands right behind `ahead`. */
static struct bytes find_id(struct bytes s, struct bytes ahead)
{
	for (size_t i = 0; i + ahead.len + CONTAINER_HEX <= s.len; i++) {
		const char *id = s.ptr + i + ahead.len;
		const char *end = s.ptr + s.len;
		size_t n = 0;

		if (memcmp(s.ptr + i, ahead.ptr, ahead.len) != 0)
			continue;
		while (id + n < end && is_hex(id[n]))
			n++;
		if (n == CONTAINER_HEX)
			return (struct bytes){ id, CONTAINER_HEX };
	}
	return (struct bytes){ NULL, 0 };
}

/* "0::/system.slice/docker-<id>.scope", "4:memory:/docker/<id>", "...:cri-containerd:<id>" */
static struct bytes of_cgroup(struct bytes text)
{
	static const char ahead[][2] = { "/", "-", ":" };

	while (text.ptr) {
		struct bytes line = bytes_split(&text, '\n');
		const char *slash = line.len ? memrchr(line.ptr, '/', line.len) : NULL;

		if (!slash)
			continue;
		line = bytes_skip(line, (size_t)(slash - line.ptr));
		for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
			struct bytes id = find_id(line, bytes_from_str(ahead[i]));

			if (id.len)
				return id;
		}
	}
	return (struct bytes){ NULL, 0 };
}

struct bytes machine_container(struct bytes cgroup, struct bytes mountinfo)
{
	struct bytes id = of_cgroup(cgroup);

	if (!id.len)
		id = find_id(mountinfo, BYTES("containers/"));
	if (!id.len)
		id = find_id(mountinfo, BYTES("/crio-"));
	if (!id.len)
		id = find_id(mountinfo, BYTES("cri-containerd:"));
	return id;
}

struct bytes machine_arch(struct bytes machine)
{
	if (bytes_equal(machine, BYTES("x86_64")))
		return BYTES("amd64");
	if (bytes_equal(machine, BYTES("aarch64")))
		return BYTES("arm64");
	if (bytes_start_with(machine, BYTES("arm")))
		return BYTES("arm32");
	if (machine.len == 4 && machine.ptr[0] == 'i' && machine.ptr[2] == '8')
		return BYTES("x86");
	if (bytes_start_with(machine, BYTES("ppc64")))
		return BYTES("ppc64");
	return machine;
}
