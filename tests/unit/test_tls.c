/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and connections find each other by the client's random, and by nothing less. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd_table.h"
#include "stats.h"
#include "tls.h"
#include "tls_glance.h"

#define FD 120

static uint8_t random_of(unsigned who, unsigned i)
{
	return (uint8_t)(who * 37 + i + 1);
}

static void random_fill(uint8_t *to, unsigned who)
{
	for (unsigned i = 0; i < TLS_RANDOM; i++)
		to[i] = random_of(who, i);
}

/* A record of a handshake, the client's first message in it, up to its random and a bit more. */
static void hello_fill(char *to, unsigned who)
{
	static const uint8_t head[] = { 22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3 };

	memcpy(to, head, sizeof(head));
	random_fill((uint8_t *)to + sizeof(head), who);
	memset(to + sizeof(head) + TLS_RANDOM, 0, 20);
}
#define HELLO 63u

static void moves(int fd, bool is_in, char *bytes, size_t len)
{
	struct iovec iov = { bytes, len };

	if (is_in)
		conn_read_done(fd, conn_look(fd, true), &iov, 1, (ssize_t)len, len, 0);
	else
		conn_wrote(fd, conn_look(fd, false), &iov, 1, (ssize_t)len, 0);
}

static bool binds(struct tls *t, unsigned who, int role)
{
	uint8_t random[TLS_RANDOM];

	random_fill(random, who);
	return tls_bind(t, random, role);
}

static void hello_in(int fd, unsigned who, size_t step)
{
	char hello[HELLO];

	hello_fill(hello, who);
	conn_accepted(fd);
	for (size_t at = 0; at < HELLO; at += step)
		moves(fd, true, hello + at, step < HELLO - at ? step : HELLO - at);
}

static int setup(void **state)
{
	(void)state;
	tls_seen();
	return 0;
}

/* What the descriptor moves is ciphertext, and mute; the session's bytes are a request. */
static void test_tls_server_finds_its_connection(void **state)
{
	char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct iovec iov = { request, sizeof(request) - 1 };
	int session = 0;
	struct tls *t = tls_of(&session);
	struct conn_token token;
	struct conn *c;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(dup2(ends[0], FD), FD);
	hello_in(FD, 1, HELLO);
	assert_false(binds(t, 2, CONN_SERVER)); /* another's */
	assert_false(binds(t, 1, CONN_CLIENT)); /* the wrong side */
	assert_true(binds(t, 1, CONN_SERVER));
	assert_int_equal(t->fd, FD);
	assert_null(conn_look(FD, true).conn);
	assert_null(conn_look(FD, false).conn);
	assert_true(fd_is_ours(FD));
	token = tls_look(t, true);
	assert_non_null(token.conn);
	conn_read_done(FD, token, &iov, 1, (ssize_t)iov.iov_len, iov.iov_len, 0);
	c = conn_hold(tls_look(t, true), true, false);
	assert_non_null(c);
	assert_int_equal(exchange_count(c), 1);
	conn_release(c, &c->in);
	conn_fd_closing(FD);
	assert_null(tls_look(t, true).conn);
	tls_forget(&session);
	close(ends[0]);
	close(ends[1]);
	close(FD);
}

/* A library that reads the record's head first, or the kernel that gives it in pieces. */
static void test_tls_random_is_put_together(void **state)
{
	int session = 0;
	static const size_t steps[] = { 3, 5, 7, 10, 11, 12, 42, 43 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		hello_in(FD, 10 + (unsigned)i, steps[i]);
		assert_true(binds(tls_of(&session), 10 + (unsigned)i, CONN_SERVER));
		conn_fd_closing(FD);
		tls_forget(&session);
	}
}

/* A proxy that hands ciphertext on to itself: nobody knows which of the two is decrypted. */
static void test_tls_random_that_came_twice_finds_none(void **state)
{
	int session = 0;
	struct tls *t = tls_of(&session);

	(void)state;
	hello_in(FD, 20, HELLO);
	hello_in(FD + 1, 20, HELLO);
	assert_false(binds(t, 20, CONN_SERVER));
	conn_fd_closing(FD + 1);
	assert_false(binds(t, 20, CONN_SERVER));
	conn_fd_closing(FD);
	/* It comes a third time when both are gone. */
	hello_in(FD, 21, HELLO);
	conn_fd_closing(FD);
	hello_in(FD, 21, HELLO);
	assert_true(binds(t, 21, CONN_SERVER));
	conn_fd_closing(FD);
	tls_forget(&session);
}

