/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused PORT WHAT: asks the server at PORT, is refused something, says "ready" and waits.
 *
 *   thread   to a child: a thread that sends spans.  It counts in the store that the two share,
 *            and the parent, which had ended its own meanwhile, has a thread again and tells of it
 *   calls    to a child: by a filter that it sets itself, all that it does not make.  Where the
 *            child's thread came first it has left, and so the parent asks once more, as above
 *   memory   while it connects to itself: more of it
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "http_get.h"

#define MUST(what)                           \
	do {                                 \
		if (!(what)) {               \
			perror(#what);       \
			_exit(EXIT_FAILURE); \
		}                            \
	} while (0)

static void say_ready(void)
{
	MUST(write(1, "ready\n", 6) == 6);
	for (;;)
		pause();
}

static void wait_until_alone(void)
{
	struct stat tasks;

	do {
		usleep(1000);
		MUST(stat("/proc/self/task", &tasks) == 0);
	} while (tasks.st_nlink > 3);
}

/* Who is root may pass the limit. */
static void child_without_threads(int port, int done)
{
	struct rlimit none = { 0, 0 };

	MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
	MUST(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
	MUST(http_get(port, "/child") > 0);
	MUST(write(done, "x", 1) == 1);
	for (;;)
		pause();
}

static void refuse_thread(int port)
{
	int done[2];
	char byte;

	MUST(pipe(done) == 0);
	MUST(http_get(port, "/") > 0);
	/* The thread keeps no right that the program gives up, and so it ends. */
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	wait_until_alone();
	if (fork() == 0)
		child_without_threads(port, done[1]);
	close(done[1]);
	MUST(read(done[0], &byte, 1) == 1);
	MUST(http_get(port, "/parent") > 0);
	say_ready();
}

static void refuse_calls(int port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };
	int done[2];
	char byte;

	MUST(pipe(done) == 0);
	MUST(http_get(port, "/") > 0);
	if (fork() == 0) {
		MUST(http_get(port, "/child") > 0);
		MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0);
		MUST(write(done[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	close(done[1]);
	MUST(read(done[0], &byte, 1) == 1);
	MUST(http_get(port, "/parent") > 0);
	say_ready();
}

static void refuse_memory(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr *at = (struct sockaddr *)&to;
	socklen_t len = sizeof(to);
	int served = socket(AF_INET, SOCK_STREAM, 0), asks = socket(AF_INET, SOCK_STREAM, 0);
	struct rlimit before, none;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(served, at, len) == 0 && listen(served, 1) == 0);
	MUST(getsockname(served, at, &len) == 0);
	MUST(getrlimit(RLIMIT_AS, &before) == 0);
	none = before;
	none.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_AS, &none) == 0);
	MUST(connect(asks, at, len) == 0 && accept(served, NULL, NULL) >= 0);
	MUST(setrlimit(RLIMIT_AS, &before) == 0);
	MUST(http_get(port, "/") > 0);
	say_ready();
}

int main(int argc, char **argv)
{
	int port = argc == 3 ? atoi(argv[1]) : 0;

	if (!port)
		return 2;
	if (strcmp(argv[2], "thread") == 0)
		refuse_thread(port);
	if (strcmp(argv[2], "calls") == 0)
		refuse_calls(port);
	if (strcmp(argv[2], "memory") == 0)
		refuse_memory(port);
	return 2;
}
