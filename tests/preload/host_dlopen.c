/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_dlopen FLAG...: opens lib_where.so, which lies beside this program, by $ORIGIN, which is the
 * directory of whoever calls dlopen().  Prints which object its call of close() leads to.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int flags = RTLD_NOW;
	const char *(*where)(void);
	void *lib;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "deepbind") == 0)
			flags |= RTLD_DEEPBIND;
		if (strcmp(argv[i], "global") == 0)
			flags |= RTLD_GLOBAL;
	}
	/* Errors are the caller's own, too. */
	if (dlopen("/no/such/library.so", RTLD_NOW) || !dlerror())
		return 3;
	lib = dlopen("$ORIGIN/lib_where.so", flags);
	if (!lib) {
		puts(dlerror());
		return 1;
	}
	where = (const char *(*)(void))dlsym(lib, "where_close_leads");
	printf("close: %s\n", where());
	printf("global: %d\n", dlsym(RTLD_DEFAULT, "where_close_leads") != NULL);
	return dlclose(lib) || !dlopen(NULL, RTLD_NOW);
}
