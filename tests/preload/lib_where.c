/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

const char *where_close_leads(void);

/* The file name of the object that the dynamic linker chose for us. */
const char *where_close_leads(void)
{
	int (*volatile bound)(int) = close;
	Dl_info info;
	const char *slash;

	if (!dladdr((void *)bound, &info) || !info.dli_fname)
		return "?";
	slash = strrchr(info.dli_fname, '/');
	return slash ? slash + 1 : info.dli_fname;
}
