/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_signals PORT blocked     all signals are blocked before the first of two requests
 * host_signals PORT stack       a handler makes two requests on a stack of its own; says how much
 * of that
 *                               was needed
 */
#define _GNU_SOURCE
#include <signal.h>

#include "http_get.h"

#define STACK_BYTES ((size_t)64 << 10)
#define UNUSED 0x5a

static int fds[2];
static volatile int good;

/* What little stack printf() and its like would need is too much already. */
static void small_request(int fd)
{
	static const char text[] = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static char answer[1024];
	size_t have = 0;
	ssize_t n;

	if (write(fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		return;
	do {
		n = read(fd, answer + have, sizeof(answer) - have);
		have += n > 0 ? (size_t)n : 0;
	} while (n > 0 && !memmem(answer, have, "\r\n\r\n", 4));
	good += have > 12 && memcmp(answer + 9, "204", 3) == 0;
}

static void on_signal(int number)
{
	(void)number;
	small_request(fds[0]);
	small_request(fds[1]);
}

static int on_a_stack(void)
{
	static char memory[STACK_BYTES];
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	size_t unused = 0;

	memset(memory, UNUSED, sizeof(memory));
	if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &act, NULL) != 0)
		return 2;
	raise(SIGUSR1);
	while (unused < sizeof(memory) && memory[unused] == UNUSED)
		unused++;
	printf("good %d used %zu\n", good, sizeof(memory) - unused);
	return 0;
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[1]) : 0;
	sigset_t all;

	if (!port)
		return 2;
	if (strcmp(argv[2], "stack") == 0) {
		fds[0] = http_connect(port);
		fds[1] = http_connect(port);
		return on_a_stack();
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	printf("%d\n", http_get(port, "/"));
	printf("%d\n", http_get(port, "/"));
	fflush(stdout);
	if (argc > 3) /* until somebody has what was told: nobody ends this but by SIGKILL */
		pause();
	return 0;
}
