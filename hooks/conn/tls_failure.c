/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_failure.h"

#include "clock.h"
#include "config.h"
#include "context.h"
#include "db_span.h"
#include "http_attrs.h"
#include "http_call.h"
#include "request.h"
#include "stats.h"

static const struct {
	uint8_t number;
	char name[32]; /* no pointer: it would be relocated in every process */
} alerts[] = {
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 22, "record_overflow" },
	{ 40, TLS_HANDSHAKE_FAILURE },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 70, TLS_PROTOCOL_VERSION },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 120, "no_application_protocol" },
};

struct bytes tls_alert_name(unsigned number)
{
	for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
		if (alerts[i].number == number)
			return bytes_from_str(alerts[i].name);
	return (struct bytes){ NULL, 0 };
}

static void set_server(struct span *s, struct conn *c)
{
	uint16_t port;
	struct bytes peer = attrs_peer(c, c->tls.fd, &port);

	span_set_str(s, ATTR_SERVER_ADDRESS, c->tls.name[0] ? bytes_from_str(c->tls.name) : peer);
	if (!peer.len)
		return;
	span_set_str(s, ATTR_NETWORK_PEER_ADDRESS, peer);
	if (!port)
		return;
	span_set_int(s, ATTR_SERVER_PORT, port);
	span_set_int(s, ATTR_NETWORK_PEER_PORT, port);
}

static void tell(struct conn *c, struct span_ref from, struct bytes why)
{
	struct exchange x = { .parent = from };
	struct span_context parent;
	struct db_scratch *room;
	bool has_parent;
	struct span *s;

	if (config.sdk_disabled || atomic_exchange(&c->tls.is_told, true))
		return;
	room = db_scratch_get();
	has_parent = request_parent(from, &parent, room ? room->state : NULL,
				    room ? sizeof(room->state) : 0);
	if (!has_parent)
		stats_inc(STAT_PARENT_NONE);
	s = span_start_at(SPAN_CLIENT, has_parent ? &parent : NULL,
			  c->connect_ns ? c->connect_ns : clock_monotonic_ns());
	db_scratch_put(room);
	span_set_name(s, BYTES("TLS handshake"));
	if (c->opened_ns)
		span_add_event_at(s, EVENT_CONNECTION_OPENED, c->opened_ns);
	if (c->tls.established_ns)
		span_add_event_at(s, EVENT_TLS_ESTABLISHED, c->tls.established_ns);
	if (s) {
		set_server(s, c);
		attrs_transport(s, c);
	}
	span_set_error(s, why);
	http_call_end(c, &x, s);
}

void tls_failed(struct tls *t, struct bytes why, int error)
{
	struct conn *c = conn_pin_entry(t->entry);

	if (!c)
		return;
	if (!why.len)
		why = error && error_is_final(error) ? error_name(error) : BYTES(TLS_CLOSED);
	if (c->role == CONN_CLIENT && !c->tls.established_ns)
		tell(c, c->connect_context.slot ? c->connect_context : context_current(), why);
	conn_unpin(c);
}

void tls_unverified(struct tls *t, const char *why)
{
	struct conn *c = t->state == TLS_BOUND ? conn_pin_entry(t->entry) : NULL;

	if (!c)
		return;
	c->tls.unverified = why;
	conn_unpin(c);
}

void tls_over(struct conn *c)
{
	if (atomic_load(&c->is_opaque) || atomic_load(&c->is_blind))
		return;
	if (c->tls.established_ns && c->tls.unverified && !c->out.bytes)
		tell(c, c->connect_context, bytes_from_str(c->tls.unverified));
	if (!tls_is_shaking(c))
		return;
	if (c->error)
		tell(c, c->connect_context, error_name(c->error));
	else if (c->is_eof)
		tell(c, c->connect_context, BYTES(TLS_CLOSED));
	else if (atomic_load(&c->is_timed_out))
		tell(c, c->connect_context, BYTES("timeout"));
}
