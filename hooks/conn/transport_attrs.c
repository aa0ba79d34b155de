/* SPDX-License-Identifier: Apache-2.0 */
/* What a request travels by: opt-in attributes. */
#include "http_attrs.h"
#include "opt_in.h"

static void set_tls(struct span *s, const struct conn *c)
{
	char version[3] = { '1', '.', (char)('0' + (c->tls.version & 0xff) - 1) };

	if (!conn_is_tls(c))
		return;
	if (opt_in(ATTR_TLS_PROTOCOL_NAME))
		span_set_str(s, ATTR_TLS_PROTOCOL_NAME, BYTES("tls"));
	if (c->tls.version > 0x0300 && opt_in(ATTR_TLS_PROTOCOL_VERSION))
		span_set_str(s, ATTR_TLS_PROTOCOL_VERSION,
			     (struct bytes){ version, c->tls.version == 0x0301 ? 1 : 3 });
	if (c->tls.cipher[0] && opt_in(ATTR_TLS_CIPHER))
		span_set_str(s, ATTR_TLS_CIPHER, bytes_from_str(c->tls.cipher));
}

void attrs_transport(struct span *s, const struct conn *c)
{
	if (opt_in(ATTR_NETWORK_TRANSPORT))
		span_set_str(s, ATTR_NETWORK_TRANSPORT,
			     c->peer.sa.sa_family == AF_UNIX ? BYTES("unix") : BYTES("tcp"));
	set_tls(s, c);
}
