/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_fork_faults PORT REQUESTS: makes so many requests, then forks.  Prints how many pages of its
 * own the process had to copy or map in a call of fork(), the median of many, and of a child how
 * many KiB without a file it has, how many mappings, and how many of those with pages of its own.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "http_get.h"

#define CALLS 101
#define FAULTS 100

static long faults(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_minflt;
}

static int child_kib(void)
{
	char status[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, status, sizeof(status) - 1);
	const char *at;

	if (n <= 0)
		return -1;
	status[n] = '\0';
	at = strstr(status, "RssAnon:");
	return at ? atoi(at + 8) : -1;
}

struct child {
	int kib;
	int mappings;
	int copied;
};

/* A mapping ends with VmFlags.  Without stdio: what it maps itself would be counted, too. */
static void count_mappings(struct child *c)
{
	static char text[1 << 20];
	int fd = open("/proc/self/smaps", O_RDONLY);
	size_t len = 0;
	ssize_t n = 0;

	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return;
	for (char *at = text, *line; (line = strsep(&at, "\n")) && at;) {
		c->mappings += !strncmp(line, "VmFlags:", 8);
		c->copied += !strncmp(line, "Anonymous:", 10) && atoi(line + 10) > 0;
	}
}

static bool ask_a_child(struct child *c)
{
	int fd[2];
	pid_t pid;

	if (pipe(fd) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		c->kib = child_kib();
		count_mappings(c);
		_exit(write(fd[1], c, sizeof(*c)) != (ssize_t)sizeof(*c));
	}
	return read(fd[0], c, sizeof(*c)) == (ssize_t)sizeof(*c) && waitpid(pid, NULL, 0) == pid;
}

int main(int argc, char **argv)
{
	static int calls_with[FAULTS];
	struct child child = { 0 };
	int seen = 0, median = 0;

	if (argc < 3)
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++)
		if (http_get(atoi(argv[1]), "/") != 204)
			return 3;
	for (int i = 0; i < CALLS; i++) {
		long before = faults(), took;
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		took = faults() - before;
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 4;
		calls_with[took < FAULTS ? took : FAULTS - 1]++;
	}
	while ((seen += calls_with[median]) <= CALLS / 2)
		median++;
	if (!ask_a_child(&child))
		return 5;
	printf("%d %d %d %d\n", median, child.kib, child.mappings, child.copied);
	return 0;
}
