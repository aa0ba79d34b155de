/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext of clients: what is staged and given up, and handshakes that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_failure.h"
#include "tls_write.h"
#include "write_rig.h"

static int session;
static char wrote[1024];
static size_t wrote_len;
static enum tls_sent says;
static void (*meanwhile)(void); /* once, while the library is at work */

static enum tls_sent send_so(struct tls_call *call, const char *buf, size_t len, size_t *ret_n)
{
	void (*now)(void) = meanwhile;

	(void)call;
	memcpy(wrote, buf, len < sizeof(wrote) ? len : sizeof(wrote));
	wrote_len = len;
	*ret_n = len;
	meanwhile = NULL;
	if (now)
		now();
	return says;
}

/* A connection whose client has said its first word, and the session that has made it. */
static struct tls *begin(unsigned who)
{
	static const uint8_t head[] = { 22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3 };
	uint8_t hello[sizeof(head) + TLS_RANDOM];
	struct iovec iov = { hello, sizeof(hello) };
	struct tls *t;

	rig_begin(NULL, 0);
	memcpy(hello, head, sizeof(head));
	memset(hello + sizeof(head), 0, TLS_RANDOM);
	memcpy(hello + sizeof(head), &who, sizeof(who));
	tls_seen();
	conn_wrote(RIG_FD, conn_look(RIG_FD, false), &iov, 1, sizeof(hello), 0);
	t = tls_of(&session);
	assert_non_null(t);
	assert_true(tls_bind(t, hello + sizeof(head), CONN_CLIENT));
	return t;
}

static void end(void)
{
	tls_forget(&session);
	rig_end();
}

static enum tls_sent request_of(struct tls *t, const char *text, size_t len)
{
	struct tls_call call = {
		.tls = t, .buf = text, .len = len, .can_edit = true, .send = send_so
	};
	size_t n = 0;
	enum tls_sent how = tls_write(&call, &n);

	if (how == TLS_SENT)
		assert_int_equal(n, strlen(text));
	return how;
}

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"
static const char text[] = HEAD "\r\n";

static enum tls_sent request(struct tls *t)
{
	return request_of(t, text, sizeof(text) - 1);
}

static const struct tls_facts facts = { .version = 0x0304 };

/* Closed instead of written again, more often than there is memory for what is staged. */
static void test_tls_write_keeps_nothing_of_who_gives_up(void **state)
{
	(void)state;
	says = TLS_PENDING;
	for (unsigned i = 1; i <= 3000; i++) {
		struct tls *t = begin(i << 1);

		tls_established(t, &facts);
		assert_int_equal(request(t), TLS_PENDING);
		assert_non_null(memmem(wrote, wrote_len, "traceparent: ", 13));
		end();
	}
	says = TLS_SENT;
	wrote_len = 0;
	assert_int_equal(request(begin(8000)), TLS_SENT);
	assert_non_null(memmem(wrote, wrote_len, "traceparent: ", 13));
	end();
}

/* A session that its library frees by itself, and the next one at its address. */
static void test_tls_write_leaves_nothing_to_the_next_session(void **state)
{
	struct tls *t;

	(void)state;
	says = TLS_PENDING;
	t = begin(8002);
	tls_established(t, &facts);
	assert_int_equal(request(t), TLS_PENDING);
	rig_end();
	assert_ptr_equal(begin(8004), t);
	assert_false(tls_is_writing(t));
	says = TLS_SENT;
	assert_int_equal(request(t), TLS_SENT);
	assert_non_null(memmem(wrote, wrote_len, "traceparent: ", 13));
	end();
}

#define OURS_BYTES 70u /* "traceparent: ", value, CRLF */

/* A record with a line of ours in it, which could not be sent. */
static struct tls *begin_staged(unsigned who, char *ret_record)
{
	struct tls *t = begin(who);

