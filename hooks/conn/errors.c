/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "compiler.h"
#include "conn.h"

static const struct {
	int error;
	struct bytes name;
} names[] = {
	{ ECONNRESET, { "ECONNRESET", 10 } },     { EPIPE, { "EPIPE", 5 } },
	{ ETIMEDOUT, { "ETIMEDOUT", 9 } },        { ECONNREFUSED, { "ECONNREFUSED", 12 } },
	{ EHOSTUNREACH, { "EHOSTUNREACH", 12 } }, { ENETUNREACH, { "ENETUNREACH", 11 } },
	{ ECONNABORTED, { "ECONNABORTED", 12 } }, { ENOTCONN, { "ENOTCONN", 8 } },
};

struct bytes error_name(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].error == error)
			return names[i].name;
	return BYTES("_OTHER");
}