static void test_tls_waits_for_a_while_only(void **state)
{
	uint64_t before = stats_read(STAT_CONNS_TLS_UNREAD);
	int session = 0;

	(void)state;
	hello_in(FD, 30, HELLO);
	for (int i = 0; i < 100; i++)
		assert_null(conn_look(FD, i % 2).conn);
	assert_false(fd_is_ours(FD));
	assert_int_equal(stats_read(STAT_CONNS_TLS_UNREAD), before + 1);
	assert_false(binds(tls_of(&session), 30, CONN_SERVER));
	tls_forget(&session);
}

/* A response, an alert, a message of another kind: no random comes. */
static void test_tls_what_is_no_hello_is_opaque(void **state)
{
	static const uint8_t at[] = { 0, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(at); i++) {
		char hello[HELLO];

		hello_fill(hello, 40);
		hello[at[i]] = i ? 2 : 21;
		conn_accepted(FD);
		moves(FD, true, hello, sizeof(hello));
		assert_false(fd_is_ours(FD));
	}
}

static void test_tls_session_that_goes_on_after_free_is_found_again(void **state)
{
	int session = 0;
	uint64_t entry;

	(void)state;
	hello_in(FD, 50, HELLO);
	assert_true(binds(tls_of(&session), 50, CONN_SERVER));
	entry = tls_of(&session)->entry;
	tls_forget(&session); /* somebody else has a reference */
	assert_int_equal(tls_of(&session)->state, TLS_NEW);
	assert_true(binds(tls_of(&session), 50, CONN_SERVER));
	assert_int_equal(tls_of(&session)->entry, entry);
	conn_fd_closing(FD);
	tls_forget(&session);
}

/* H2 by agreement of both sides: known before its first byte, counted, and cheap from then on. */
static void test_tls_http2_is_left_alone(void **state)
{
	static const struct tls_facts facts = { .version = 0x0304,
						.cipher = "TLS_AES_128_GCM_SHA256",
						.is_http2 = true };
	uint64_t before = stats_read(STAT_CONNS_HTTP2);
	uint64_t unread = stats_read(STAT_CONNS_TLS_UNREAD);
	int session = 0;

	(void)state;
	hello_in(FD, 60, HELLO);
	assert_true(binds(tls_of(&session), 60, CONN_SERVER));
	tls_established(tls_of(&session), &facts);
	assert_int_equal(tls_of(&session)->state, TLS_IGNORED);
	assert_false(fd_is_ours(FD));
	assert_int_equal(stats_read(STAT_CONNS_HTTP2), before + 1);
	assert_int_equal(stats_read(STAT_CONNS_TLS_UNREAD), unread);
	tls_forget(&session);
}

static NO_INLINE bool seen_from_below(int fd)
{
	return tls_is_inside(fd);
}

