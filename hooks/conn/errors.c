/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "compiler.h"
#include "conn.h"

static const struct {
	int error;
	char name[16]; /* no pointer: it would be relocated in every process */
} names[] = {
	{ ECONNRESET, "ECONNRESET" },     { EPIPE, "EPIPE" },
	{ ETIMEDOUT, "ETIMEDOUT" },       { ECONNREFUSED, "ECONNREFUSED" },
	{ EHOSTUNREACH, "EHOSTUNREACH" }, { ENETUNREACH, "ENETUNREACH" },
	{ ECONNABORTED, "ECONNABORTED" }, { ENOTCONN, "ENOTCONN" },
};

struct bytes error_name(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].error == error)
			return bytes_from_str(names[i].name);
	return BYTES("_OTHER");
}
