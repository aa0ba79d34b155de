/* SPDX-License-Identifier: Apache-2.0 */
#include "status_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "status.h"

#define OBJECT "libinterspan"
#define ANSWER_NS 1000000000
#define COPIES 1000

/* --- one page --- */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The exporter may have gone meanwhile, or be busy, or its kernel cannot wake it for this. */
static bool ask(struct status_page *page)
{
	int64_t until = now_ns() + ANSWER_NS;
	uint32_t mine = atomic_fetch_add(&page->asked, 1) + 1;

	syscall(SYS_futex, &page->asked, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (;;) {
		uint32_t answered = atomic_load(&page->answered);
		int64_t left = until - now_ns();
		struct timespec t = { left / 1000000000, left % 1000000000 };

		if ((int32_t)(answered - mine) >= 0)
			return true;
		if (left <= 0)
			return false;
		syscall(SYS_futex, &page->answered, FUTEX_WAIT, answered, &t, NULL, 0);
	}
}

/* The text between two equal and even versions. */
static bool copy(struct status_page *page, struct status_told *ret)
{
	ret->text = malloc(sizeof(page->text));
	for (int i = 0; ret->text && i < COPIES; i++) {
		uint32_t before = atomic_load(&page->version);
		uint32_t len = atomic_load(&page->len);

		if (len > sizeof(page->text))
			break;
		memcpy(ret->text, page->text, len);
		/* Written, if to the same: so that it comes after all that was read. */
		if (!(before & 1) && before == atomic_fetch_or(&page->version, 0)) {
			ret->len = len;
			return true;
		}
	}
	free(ret->text);
	ret->text = NULL;
	return false;
}

static bool read_page(int fd, struct status_told *ret)
{
	struct stat about;
	struct status_page *page;
	bool is_read;

	/* Sealed, or whoever has it could take the memory away while we read. */
	if (fstat(fd, &about) != 0 || about.st_size != STATUS_BYTES ||
	    !(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK))
		return false;
	page = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return false;
	if (page->magic != STATUS_MAGIC) {
		munmap(page, STATUS_BYTES);
		return false;
	}
	ret->is_old = !ask(page);
	is_read = copy(page, ret);
	munmap(page, STATUS_BYTES);
	return is_read;
}

/* --- /proc --- */

/* Is the link in dir one to a page of status? */
static bool is_page(const char *path)
{
	static const char wanted[] = "/memfd:" STATUS_NAME;
	char link[64];
	ssize_t n = readlink(path, link, sizeof(link));

	return n >= (ssize_t)sizeof(wanted) - 1 && memcmp(link, wanted, sizeof(wanted) - 1) == 0;
}

static bool read_thread(pid_t pid, const char *tid, struct status_told *ret)
{
	char path[600];
	bool is_read = false;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/fd", (int)pid, tid);
	dir = opendir(path);
	while (dir && !is_read && (d = readdir(dir))) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/fd/%s", (int)pid, tid, d->d_name);
		if (!is_page(path))
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		is_read = fd >= 0 && read_page(fd, ret);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
	return is_read;
}

static bool read_small(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Its name is the exporter's: nobody else's descriptors are looked through. */
static bool is_exporter(pid_t pid, const char *tid)
{
	char path[320], name[32];

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, tid);
	return read_small(path, name, sizeof(name)) && strcmp(name, "interspan\n") == 0;
}

static enum status_kind is_loaded(pid_t pid)
{
	char path[64], line[1024];
	enum status_kind kind = STATUS_NOT_LOADED;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? STATUS_NO_PROCESS : STATUS_FORBIDDEN;
	while (kind == STATUS_NOT_LOADED && fgets(line, sizeof(line), f)) {
		const char *name = strrchr(line, '/');

		if (name && strncmp(name + 1, OBJECT, sizeof(OBJECT) - 1) == 0)
			kind = STATUS_NO_EXPORTER;
	}
	fclose(f);
	return kind;
}

static bool is_filtered(pid_t pid)
{
	char path[64], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_small(path, text, sizeof(text)))
		return false;
	at = strstr(text, "\nSeccomp:");
	return at && strtol(at + 9, NULL, 10) > 0;
}

