/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that go; how they come is in stubs_*.S. */
#include <dlfcn.h>

#include "hook.h"
#include "library.h"
#include "resolve.h"

/* Before glibc 2.34 it is libdl's, which may come in when the program has long been running. */
static __typeof__(&dlclose) next_dlclose(void)
{
	void *next = real_get(HOOK_dlclose);

	if (next == (void *)real_missing)
		next = resolve("dlclose");
	return next ? (__typeof__(&dlclose))next : (__typeof__(&dlclose))(void *)real_missing;
}

EXPORT int dlclose(void *library)
{
	int r = next_dlclose()(library);
	int saved = errno;

	library_unloaded();
	errno = saved;
	return r;
}
