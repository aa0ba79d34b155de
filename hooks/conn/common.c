/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include "compiler.h"
#include "copy.h"
#include "store.h"

static ALWAYS_INLINE bool is_same(const char *kept, size_t len, struct bytes now)
{
	return now.len == len && copy_is_same(kept, now.ptr, len);
}

bool common_recall(struct common *k, const struct common_key *key, struct span *s)
{
	const char *host = k->key + k->method_len;

	if (k->version != key->version || !is_same(k->key, k->method_len, key->method) ||
	    !is_same(host, k->host_len, key->host) ||
	    !is_same(host + k->host_len, k->agent_len, key->agent))
		return false;
	/* Not for a connection's only request. */
	if (UNLIKELY(!k->is_shared) && span_is_recording(s)) {
		k->is_shared = true;
		span_block_share(&k->block, (enum span_kind)s->kind);
	}
	span_block_add(s, &k->block);
	return true;
}

void common_keep(struct common *k, const struct common_key *key, const struct span *s,
		 struct span_mark since)
{
	char *to = k->key;

	k->version = 0;
	k->is_shared = false;
	if (key->method.len + key->host.len + key->agent.len > sizeof(k->key) ||
	    !span_block_take(&k->block, s, since))
		return;
	copy_short(to, key->method.ptr, key->method.len);
	copy_short(to += key->method.len, key->host.ptr, key->host.len);
	copy_short(to += key->host.len, key->agent.ptr, key->agent.len);
	k->method_len = (uint8_t)key->method.len;
	k->host_len = (uint8_t)key->host.len;
	k->agent_len = (uint8_t)key->agent.len;
	k->version = key->version;
	k->serial += k->serial == UINT32_MAX ? 2 : 1;
}
