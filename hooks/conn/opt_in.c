/* SPDX-License-Identifier: Apache-2.0 */
#include "opt_in.h"

#include <stdatomic.h>

#include "compiler.h"
#include "config.h"

static const struct {
	char key[32];
	uint8_t attr;
	bool is_secret; /* perhaps: only by its name */
} known[] = {
	{ "http.request.body.size", ATTR_HTTP_REQUEST_BODY_SIZE, false },
	{ "http.response.body.size", ATTR_HTTP_RESPONSE_BODY_SIZE, false },
	{ "network.transport", ATTR_NETWORK_TRANSPORT, false },
	{ "network.local.address", ATTR_NETWORK_LOCAL_ADDRESS, false },
	{ "network.local.port", ATTR_NETWORK_LOCAL_PORT, false },
	{ "client.port", ATTR_CLIENT_PORT, false },
	{ "url.scheme", ATTR_URL_SCHEME, false },
	{ "tls.protocol.name", ATTR_TLS_PROTOCOL_NAME, false },
	{ "tls.protocol.version", ATTR_TLS_PROTOCOL_VERSION, false },
	{ "tls.cipher", ATTR_TLS_CIPHER, false },
	{ "user_agent.original", ATTR_USER_AGENT_ORIGINAL, false },
	{ "db.response.returned_rows", ATTR_DB_RESPONSE_RETURNED_ROWS, false },
	{ "db.query.parameter", ATTR_DB_QUERY_PARAMETER, true },
};

_Static_assert(ATTRS < 63, "a bit each, and one more");
#define IS_READ (1ull << 63)

static uint64_t read_setting(void)
{
	uint64_t mask = IS_READ;
	struct bytes list = config.opt_in_attributes;

	while (list.ptr) {
		struct bytes word = bytes_trim(bytes_split(&list, ','));

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if ((bytes_equal(word, BYTES("*")) && !known[i].is_secret) ||
			    bytes_equal(word, bytes_from_str(known[i].key)))
				mask |= 1ull << known[i].attr;
	}
	return mask;
}

static NO_INLINE bool is_asked(enum attr key)
{
	static _Atomic uint64_t mask;
	uint64_t m = atomic_load_explicit(&mask, memory_order_relaxed);

	if (!m) { /* settings do not change: whoever comes second writes the same */
		m = read_setting();
		atomic_store_explicit(&mask, m, memory_order_relaxed);
	}
	return m >> key & 1;
}

bool opt_in(enum attr key)
{
	return UNLIKELY(config.opt_in_attributes.len) && is_asked(key);
}
