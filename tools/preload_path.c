/* SPDX-License-Identifier: Apache-2.0 */
#include "preload_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OBJECT "libinterspan.so"

/* Set by the build: LIBDIR/interspan. */
#ifndef INTERSPAN_LIBDIR
#define INTERSPAN_LIBDIR "/usr/local/lib/interspan"
#endif

static bool own_directory(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	char *slash;

	if (n <= 0 || (size_t)n >= size - 1)
		return false;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

bool preload_path_find(char *ret, size_t size)
{
	static const char *const near[] = { "", "/../lib/interspan" };
	char here[PATH_MAX], path[PRELOAD_PATH_MAX];
	bool is_here = own_directory(here, sizeof(here));

	for (size_t i = 0; is_here && i < ARRAY_LEN(near); i++) {
		char *whole;

		snprintf(path, sizeof(path), "%s%s/" OBJECT, here, near[i]);
		/* LD_PRELOAD is looked at by programs in other places: a plain absolute path. */
		whole = realpath(path, NULL);
		if (!whole)
			continue;
		snprintf(ret, size, "%s", whole);
		free(whole);
		return true;
	}
	snprintf(ret, size, "%s/" OBJECT, INTERSPAN_LIBDIR);
	return access(ret, R_OK) == 0;
}

/* The dynamic loader splits at colons and spaces. */
static bool is_listed(const char *list, const char *object)
{
	size_t len = strlen(object);

	while (*list) {
		size_t n = strcspn(list, ": ");

		if (n == len && memcmp(list, object, len) == 0)
			return true;
		list += n;
		list += strspn(list, ": ");
	}
	return false;
}

char *preload_path_append(const char *before, const char *object)
{
	char *list;

	if (!before || !*before)
		return strdup(object);
	if (is_listed(before, object))
		return strdup(before);
	return asprintf(&list, "%s:%s", before, object) < 0 ? NULL : list;
}
