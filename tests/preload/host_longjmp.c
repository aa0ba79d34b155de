/* SPDX-License-Identifier: Apache-2.0 */
/* host_longjmp PORT: a handler jumps out of a read() that waits; then the program goes on. */
#include <setjmp.h>
#include <signal.h>

#include "http_get.h"

static sigjmp_buf out;

static void on_alarm(int number)
{
	(void)number;
	siglongjmp(out, 1);
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 0;
	int fd = http_connect(port);
	volatile int jumps = 0;
	int good = 0;
	char c;

	signal(SIGALRM, on_alarm);
	if (sigsetjmp(out, 1) == 0 || jumps < 3) {
		jumps++;
		ualarm(20000, 0);
		(void)!read(fd, &c, 1); /* nobody has anything to say */
	}
	close(fd);
	for (int i = 0; i < 3; i++)
		good += http_get(port, "/after") == 204;
	printf("jumps %d good %d\n", jumps, good);
	return 0;
}
