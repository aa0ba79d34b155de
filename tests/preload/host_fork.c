/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_fork PORT CHILDREN: forks while another thread keeps the exporter busy.  Each child uses
 * what an inherited lock of libc would hang it in, makes a request, and ends.
 */
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "http_get.h"

static int port;
static _Atomic int stop;
static _Atomic int made;

static void *busy(void *arg)
{
	(void)arg;
	while (!stop) {
		if (http_get(port, "/busy") == 204)
			made++;
		usleep(1000);
	}
	return NULL;
}

static void child(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	time_t now = time(NULL);
	struct tm tm;
	void *p = malloc(100000);

	alarm(20);
	if (getaddrinfo("127.0.0.1", "80", &hints, &found) != 0)
		_exit(3);
	freeaddrinfo(found);
	localtime_r(&now, &tm);
	free(p);
	exit(http_get(port, "/child") == 204 ? 0 : 4);
}

int main(int argc, char **argv)
{
	int children = argc > 2 ? atoi(argv[2]) : 0;
	int good = 0;
	pthread_t t;

	if (children == 0)
		return 2;
	port = atoi(argv[1]);
	if (pthread_create(&t, NULL, busy, NULL) != 0)
		return 9;
	usleep(50000);
	for (int i = 0; i < children; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			child();
		if (waitpid(pid, &status, 0) == pid && status == 0)
			good++;
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("children %d requests %d\n", good, good + made);
	return 0;
}
