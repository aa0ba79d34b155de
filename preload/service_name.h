/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_NAME_H
#define SERVICE_NAME_H
/*
 * OTEL_INTERSPAN_SERVICE_NAMES: which service is this program, in an environment that many share?
 */
#include "bytes.h"

/*
 * The name that the list has for the program, a view into it; ptr NULL: none.  What a program is
 * called: its file name, or, of an interpreter, that of the script or module that it runs, with or
 * without what follows its last dot.  argv: count of them, as the program was started.
 */
struct bytes service_name_find(struct bytes list, struct bytes program, char *const *argv,
			       size_t count);

/* At start-up, behind config_load(): sets config.service_name. */
void service_name_init(char *const *envp);

#endif