	tls_established(t, &facts);
	stats_reset();
	says = TLS_PENDING;
	assert_int_equal(request(t), TLS_PENDING);
	assert_true(tls_is_writing(t));
	assert_int_equal(wrote_len, sizeof(text) - 1 + OURS_BYTES);
	assert_memory_equal(wrote, HEAD "traceparent: 00-", sizeof(HEAD) - 1 + 16);
	memcpy(ret_record, wrote, wrote_len);
	memset(wrote, 0, sizeof(wrote));
	return t;
}

static void assert_staged(const char *record)
{
	assert_int_equal(wrote_len, sizeof(text) - 1 + OURS_BYTES);
	assert_memory_equal(wrote, record, wrote_len);
}

static bool is_under_way(void)
{
	struct conn *c = conn_pin(RIG_FD);
	bool is_it = c && edits_are_under_way(&c->edits);

	if (c)
		conn_unpin(c);
	return is_it;
}

static void looks_how(void)
{
	assert_true(is_under_way());
}

/* The same bytes, to the last one, as often as it takes; and one request is told of. */
static void test_tls_write_again_is_the_same_record(void **state)
{
	char record[sizeof(wrote)];
	struct tls *t = begin_staged(8018, record);

	(void)state;
	for (int i = 0; i < 3; i++) {
		meanwhile = looks_how; /* whoever else writes now must know */
		says = i < 2 ? TLS_PENDING : TLS_SENT;
		assert_int_equal(request(t), says);
		assert_staged(record);
		assert_false(is_under_way());
		assert_int_equal(stats_read(STAT_INJECTED), i == 2);
	}
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 1);
	assert_false(tls_is_writing(t));
	/* The next one is another one. */
	assert_int_equal(request(t), TLS_SENT);
	assert_memory_not_equal(wrote + sizeof(HEAD) - 1 + 16, record + sizeof(HEAD) - 1 + 16, 32);
	assert_int_equal(stats_read(STAT_INJECTED), 2);
	end();
}

/* A head that came again is taken in as one that was sent at once: its body is known for one. */
static void test_tls_write_again_of_a_head_alone(void **state)
{
	static const char head[] = "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
	struct tls *t = begin(8028);

	(void)state;
	tls_established(t, &facts);
	says = TLS_PENDING;
	assert_int_equal(request_of(t, head, sizeof(head) - 1), TLS_PENDING);
	says = TLS_SENT;
	assert_int_equal(request_of(t, head, sizeof(head) - 1), TLS_SENT);
	assert_int_equal(wrote_len, sizeof(head) - 1 + OURS_BYTES);
	assert_int_equal(request_of(t, "{}", 2), TLS_SENT);
	assert_int_equal(wrote_len, 2);
	assert_int_equal(request(t), TLS_SENT);
	assert_int_equal(wrote_len, sizeof(text) - 1 + OURS_BYTES);
	end();
}

/* A library that knows its bytes is told to go on: it is told of all that they stand for. */
static void test_tls_write_goes_on_without_bytes(void **state)
{
	char record[sizeof(wrote)];
	struct tls *t = begin_staged(8020, record);

	(void)state;
	says = TLS_SENT;
	assert_int_equal(request_of(t, text, 0), TLS_SENT);
	assert_staged(record);
	assert_int_equal(stats_read(STAT_INJECTED), 1);
	end();
}

/* What the library has begun it must get, whatever has become of the connection. */
static void test_tls_write_again_when_blind(void **state)
{
	char record[sizeof(wrote)];
	struct tls *t = begin_staged(8022, record);

	(void)state;
	conn_make_blind(RIG_FD);
	says = TLS_SENT;
	assert_int_equal(request(t), TLS_SENT);
	assert_staged(record);
	assert_false(is_under_way());
	assert_false(tls_is_writing(t));
	end();
}

/* Other bytes: what the library says of that is the application's to hear. */
static void test_tls_write_again_of_other_bytes(void **state)
{
	static const char other[] = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
	char record[sizeof(wrote)];
	struct tls *t = begin_staged(8026, record);

	(void)state;
	says = TLS_FAILED;
	assert_int_equal(request_of(t, other, sizeof(other) - 1), TLS_FAILED);
	assert_int_equal(wrote_len, sizeof(other) - 1);
	assert_memory_equal(wrote, other, wrote_len);
	assert_false(tls_is_writing(t));
	/* What is out is not known from now on. */
	assert_int_equal(stats_read(STAT_CONNS_BLIND), 1);
	says = TLS_SENT;
	assert_int_equal(request(t), TLS_SENT);
	assert_int_equal(wrote_len, sizeof(text) - 1);
	assert_memory_equal(wrote, text, wrote_len);
	end();
}

