/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of several libraries of the same names, each RTLD_LOCAL, in threads at once, while others
 * come and go: each reaches its own.  And when they come and go themselves, one where another was.
 *
 *	host_copies USER1 USER2 ...      copy_user.c, linked with copy_tls.c of WHO 1, 2, ...
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20000

static int (*use[8])(void);
static int users;

static void *run(void *arg)
{
	int first = (int)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		int at = (first + i) % users;

		if (use[at]() != at + 1)
			return "another's";
	}
	return NULL;
}

static void *load(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return lib;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];
	int bad = 0;
	void *libs[8] = { NULL };

	for (users = 0; users < argc - 1 && users < 8; users++) {
		libs[users] = load(argv[users + 1]);
		*(void **)&use[users] = dlsym(libs[users], "use");
	}
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, run, (void *)i);
	for (int i = 0; i < 200; i++) {
		void *lib = dlopen("libutil.so.1", RTLD_NOW | RTLD_LOCAL);

		if (lib)
			dlclose(lib);
	}
	for (int i = 0; i < 4; i++) {
		void *said;

		pthread_join(threads[i], &said);
		bad += said != NULL;
	}
	for (int i = 0; i < users; i++)
		dlclose(libs[i]);
	for (int i = 0; i < 5 * users; i++) {
		void *lib = load(argv[i % users + 1]);

		*(void **)&use[0] = dlsym(lib, "use");
		bad += use[0]() != i % users + 1;
		dlclose(lib);
	}
	printf("%d users, %d times another's\n", users, bad);
	return bad != 0;
}