enum status_kind status_read(pid_t pid, struct status_told *ret)
{
	char path[64];
	enum status_kind kind;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return STATUS_NO_PROCESS;
	*ret = (struct status_told){ .pid = pid };
	while (!ret->text && (d = readdir(dir)))
		if (d->d_name[0] != '.' && is_exporter(pid, d->d_name))
			(void)read_thread(pid, d->d_name, ret);
	closedir(dir);
	if (ret->text)
		return STATUS_TOLD;
	kind = is_loaded(pid);
	return kind == STATUS_NO_EXPORTER && is_filtered(pid) ? STATUS_FILTERED : kind;
}

#define SHARED_MAX 32u

/* Inodes of what it has mapped to share: the store is among them, in all who have it in common. */
static size_t shared_of(pid_t pid, unsigned long *inodes)
{
	char path[64], line[1024];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && n < SHARED_MAX && fgets(line, sizeof(line), f))
		n += sscanf(line, "%*s rw-s %*s %*s %lu", &inodes[n]) == 1;
	if (f)
		fclose(f);
	return n;
}

static bool is_family(pid_t pid, const unsigned long *inodes, size_t n)
{
	unsigned long theirs[SHARED_MAX];
	size_t m = shared_of(pid, theirs);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < m; k++)
			if (inodes[i] == theirs[k])
				return true;
	return false;
}

static bool tells_of(const struct status_told *told, pid_t pid)
{
	struct bytes rest = { told->text, told->len }, kind, words;

	while (status_line(&rest, &kind, &words))
		if (bytes_equal(kind, BYTES("process")) &&
		    status_number(words, "pid") == (uint64_t)pid)
			return true;
	return false;
}

enum status_kind status_read_of(pid_t pid, struct status_told *ret)
{
	enum status_kind kind = status_read(pid, ret);
	unsigned long inodes[SHARED_MAX];
	bool is_missing = kind == STATUS_NO_EXPORTER || kind == STATUS_FILTERED;
	size_t n = is_missing ? shared_of(pid, inodes) : 0;
	DIR *dir = n ? opendir("/proc") : NULL;
	struct dirent *d;

	while (dir && kind != STATUS_TOLD && (d = readdir(dir))) {
		pid_t other = (pid_t)strtol(d->d_name, NULL, 10);

		if (other <= 0 || other == pid || !is_family(other, inodes, n) ||
		    status_read(other, ret) != STATUS_TOLD)
			continue;
		if (tells_of(ret, pid))
			kind = STATUS_TOLD;
		else
			free(ret->text);
	}
	if (dir)
		closedir(dir);
	return kind;
}

void status_program(pid_t pid, char *to, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (!read_small(path, to, size))
		snprintf(to, size, "?");
	to[strcspn(to, "\n")] = '\0';
}

/* --- the text --- */

bool status_line(struct bytes *rest, struct bytes *ret_kind, struct bytes *ret_words)
{
	if (!rest->len)
		return false;
	*ret_words = bytes_split(rest, '\n');
	*ret_kind = bytes_split(ret_words, ' ');
	return true;
}

bool status_word(struct bytes *words, struct bytes *ret_key, struct bytes *ret_value)
{
	if (!words->len)
		return false;
	if (bytes_start_with(*words, BYTES("text="))) {
		*ret_key = BYTES("text");
		*ret_value = bytes_skip(*words, 5);
		*words = (struct bytes){ NULL, 0 };
		return true;
	}
	*ret_value = bytes_split(words, ' ');
	*ret_key = bytes_split(ret_value, '=');
	return true;
}

struct bytes status_find(struct bytes words, struct bytes key)
{
	struct bytes k, v;

	while (status_word(&words, &k, &v))
		if (bytes_equal(k, key))
			return v;
	return BYTES("");
}

uint64_t status_value(struct bytes digits)
{
	uint64_t n = 0;

	for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(digits.ptr[i] - '0');
	return n;
}

uint64_t status_number(struct bytes words, const char *key)
{
	return status_value(status_find(words, bytes_from_str(key)));
}