static NO_INLINE void enters_and_is_left(const struct tls_glance *g)
{
	char frame[512];

	memset(frame, 0, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	tls_enter(g);
}

/* The usual call needs a session past its handshake, and a connection that is looked at. */
static void test_tls_glance_is_of_what_is_established(void **state)
{
	struct tls_facts facts = { 0x0304, NULL, false, false };
	struct tls_glance g = { 0 };
	int session = 0;

	(void)state;
	assert_false(tls_glance(&g, &session, true));
	hello_in(FD, 80, HELLO);
	assert_true(binds(tls_of(&session), 80, CONN_SERVER));
	assert_false(tls_glance(&g, &session, true));
	tls_established(tls_of(&session), &facts);
	assert_true(tls_glance(&g, &session, true));
	assert_true(g.is_server);
	assert_ptr_equal(g.token.conn, tls_look(g.tls, true).conn);
	assert_int_equal(g.token.word, tls_look(g.tls, true).word);
	conn_make_blind(FD);
	assert_false(tls_glance(&g, &session, true));
	conn_fd_closing(FD);
	assert_false(tls_glance(&g, &session, true));
	tls_forget(&session);
	assert_false(tls_glance(&g, &session, true));
}

/* Only that connection's ciphertext, from within the call, and not the number's next owner. */
static void test_tls_ciphertext_of_a_call_is_passed_by(void **state)
{
	struct tls_facts facts = { 0x0304, NULL, false, false };
	struct tls_glance g = { 0 };
	int session = 0;

	(void)state;
	hello_in(FD, 90, HELLO);
	conn_accepted(FD + 1);
	assert_true(binds(tls_of(&session), 90, CONN_SERVER));
	tls_established(tls_of(&session), &facts);
	assert_true(tls_glance(&g, &session, true));
	assert_false(seen_from_below(FD));
	tls_enter(&g);
	assert_true(seen_from_below(FD));
	assert_false(seen_from_below(FD + 1));
	conn_fd_closing(FD);
	conn_accepted(FD);
	assert_false(seen_from_below(FD));
	tls_leave();
	conn_fd_closing(FD);
	conn_fd_closing(FD + 1);
	tls_forget(&session);
}

/* Who jumped out of it: nobody is below its frame, though the mark is there. */
static void test_tls_call_that_was_left_passes_nothing_by(void **state)
{
	struct tls_facts facts = { 0x0304, NULL, false, false };
	struct tls_glance g = { 0 };
	int session = 0;

	(void)state;
	hello_in(FD, 100, HELLO);
	assert_true(binds(tls_of(&session), 100, CONN_SERVER));
	tls_established(tls_of(&session), &facts);
	assert_true(tls_glance(&g, &session, true));
	enters_and_is_left(&g);
	assert_false(tls_is_inside(FD));
	tls_leave();
	conn_fd_closing(FD);
	tls_forget(&session);
}

static void test_tls_table_has_an_end(void **state)
{
	static char many[1 << 17];
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i += 16)
		known += tls_of(&many[i]) != NULL;
	assert_true(known > sizeof(many) / 16 / 2);
	for (size_t i = 0; i < sizeof(many); i += 16)
		tls_forget(&many[i]);
	assert_non_null(tls_of(&many[0]));
	tls_forget(&many[0]);
}

/* --- where there is little room --- */

#define NEST_FD 130
#define NEST 4u

/* All of them are looked for in one place, and begin there at the same one. */
static void nest_random(uint8_t *to, unsigned who)
{
	memset(to, 0, TLS_RANDOM);
	to[0] = 1;
	to[2] = (uint8_t)(who + 1);
}

static void nest_hello(unsigned who)
{
	char hello[HELLO];

	hello_fill(hello, 0);
	nest_random((uint8_t *)hello + 11, who);
	conn_accepted(NEST_FD + (int)who);
	moves(NEST_FD + (int)who, true, hello, HELLO);
}

static bool nest_binds(const void *session, unsigned who)
{
	uint8_t random[TLS_RANDOM];

	nest_random(random, who);
	return tls_bind(tls_of(session), random, CONN_SERVER);
}

/* Whatever is held by those that have theirs: so many may wait at once. */
static void test_tls_who_has_a_session_makes_room(void **state)
{
	int sessions[3 * NEST];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < NEST; i++)
			nest_hello(round * NEST + i);
		for (unsigned i = 0; i < NEST; i++)
			assert_true(nest_binds(&sessions[round * NEST + i], round * NEST + i));
	}
	for (unsigned i = 0; i < 3 * NEST; i++) {
		conn_fd_closing(NEST_FD + (int)i);
		tls_forget(&sessions[i]);
	}
}

/* --- two at a time --- */

#define RACE_FD 150
#define RACE_ROUNDS 20000u

static pthread_barrier_t race;

