/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded behind interspan, so that its constructor runs before interspan's.  It makes a request
 * to the port in EARLY_PORT, then clears the environment: settings must have been read by then.
 */
#include "http_get.h"

static __attribute__((constructor)) void early(void)
{
	const char *port = getenv("EARLY_PORT");

	if (port && http_get(atoi(port), "/early") == 204)
		(void)!write(1, "early: 204\n", 11);
	clearenv();
}
