/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_fork_faults PORT REQUESTS: makes so many requests, then forks.  Prints how many pages of its
 * own the process had to copy or map in a call of fork(), the median of many, and how many KiB
 * without a file a child has.
 */
#include <fcntl.h>
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

static int kib_of_a_child(void)
{
	int fd[2], kib = -1;
	pid_t pid;

	if (pipe(fd) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		kib = child_kib();
		_exit(write(fd[1], &kib, sizeof(kib)) != (ssize_t)sizeof(kib));
	}
	if (read(fd[0], &kib, sizeof(kib)) != (ssize_t)sizeof(kib) || waitpid(pid, NULL, 0) != pid)
		return -1;
	return kib;
}

int main(int argc, char **argv)
{
	static int calls_with[FAULTS];
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
	printf("%d %d\n", median, kib_of_a_child());
	return 0;
}