/* What both wait for is looked for in the same place, as both ends in one process are. */
static void *race_hello(void *arg)
{
	unsigned who = (unsigned)(uintptr_t)arg;
	int fd = RACE_FD + (int)who, session = 0;
	uintptr_t lost = 0;

	for (unsigned i = 0; i < RACE_ROUNDS; i++) {
		uint8_t random[TLS_RANDOM] = { 1, 2, (uint8_t)(3 + who) };
		char hello[HELLO];

		memcpy(random + 3, &i, sizeof(i));
		hello_fill(hello, 0);
		memcpy(hello + 11, random, sizeof(random));
		conn_accepted(fd);
		pthread_barrier_wait(&race);
		moves(fd, true, hello, HELLO);
		pthread_barrier_wait(&race);
		lost += !tls_bind(tls_of(&session), random, CONN_SERVER);
		tls_forget(&session);
		conn_fd_closing(fd);
	}
	return (void *)lost;
}

static void test_tls_two_that_wait_at_once_are_found(void **state)
{
	pthread_t threads[2];
	void *lost;

	(void)state;
	assert_int_equal(pthread_barrier_init(&race, NULL, 2), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_hello, (void *)i), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &lost), 0);
		assert_int_equal((uintptr_t)lost, 0);
	}
	pthread_barrier_destroy(&race);
}

#define LOT 1000u
_Static_assert(RACE_ROUNDS % LOT == 0, "one_session()");

static struct {
	pthread_barrier_t at;
	_Alignas(16) char sessions[RACE_ROUNDS][16];
} one;

/* Returns how often there was none. */
static void *one_session(void *arg)
{
	uintptr_t none = 0;

	for (unsigned i = 0; i < RACE_ROUNDS; i++) {
		if (i % LOT == 0)
			pthread_barrier_wait(&one.at);
		none += !tls_of(&one.sessions[i]);
		if (i % LOT != LOT - 1)
			continue;
		pthread_barrier_wait(&one.at);
		for (unsigned j = i - (LOT - 1); !arg && j <= i; j++)
			tls_forget(&one.sessions[j]);
	}
	return (void *)none;
}

/* Against the library's rule; but a program that breaks it is not to die of us. */
static void test_tls_session_of_two_threads_at_once_is_there_for_both(void **state)
{
	pthread_t threads[2];
	void *none;

	(void)state;
	assert_int_equal(pthread_barrier_init(&one.at, NULL, 2), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_session, (void *)i), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &none), 0);
		assert_int_equal((uintptr_t)none, 0);
	}
	pthread_barrier_destroy(&one.at);
	for (unsigned i = 0; i < RACE_ROUNDS; i++)
		assert_null(tls_slot_of(&one.sessions[i]));
}

/* Where a slot was never used and where one is free again. */
static void test_tls_no_session_is_none(void **state)
{
	static char sessions[TLS_BUCKETS][16];
	uint64_t full = stats_read(STAT_CONNS_TLS_FULL);
	struct tls_glance g;

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_null(tls_of(NULL));
		assert_false(tls_glance(&g, NULL, true));
		tls_forget(NULL);
		for (unsigned i = 0; !round && i < TLS_BUCKETS; i++)
			tls_of(&sessions[i]);
		for (unsigned i = 0; i < TLS_BUCKETS; i++)
			tls_forget(&sessions[i]);
	}
	assert_int_equal(stats_read(STAT_CONNS_TLS_FULL), full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_server_finds_its_connection),
		cmocka_unit_test(test_tls_random_is_put_together),
		cmocka_unit_test(test_tls_random_that_came_twice_finds_none),
		cmocka_unit_test(test_tls_waits_for_a_while_only),
		cmocka_unit_test(test_tls_what_is_no_hello_is_opaque),
		cmocka_unit_test(test_tls_session_that_goes_on_after_free_is_found_again),
		cmocka_unit_test(test_tls_http2_is_left_alone),
		cmocka_unit_test(test_tls_glance_is_of_what_is_established),
		cmocka_unit_test(test_tls_ciphertext_of_a_call_is_passed_by),
		cmocka_unit_test(test_tls_call_that_was_left_passes_nothing_by),
		cmocka_unit_test(test_tls_who_has_a_session_makes_room),
		cmocka_unit_test(test_tls_two_that_wait_at_once_are_found),
		cmocka_unit_test(test_tls_session_of_two_threads_at_once_is_there_for_both),
		cmocka_unit_test(test_tls_no_session_is_none),
		cmocka_unit_test(test_tls_table_has_an_end),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
