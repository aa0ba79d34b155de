/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter where the kernel refuses things, memory ends, and the host forks all the time. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "clock.h"
#include "exporter.h"
#include "isolate.h"
#include "stats.h"
#include "test_exporter_server.h"
#include "transport.h"

static struct server server;
static struct store *st;
static struct config cfg;
static _Atomic uint32_t quiesce;
static struct exporter x = { .quiesce = &quiesce };
static char url[64];

static void configure(void)
{
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	cfg.traces_exporter = EXPORTER_OTLP;
	cfg.otlp_traces_timeout_ms = 5000;
	cfg.bsp_schedule_delay_ms = 20;
	cfg.bsp_batch_size = 64;
	cfg.bsp_queue_size = 2048;
	memset(&x, 0, sizeof(x));
	x.quiesce = &quiesce;
	x.store = st;
	x.config = &cfg;
	stats_reset();
}

static int setup(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	server_start(&server, script);
	configure();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

/* --- a kernel that refuses --- */

/* The calling thread, and what it makes, get error for both system calls. */
static void refuse(int first, int second, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)first, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)second, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(77);
}

/* Runs body in a child: filters cannot be taken off again. */
static int in_child(int (*body)(void))
{
	int status;
	pid_t pid;

/* ASan of gcc 12 forks with its allocator's lock as it is: a child that allocates may hang. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	skip(); /* it gives up when a child starts a thread, with the id of one of its own */
#endif
	pid = fork();

	if (pid == 0)
		_exit(body());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int host_fd;
static bool was_isolated;
static bool had_host_fd;

static void *isolate_thread(void *unused)
{
	unsigned int kept;

	(void)unused;
	was_isolated = isolate(0, &kept);
	had_host_fd = fcntl(host_fd, F_GETFD) >= 0;
	return NULL;
}

static int isolated_in_a_thread(void)
{
	pthread_t t;

	host_fd = fcntl(2, F_DUPFD_CLOEXEC, 700);
	if (host_fd < 0 || pthread_create(&t, NULL, isolate_thread, NULL) != 0)
		return 2;
	pthread_join(t, NULL);
	if (fcntl(host_fd, F_GETFD) < 0)
		return 3; /* the host lost a descriptor of its own */
	if (!was_isolated)
		return 4;
	return had_host_fd ? 5 : 0;
}

static int with_close_range_missing(void)
{
	refuse(436, 436, ENOSYS); /* Linux before 5.9 */
	return isolated_in_a_thread();
}

/* An old kernel, and a chroot without /proc and /dev. */
static int with_nothing_to_open(void)
{
	struct rlimit limit = { 4096, 4096 };

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) /* or a million are closed */
		return 6;
	refuse(436, SYS_openat, ENOENT);
	return isolated_in_a_thread();
}

static int with_both_refused(void)
{
	refuse(436, SYS_unshare, EPERM);
	return isolated_in_a_thread();
}

static void test_hostile_table_is_split(void **state)
{
	(void)state;
	assert_int_equal(in_child(isolated_in_a_thread), 0);
}

static void test_hostile_table_is_split_on_old_kernels(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_close_range_missing), 0);
}

static void test_hostile_table_is_split_without_proc(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_nothing_to_open), 0);
}

static void test_hostile_shared_table_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_both_refused), 4);
}

static _Atomic enum exporter_end ended;

static void *run(void *unused)
{
	(void)unused;
	atomic_store(&ended, exporter_run(&x));
	return NULL;
}

static int exporter_with_both_refused(void)
{
	pthread_t t;

	configure();
	refuse(436, SYS_unshare, EPERM);
	if (pthread_create(&t, NULL, run, NULL) != 0)
		return 2;
	pthread_join(t, NULL);
	return ended == EXPORTER_REFUSED && !store_has_owner(st) ? 0 : 1;
}

static void test_hostile_exporter_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(exporter_with_both_refused), 0);
}

/* --- no memory --- */

/* The head that c-ares loses when memory ends with the node for a literal address. */
#define ARES_LOSS 64u

/* At every allocation of libcurl's in turn, and c-ares': it works, or says that it does not. */
static void test_hostile_memory_may_end_anywhere(void **state)
{
	struct endpoint e;
	struct response response;
	size_t before, first;
	int worked = 0;
	int refused = 0;

	(void)state;
	endpoint_init(&e, &cfg);
	transport_free(transport_new(&e)); /* what libcurl keeps for good */
	first = before = pool_in_use();
	for (size_t more = 0; more < 1000000 && worked < 20; more += 200) {
		struct transport *t;
		enum outcome outcome = OUTCOME_IMPOSSIBLE;

		pool_set_limit(before + more + 1);
		t = transport_new(&e);
		if (t)
			outcome = transport_post(t, &x, BYTES("x"),
						 clock_monotonic_ns() + 1000000000u, &response);
		worked += outcome == OUTCOME_ACCEPTED;
		refused += outcome != OUTCOME_ACCEPTED;
		transport_free(t);
		if (pool_in_use() > before + ARES_LOSS)
			fail_msg("%zu bytes more: %zu leaked", more, pool_in_use() - before);
		before = pool_in_use();
	}
	pool_set_limit(0);
	assert_int_equal(worked, 20);
	assert_true(before <= first + 2 * ARES_LOSS);
	assert_true(refused > 50);
	print_message("%d refused\n", refused);
}

/* --- forks --- */

#define FORKS 150

/* Children put their spans into the store that they share; the parent's thread delivers. */
static void test_hostile_forks_lose_nothing(void **state)
{
	pthread_t t;
	uint64_t begin = clock_monotonic_ns();

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, run, NULL), 0);
	for (int i = 0; i < FORKS; i++) {
		bool is_held = quiesce_lock(x.quiesce, 1000);
		pid_t pid;

		assert_true(is_held);
		pid = fork();
		if (pid == 0) {
			span_end(span_start(SPAN_CLIENT, NULL));
			_exit(0);
		}
		quiesce_unlock(x.quiesce);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		span_end(span_start(SPAN_SERVER, NULL));
	}
	atomic_store(&x.stop, 1);
	atomic_fetch_add(&st->wake, 1);
	while (pthread_tryjoin_np(t, NULL) != 0) {
		syscall(SYS_futex, &st->wake, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
		usleep(1000);
	}
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 2 * FORKS);
	assert_int_equal(server.connections, 1);
	assert_true(clock_monotonic_ns() - begin < 30000000000u);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_hostile_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(table_is_split),
		TEST(table_is_split_on_old_kernels),
		TEST(table_is_split_without_proc),
		TEST(shared_table_is_refused),
		TEST(exporter_is_refused),
		TEST(memory_may_end_anywhere),
		TEST(forks_lose_nothing),
	};
	char *envp[] = { NULL };

	config_load(envp);
	st = store_open();
	if (!st)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
