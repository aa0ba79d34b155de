/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_alarm PORT TICKS: so many times, 5000 in a second, a signal handler writes, reads, opens and
 * closes sockets, while main() makes one request after another.
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "http_get.h"

static int loop[2];
static volatile sig_atomic_t ticks;
static volatile sig_atomic_t bad;

static void on_alarm(int number)
{
	int saved = errno;
	int fd;
	char c;

	(void)number;
	ticks++;
	if (write(loop[0], "x", 1) != 1 || read(loop[1], &c, 1) != 1 || c != 'x')
		bad++;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || close(fd) != 0)
		bad++;
	errno = saved;
}

int main(int argc, char **argv)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int enough = argc > 2 ? atoi(argv[2]) : 0;
	int refused = 0;
	int fd;

	if (enough == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, loop) != 0)
		return 2;
	fd = http_connect(atoi(argv[1]));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (ticks < enough)
		refused += http_request(fd, "/") != 204;
	often.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &often, NULL);
	close(fd);
	printf("refused %d bad %d\n", refused, (int)bad);
	return 0;
}
