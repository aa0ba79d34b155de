/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads that call, while libraries that call back come and go, a dozen times at least, and
 * children are forked: storm PORT THREADS CALLS CHILDREN LIBRARY...  With ALL_FAIL in the
 * environment all calls fail, else those through libraries.  Exit status 0 if all came to their
 * end.  Prints how many calls were made.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int port, calls;
static atomic_int made;
static atomic_bool is_over;

static int ask(int has_to_fail)
{
	static const char bad[] = "GET /status/500 HTTP/1.1\r\nHost: x\r\n"
				  "Connection: close\r\n\r\n";
	static const char good[] = "GET /status/200 HTTP/1.1\r\nHost: x\r\n"
				   "Connection: close\r\n\r\n";
	const char *text = has_to_fail || getenv("ALL_FAIL") ? bad : good;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char answer[4096];
	ssize_t n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    write(fd, text, sizeof(bad) - 1) != sizeof(bad) - 1)
		exit(1);
	while ((n = read(fd, answer, sizeof(answer))) > 0)
		;
	close(fd);
	made++;
	return has_to_fail;
}

static void *ask_often(void *unused)
{
	for (int i = 0; i < calls; i++)
		ask(0);
	return unused;
}

static char **libraries;

static void *load_and_unload(void *unused)
{
	int count = 0;

	while (libraries[count])
		count++;
	for (int i = 0; !is_over || i < 12; i++) {
		void *library = dlopen(libraries[i % count], RTLD_NOW);
		int (*entry)(int (*)(int), int);

		entry = library ? (int (*)(int (*)(int), int))dlsym(library, "entry") : NULL;
		if (!entry)
			exit(2);
		if (entry(ask, 1) != 3 || dlclose(library) != 0)
			exit(3);
	}
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc > 5 ? atoi(argv[2]) : 0, children = argc > 5 ? atoi(argv[4]) : 0;
	pthread_t threads[64], loader;
	int status, bad = 0;

	if (argc < 6 || count > 64)
		return 9;
	port = atoi(argv[1]);
	calls = atoi(argv[3]);
	libraries = argv + 5;
	pthread_create(&loader, NULL, load_and_unload, NULL);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, ask_often, NULL);
	for (int i = 0; i < children; i++) {
		pid_t child = fork();

		if (child == 0) {
			ask(0);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			bad = 1;
		made++;
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	is_over = true;
	pthread_join(loader, NULL);
	printf("%d\n", made);
	return bad;
}
