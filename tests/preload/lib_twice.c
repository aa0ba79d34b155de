/* SPDX-License-Identifier: Apache-2.0 */
/* lib_twice: whoever starts a thread starts two, as some allocators and sanitizers do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
		   void *(*routine)(void *), void *restrict arg)
{
	__typeof__(&pthread_create) next =
		(__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create");
	pthread_t other;

	next(&other, NULL, sleeper, NULL);
	return next(thread, attr, routine, arg);
}
