/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, and the process identity that they hang on. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "process.h"
#include "rng.h"
#include "trace_id.h"

#define THREADS 4
#define EACH 5000

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct span_id));
}

static void assert_all_differ(struct span_id *ids, size_t n)
{
	qsort(ids, n, sizeof(*ids), by_bytes);
	for (size_t i = 1; i < n; i++)
		assert_memory_not_equal(&ids[i - 1], &ids[i], sizeof(*ids));
}

/* Memory that forked children write into. */
static void *shared_new(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void wait_for(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* From now on the kernel answers ENOSYS to nr; to any third argument, or to this one only. */
static void refuse(unsigned int nr, int arg2)
{
	struct sock_filter any[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)arg2, 0, arg2 < 0 ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(any) / sizeof(any[0]), any };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
		_exit(99);
}

static void test_trace_id_hex_is_lower_case_and_exact(void **state) /* C4 */
{
	static const uint8_t raw[4] = { 0x00, 0x0f, 0xa5, 0xff };
	char hex[9] = "????????";
	uint8_t back[4];

	(void)state;
	hex_encode(hex, raw, 4);
	assert_string_equal(hex, "000fa5ff");
	assert_true(hex_decode(back, hex, 4));
	assert_memory_equal(back, raw, 4);
	for (int c = 0; c < 256; c++) {
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		char pair[2] = { (char)c, '0' };
		char other[2] = { '0', (char)c };

		assert_int_equal(hex_decode(back, pair, 1), is_digit);
		assert_int_equal(hex_decode(back, other, 1), is_digit);
	}
}

/* Sixteen at once: each byte, at each place; and the two ways agree. */
static void test_trace_id_hex_takes_sixteen_digits_at_once(void **state)
{
	static const uint8_t raw[9] = { 0x0f, 0x9a, 0x5f, 0xa0, 0x19, 0xfe, 0x00, 0xff, 0xc3 };
	char hex[19] = "??????????????????";
	uint8_t back[9];

	(void)state;
	hex_encode(hex, raw, 9);
	assert_string_equal(hex, "0f9a5fa019fe00ffc3");
	assert_true(hex_decode(back, hex, 9));
	assert_memory_equal(back, raw, 9);
	for (int c = 0; c < 256; c++) {
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		uint8_t value = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);

		for (size_t at = 0; at < 16; at++) {
			char sixteen[17] = "0f9a5fa019fe00ff";
			uint8_t want[8];

			memcpy(want, raw, sizeof(want));
			sixteen[at] = (char)c;
			assert_int_equal(hex_decode(back, sixteen, 8), is_digit);
			if (at % 2)
				want[at / 2] = (uint8_t)((want[at / 2] & 0xf0) | value);
			else
				want[at / 2] = (uint8_t)((want[at / 2] & 0x0f) | value << 4);
			if (is_digit)
				assert_memory_equal(back, want, 8);
		}
	}
	for (unsigned int byte = 0; byte < 256; byte++) {
		uint8_t eight[8];
		char at_once[16], singly[2];

		memset(eight, (int)byte, sizeof(eight));
		hex_encode(at_once, eight, 8);
		hex_encode(singly, eight, 1);
		for (size_t at = 0; at < 16; at++)
			assert_int_equal(at_once[at], singly[at % 2]);
	}
}

/* C19: each bit of 4096 ids is set in about half of them (6 standard deviations: 192). */
static void test_trace_id_is_random_in_all_bits(void **state)
{
	int set[192] = { 0 };

	(void)state;
	for (int n = 0; n < 4096; n++) {
		struct {
			struct trace_id trace;
			struct span_id span;
		} ids;
		const uint8_t *raw = (const uint8_t *)&ids;

		trace_id_new(&ids.trace);
		span_id_new(&ids.span);
		assert_false(trace_id_is_zero(&ids.trace) || span_id_is_zero(&ids.span));
		for (int bit = 0; bit < 192; bit++)
			set[bit] += raw[bit / 8] >> bit % 8 & 1;
	}
	for (int bit = 0; bit < 192; bit++)
		assert_in_range(set[bit], 2048 - 192, 2048 + 192);
}

/*
 * C19: the order in which a thread made its ids cannot be told from them without this process's
 * key: of 4096 one in 8192 follows the last one in its last bits by chance.
 */
static void test_trace_id_hides_the_order(void **state)
{
	uint64_t last = 0;
	int follow = 0;

	(void)state;
	for (int n = 0; n < 4096; n++) {
		struct span_id id;
		uint64_t word;

		span_id_new(&id);
		memcpy(&word, id.bytes, sizeof(word));
		follow += (word - last) % RNG_PLACES == 1;
		if (n)
			assert_int_equal(rng_place(word), (rng_place(last) + 1) % RNG_PLACES);
		last = word;
	}
	assert_in_range(follow, 0, 12);
}

static void *fill(void *ids)
{
	for (int i = 0; i < EACH; i++)
		span_id_new((struct span_id *)ids + i);
	return NULL;
}

