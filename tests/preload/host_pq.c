/* SPDX-License-Identifier: Apache-2.0 */
/* Loads extensions, each with a libpq of its own, and lets them work: LIBRARY CASE ... */
#include <dlfcn.h>
#include <stdio.h>

void *PQexec(void *conn, const char *sql) __attribute__((weak));

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Exported by us it is there, and says that there is none. */
	if (argc == 1) {
		printf("%s\n", PQexec && PQexec(NULL, "") ? "result" : "nothing");
		return 0;
	}
	for (int i = 1; i + 1 < argc; i += 2) {
		void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		void (*run)(const char *) =
			library ? (void (*)(const char *))dlsym(library, "pq_user") : NULL;

		if (!run) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		run(argv[i + 1]);
	}
	return 0;
}
