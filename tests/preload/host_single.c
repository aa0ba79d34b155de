/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_single PORT RIGHTS: a program of one thread, by libc's word, before and after a request has
 * been told of; then of two.  Who takes memory of ours but its own threads?  With RIGHTS not 0, all
 * threads that the kernel knows have given theirs up.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "http_get.h"

/* --- memory, of which libc's own functions take from here, too --- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static pthread_t main_thread, other_thread;
static _Atomic int has_begun, strangers;

static void who_is_it(void)
{
	pthread_t self = pthread_self();

	if (has_begun && !pthread_equal(self, main_thread) && !pthread_equal(self, other_thread))
		strangers++;
}

void *malloc(size_t n)
{
	who_is_it();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	who_is_it();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	who_is_it();
	return __libc_realloc(p, n);
}

void free(void *p)
{
	if (p)
		who_is_it();
	__libc_free(p);
}

/* --- threads, as the kernel has them --- */

static int tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* Time for what is told of to be delivered; where nobody delivers, it passes. */
static void wait_for_another(void)
{
	struct timespec pause = { 0, 10000000 };

	for (int i = 0; i < 40 && tasks() < 2; i++)
		nanosleep(&pause, NULL);
	for (int i = 0; i < 20; i++)
		nanosleep(&pause, NULL);
}

static void rights(void)
{
	static const char *const wanted[] = { "Uid:\t65534\t65534\t65534\t65534\n",
					      "Gid:\t65534\t65534\t65534\t65534\n",
					      "Groups:\t65534 \n" };
	DIR *d = opendir("/proc/self/task");
	int wrong = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		char path[300], line[1000];
		int good = 0;
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue; /* it has ended */
		while (fgets(line, sizeof(line), f))
			for (int i = 0; i < 3; i++)
				good += strcmp(line, wanted[i]) == 0;
		fclose(f);
		wrong += good != 3;
	}
	if (d)
		closedir(d);
	printf("threads with other rights %d\n", wrong);
}

static void *thread(void *arg)
{
	other_thread = pthread_self();
	free(malloc(100));
	*(int *)arg = __libc_single_threaded;
	return NULL;
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[1]) : 0;
	int inside = -1;
	gid_t group = 65534;
	pthread_t t;

	if (!port)
		return 2;
	main_thread = pthread_self();
	has_begun = 1;
	printf("single %d\n", __libc_single_threaded);
	printf("status %d\n", http_get(port, "/"));
	wait_for_another();
	printf("single %d\n", __libc_single_threaded);
	if (atoi(argv[2])) {
		if (setgroups(1, &group) || setresgid(group, group, group) || setuid(65534))
			return 3;
		rights();
		printf("status %d\n", http_get(port, "/"));
		wait_for_another();
		printf("single %d\n", __libc_single_threaded);
	}
	if (pthread_create(&t, NULL, thread, &inside) != 0 || pthread_join(t, NULL) != 0)
		return 4;
	printf("in a thread %d, then %d\n", inside, __libc_single_threaded);
	printf("memory for strangers %d\n", strangers);
	return 0;
}