static void closes(void)
{
	rig_end();
}

/* Another thread closes what is being written: the memory of our lines comes back all the same. */
static void test_tls_write_again_of_what_is_closed_meanwhile(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) { /* there is memory for a thousand */
		char record[sizeof(wrote)];
		struct tls *t = begin_staged(9000 + 2 * i, record);

		meanwhile = closes;
		says = TLS_SENT;
		assert_int_equal(request(t), TLS_SENT);
		assert_staged(record);
		tls_forget(&session);
	}
}

static uint64_t spans(void)
{
	return stats_read(STAT_SPANS_STARTED);
}

static void test_tls_failure_is_told_once(void **state)
{
	uint64_t before = spans();
	struct tls *t = begin(8006);

	(void)state;
	tls_failed(t, BYTES(TLS_HANDSHAKE_FAILURE), 0);
	assert_int_equal(spans(), before + 1);
	tls_failed(t, (struct bytes){ NULL, 0 }, ECONNRESET);
	end();
	assert_int_equal(spans(), before + 1);
}

/* It is not called off by the peer, nor by time: somebody has changed his mind (H18). */
static void test_tls_handshake_that_is_given_up_is_none(void **state)
{
	uint64_t before = spans();

	(void)state;
	begin(8008);
	end();
	assert_int_equal(spans(), before);
	begin(8010);
	conn_waited(RIG_FD, true);
	end();
	assert_int_equal(spans(), before + 1);
}

/* Asked, and not believed: an error if nothing was sent, and none if it goes on all the same. */
static void test_tls_peer_that_is_not_believed(void **state)
{
	uint64_t before = spans();
	struct tls *t = begin(8012);

	(void)state;
	tls_established(t, &facts);
	tls_unverified(t, TLS_UNVERIFIED);
	end();
	assert_int_equal(spans(), before + 1);
	t = begin(8014);
	tls_established(t, &facts);
	tls_unverified(t, TLS_UNVERIFIED);
	says = TLS_SENT;
	assert_int_equal(request(t), TLS_SENT);
	assert_int_equal(spans(), before + 2); /* the request */
	end();
	assert_int_equal(spans(), before + 2);
	t = begin(8016);
	tls_established(t, &facts);
	tls_unverified(t, NULL);
	end();
	assert_int_equal(spans(), before + 2);
}

static void test_tls_alerts_have_names(void **state)
{
	(void)state;
	assert_string_equal(tls_alert_name(48).ptr, "unknown_ca");
	assert_string_equal(tls_alert_name(113).ptr, "bad_certificate_status_response");
	assert_string_equal(tls_alert_name(120).ptr, "no_application_protocol");
	assert_null(tls_alert_name(0).ptr);
	assert_null(tls_alert_name(255).ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_write_keeps_nothing_of_who_gives_up),
		cmocka_unit_test(test_tls_write_leaves_nothing_to_the_next_session),
		cmocka_unit_test(test_tls_write_again_is_the_same_record),
		cmocka_unit_test(test_tls_write_again_of_a_head_alone),
		cmocka_unit_test(test_tls_write_goes_on_without_bytes),
		cmocka_unit_test(test_tls_write_again_when_blind),
		cmocka_unit_test(test_tls_write_again_of_other_bytes),
		cmocka_unit_test(test_tls_write_again_of_what_is_closed_meanwhile),
		cmocka_unit_test(test_tls_failure_is_told_once),
		cmocka_unit_test(test_tls_handshake_that_is_given_up_is_none),
		cmocka_unit_test(test_tls_peer_that_is_not_believed),
		cmocka_unit_test(test_tls_alerts_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