static void test_trace_id_differs_between_threads(void **state) /* C28 */
{
	static struct span_id ids[THREADS * EACH];
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill, ids + i * EACH), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_all_differ(ids, THREADS * EACH);
}

/* fork(), or what the libc does not see. */
static pid_t fork_by(bool raw)
{
	return raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
}

static void assert_children_differ(bool raw, void (*before)(void))
{
	struct span_id *ids = shared_new(4 * 100 * sizeof(*ids));
	pid_t child[3];

	for (int i = 0; i < 100; i++) /* the parent's generator is in use already */
		span_id_new(ids + i);
	for (int n = 0; n < 3; n++) {
		child[n] = fork_by(raw);
		if (child[n] == 0) {
			if (before)
				before();
			for (int i = 0; i < 100; i++)
				span_id_new(ids + (n + 1) * 100 + i);
			_exit(0);
		}
	}
	for (int n = 0; n < 3; n++)
		wait_for(child[n]);
	assert_all_differ(ids, 4 * 100);
	munmap(ids, 4 * 100 * sizeof(*ids));
}

static void test_trace_id_differs_between_forked_children(void **state) /* C28 */
{
	(void)state;
	assert_children_differ(false, NULL);
}

static void test_trace_id_differs_between_raw_clones(void **state) /* C28 */
{
	(void)state;
	assert_children_differ(true, NULL);
}

static void without_getrandom(void)
{
	uint8_t byte;

	refuse(SYS_getrandom, -1);
	if (syscall(SYS_getrandom, &byte, 1, 0) != -1)
		_exit(98);
}

static void test_trace_id_differs_without_getrandom(void **state) /* C28 */
{
	(void)state;
	assert_children_differ(false, without_getrandom);
}

static struct span_id *storm_ids;
static volatile sig_atomic_t storm_count;

static void on_alarm(int signal)
{
	(void)signal;
	if (storm_count < EACH)
		span_id_new(&storm_ids[storm_count++]);
}

/* A handler that asks in the middle of another question gets an id of its own. */
static void test_trace_id_differs_in_signal_handlers(void **state)
{
	static struct span_id ids[200 * EACH];
	struct itimerval every = { { 0, 50 }, { 0, 50 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	size_t n = EACH;

	(void)state;
	storm_ids = ids;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	while (n < sizeof(ids) / sizeof(ids[0]))
		span_id_new(&ids[n++]);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_true(storm_count > 0);
	memmove(ids + storm_count, ids + EACH, (n - EACH) * sizeof(ids[0]));
	assert_all_differ(ids, n - EACH + (size_t)storm_count);
}

static int child_identity(uint32_t parent_epoch)
{
	uint32_t epoch = process_epoch();
	pid_t child;
	int status;

	if (process_pid() != (uint32_t)getpid() || epoch == 0 || epoch == parent_epoch)
		return 1;
	if (process_epoch() != epoch)
		return 2;
	child = fork_by(true);
	if (child == 0)
		_exit(process_pid() != (uint32_t)getpid() || process_epoch() == epoch ||
		      process_epoch() == parent_epoch);
	if (waitpid(child, &status, 0) != child || status)
		return 3;
	return process_epoch() == epoch && process_pid() == (uint32_t)getpid() ? 0 : 4;
}

static void test_process_is_known_after_any_fork(void **state)
{
	uint32_t epoch = process_epoch();

	(void)state;
	assert_int_not_equal(epoch, 0);
	assert_int_equal(process_pid(), getpid());
	for (int raw = 0; raw < 2; raw++) {
		pid_t child = fork_by(raw);

		if (child == 0)
			_exit(child_identity(epoch));
		wait_for(child);
	}
	assert_int_equal(process_epoch(), epoch);
	assert_int_equal(process_pid(), getpid());
}

/* Linux before 4.14.  Comes first: the process must not have asked before. */
static void test_process_is_known_without_wipe_on_fork(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		refuse(SYS_madvise, 18 /* MADV_WIPEONFORK */);
		if (process_epoch() != 1 || process_pid() != (uint32_t)getpid())
			_exit(97);
		_exit(child_identity(0));
	}
	wait_for(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_is_known_without_wipe_on_fork),
		cmocka_unit_test(test_process_is_known_after_any_fork),
		cmocka_unit_test(test_trace_id_hex_is_lower_case_and_exact),
		cmocka_unit_test(test_trace_id_hex_takes_sixteen_digits_at_once),
		cmocka_unit_test(test_trace_id_is_random_in_all_bits),
		cmocka_unit_test(test_trace_id_hides_the_order),
		cmocka_unit_test(test_trace_id_differs_between_threads),
		cmocka_unit_test(test_trace_id_differs_between_forked_children),
		cmocka_unit_test(test_trace_id_differs_between_raw_clones),
		cmocka_unit_test(test_trace_id_differs_without_getrandom),
		cmocka_unit_test(test_trace_id_differs_in_signal_handlers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
