/* SPDX-License-Identifier: Apache-2.0 */
/* The whole exporter: real spans in a real store, a thread, a receiver. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "exporter.h"
#include "otlp_trace.pb-c.h"
#include "process.h"
#include "stats.h"
#include "test_exporter_server.h"

#define MS 1000000u
#define BATCH 8

static struct server server;
static struct store *st;
static struct config cfg;
static _Atomic uint32_t quiesce;
static struct exporter x = { .quiesce = &quiesce };
static char url[64];
static pthread_t thread;
static _Atomic enum exporter_end ended;
static _Atomic bool is_running;
static _Atomic int thread_id;

/* Forking with threads is what is tested; the flavour that looks for races is to go on. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

void exporter_log(struct bytes message)
{
	(void)message;
}

static _Atomic bool tells_alone;
static bool fake_alone(void)
{
	return tells_alone;
}

static void *run(void *unused)
{
	(void)unused;
	atomic_store(&thread_id, (int)syscall(SYS_gettid));
	atomic_store(&ended, exporter_run(&x));
	atomic_store(&is_running, false);
	return NULL;
}

static void launch(void)
{
	sigset_t all;
	sigset_t before;

	atomic_store(&x.stop, 0);
	atomic_store(&x.deadline_ns, 0);
	atomic_store(&x.main_gone, false);
	atomic_store(&is_running, true);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void wake(void)
{
	atomic_fetch_add(&st->wake, 1);
	syscall(SYS_futex, &st->wake, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static enum exporter_end stop(void)
{
	atomic_store(&x.stop, 1);
	wake();
	pthread_join(thread, NULL);
	return atomic_load(&ended);
}

static bool eventually(bool (*holds)(void), unsigned int ms)
{
	for (unsigned int i = 0; i < ms && !holds(); i++)
		usleep(1000);
	return holds();
}

static bool is_owned(void)
{
	return store_has_owner(st);
}

static bool is_asleep(void)
{
	return atomic_load(&st->asleep);
}

static bool is_requested(void)
{
	return server.requests > 0;
}

static bool has_stopped(void)
{
	return !atomic_load(&is_running);
}

static void spans(int n)
{
	for (int i = 0; i < n; i++) {
		struct span *s = span_start(SPAN_CLIENT, NULL);

		assert_non_null(s);
		span_set_name(s, BYTES("GET"));
		span_set_int(s, ATTR_SERVER_PORT, i);
		span_end(s);
	}
}

static int setup(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	server_start(&server, script);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	cfg.service_name = BYTES("shop");
	cfg.traces_exporter = EXPORTER_OTLP;
	cfg.otlp_traces_timeout_ms = 5000;
	cfg.bsp_schedule_delay_ms = 60000;
	cfg.bsp_batch_size = BATCH;
	cfg.bsp_queue_size = 2048;
	st->batch = BATCH;
	memset(&x, 0, sizeof(x));
	x.quiesce = &quiesce;
	atomic_store(&quiesce, 0);
	x.store = st;
	x.config = &cfg;
	tells_alone = false;
	stats_reset();
	return 0;
}

static int teardown(void **state)
{
	uint32_t index[64];
	size_t n;

	(void)state;
	server_stop(&server);
	while ((n = store_collect(st, index, 64)))
		while (n)
			slot_free(st, store_slot(st, index[--n]));
	return 0;
}

static void launch_idle(void)
{
	launch();
	assert_true(eventually(is_owned, 2000));
	assert_true(eventually(is_asleep, 2000));
}

/* Of the last request, when no other is under way. */
static size_t spans_received(void)
{
	/* Also orders what the server's thread has written before. */
	int requests = server.requests;
	Otlp__ExportTraceServiceRequest *q = otlp__export_trace_service_request__unpack(
		NULL, server.body_len, (const uint8_t *)server.body);
	size_t n = 0;

	assert_true(requests > 0);
	assert_non_null(q);
	for (size_t i = 0; i < q->n_resource_spans; i++)
		n += q->resource_spans[i]->scope_spans[0]->n_spans;
	otlp__export_trace_service_request__free_unpacked(q, NULL);
	return n;
}

/* A busy machine makes all of them longer, and none shorter. */
static uint64_t least_of_some(uint64_t (*took_ms)(void), uint64_t most_ms)
{
	uint64_t least = UINT64_MAX;

	for (int tries = 0; tries < 5 && least > most_ms; tries++) {
		uint64_t ms = took_ms();

		least = ms < least ? ms : least;
	}
	return least;
}

static int requests_before;

static bool is_requested_again(void)
{
	return server.requests > requests_before;
}

static uint64_t ms_until_a_request(void)
{
	uint64_t begin = clock_monotonic_ns();

	requests_before = server.requests;
	spans(3);
	assert_true(eventually(is_requested_again, 2000));
	return (clock_monotonic_ns() - begin) / MS;
}

/* E64 */
static void test_worker_sends_after_the_delay(void **state)
{
	(void)state;
	cfg.bsp_schedule_delay_ms = 200;
	launch_idle();
	assert_in_range(least_of_some(ms_until_a_request, 400), 190, 400);
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_int_equal(spans_received(), 3);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 3 * server.requests);
	assert_int_equal(stats_read(STAT_EXPORTS), server.requests);
}

/* E67: and never more than a batch in one request. */
static void test_worker_sends_full_batches_at_once(void **state)
{
	(void)state;
	launch_idle();
	spans(BATCH);
	assert_true(eventually(is_requested, 500));
	spans(2 * BATCH + 1);
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_in_range(spans_received(), 1, BATCH);
	assert_in_range(server.requests, 4, 5);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 3 * BATCH + 1);
	assert_int_equal(server.connections, 1);
}

static bool has_exported_a_batch(void)
{
	return stats_read(STAT_SPANS_EXPORTED) == BATCH;
}

static bool has_exported_two(void)
{
	return stats_read(STAT_SPANS_EXPORTED) == 2 * BATCH;
}

/* E64, E67: what is more than a batch is not worth a request before its time. */
static void test_worker_keeps_what_is_no_batch(void **state)
{
	(void)state;
	spans(BATCH + 3);
	launch_idle();
	assert_true(eventually(has_exported_a_batch, 2000));
	assert_true(eventually(is_asleep, 2000));
	assert_int_equal(atomic_load(&st->done), 3);
	assert_int_equal(server.requests, 1);
	spans(BATCH - 3);
	assert_true(eventually(has_exported_two, 2000));
	assert_int_equal(server.requests, 2);
	assert_int_equal(spans_received(), BATCH);
	stop();
	assert_int_equal(server.requests, 2);
}

static bool has_exported_the_rest(void)
{
	return stats_read(STAT_SPANS_EXPORTED) % BATCH == 3;
}

/*
 * E64: batches that come one after the other do not put that off.  The thread goes on when each is
 * whole: in the middle of one it might find that nothing else waits.
 */
static void test_worker_sends_what_is_no_batch_in_time(void **state)
{
	(void)state;
	cfg.bsp_schedule_delay_ms = 100;
	launch_idle();
	spans(3);
	for (int i = 0; i < 1000 && !has_exported_the_rest(); i++) {
		assert_true(quiesce_lock(x.quiesce, 5000));
		spans(BATCH);
		quiesce_unlock(x.quiesce);
		usleep(5000);
	}
	assert_true(has_exported_the_rest());
	stop();
}

static _Atomic uint64_t looks;
static bool count_looks(void)
{
	atomic_fetch_add(&looks, 1);
	return false;
}

/* To look costs as much as to encode a hundred spans. */
static void test_worker_does_not_look_for_the_host_at_each_batch(void **state)
{
	uint64_t begin = clock_monotonic_ns();

	(void)state;
	x.is_alone = count_looks;
	atomic_store(&looks, 0);
	launch_idle();
	spans(3);
	for (int i = 0; i < 40; i++) {
		spans(BATCH);
		assert_true(eventually(is_asleep, 2000));
		usleep(1000);
	}
	assert_in_range(atomic_load(&looks), 1, 3 + (clock_monotonic_ns() - begin) / (50 * MS));
	stop();
}

static uint32_t flush(unsigned int ms)
{
	uint32_t mine = atomic_fetch_add(&st->flush_asked, 1) + 1;

	wake();
	for (unsigned int i = 0; i < ms && atomic_load(&st->flushed) != mine; i++)
		usleep(1000);
	return atomic_load(&st->flushed) == mine;
}

static void test_worker_answers_a_flush_when_all_is_sent(void **state)
{
	(void)state;
	launch_idle();
	assert_true(flush(1000));
	assert_int_equal(server.requests, 0); /* O9 */
	spans(5);
	assert_true(flush(1000));
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 5);
	assert_int_equal(server.requests, 1);
	stop();
}

static void test_worker_flush_without_receiver_is_quick(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };
	uint64_t begin;

	(void)state;
	server_stop(&server);
	launch_idle();
	spans(3 * BATCH);
	begin = clock_monotonic_ns();
	assert_true(flush(2000));
	assert_true((clock_monotonic_ns() - begin) / MS < 500);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 3 * BATCH);
	stop();
	server_start(&server, script);
}

static uint64_t switches(void)
{
	char path[64];
	char text[4096];
	char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", atomic_load(&thread_id));
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	assert_non_null(at);
	return strtoull(at + 25, NULL, 10);
}

/*
 * Design 7: nothing wakes an idle process, also not after an export but to look for the host once.
 */
static void test_worker_never_wakes_when_idle(void **state)
{
	uint64_t before;

	(void)state;
	cfg.bsp_schedule_delay_ms = 10;
	launch_idle();
	spans(1);
	assert_true(eventually(is_requested, 1000));
	usleep(500000); /* it looks within 50 ms */
	before = switches();
	usleep(400000);
	assert_int_equal(switches(), before);
	stop();
}

/* Q is free while it sleeps: fork() need not wait. */
static void test_worker_sleeps_without_q(void **state)
{
	(void)state;
	launch_idle();
	usleep(20000);
	assert_true(quiesce_lock(x.quiesce, 0));
	quiesce_unlock(x.quiesce);
	stop();
	assert_int_equal(*x.quiesce, 0);
}

static void test_worker_leaves_no_owner(void **state)
{
	(void)state;
	launch_idle();
	assert_int_equal(atomic_load(&st->owner), (uint32_t)atomic_load(&thread_id));
	spans(3);
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_int_equal(atomic_load(&st->owner), 0);
	assert_int_equal(atomic_load(&st->done), 0);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 3);
}

/* Another process, say, that relied on us while we delivered what the last one had. */
static void one_more(void)
{
	if (server.requests < 5)
		spans(1);
}

static void test_worker_leaves_when_nobody_relies_on_it(void **state)
{
	(void)state;
	server.asked = one_more;
	cfg.shutdown_timeout_ms = 5000;
	launch_idle();
	spans(1);
	assert_int_equal(stop(), EXPORTER_ASKED);
	server.asked = NULL;
	assert_int_equal(server.requests, 5);
	assert_int_equal(atomic_load(&st->owner), 0);
	assert_int_equal(atomic_load(&st->done), 0);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 5);
}

/* But not for ever. */
static void one_more_always(void)
{
	spans(1);
	usleep(10000);
}

static void test_worker_leaves_in_time(void **state)
{
	uint64_t begin;

	(void)state;
	server.asked = one_more_always;
	cfg.shutdown_timeout_ms = 200;
	launch_idle();
	spans(1);
	begin = clock_monotonic_ns();
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_true(clock_monotonic_ns() - begin >= 200u * MS);
	server.asked = NULL;
	assert_int_equal(atomic_load(&st->owner), 0);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), server.requests);
}

static void test_worker_counts_what_went_with_the_last_owner(void **state)
{
	(void)state;
	atomic_store(&st->owner, 1 | STORE_OWNER_DIED);
	atomic_store(&st->in_hand, 5);
	launch_idle();
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 5);
	spans(3);
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 3);
	assert_int_equal(atomic_load(&st->in_hand), 0);
}

/* O29 */
static uint64_t ms_of_a_stop_that_is_late(void)
{
	uint64_t begin;

	stats_reset();
	launch_idle();
	spans(BATCH - 1);
	begin = clock_monotonic_ns();
	atomic_store(&x.deadline_ns, begin + 200u * MS);
	stop();
	assert_int_equal(stats_read(STAT_SPANS_LATE), BATCH - 1);
	return (clock_monotonic_ns() - begin) / MS;
}

static void test_worker_stop_keeps_its_deadline(void **state)
{
	static const char *const silent[] = { SERVER_SILENCE, NULL };
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	server_stop(&server);
	server_start(&server, silent);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	assert_in_range(least_of_some(ms_of_a_stop_that_is_late, 350), 200, 350);
	server_stop(&server);
	server_start(&server, script);
}

static void test_worker_leaves_when_alone(void **state)
{
	(void)state;
	x.is_alone = fake_alone;
	launch_idle();
	spans(2);
	tells_alone = true;
	wake();
	assert_true(eventually(has_stopped, 2000));
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&ended), EXPORTER_ALONE);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 2);
	assert_int_equal(atomic_load(&st->owner), 0);
}

static void test_worker_leaves_when_main_has_gone(void **state)
{
	(void)state;
	launch_idle();
	spans(2);
	atomic_store(&x.main_gone, true);
	wake();
	assert_true(eventually(has_stopped, 2000));
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&ended), EXPORTER_ALONE);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 2);
}

/* H5: its descriptors are not the host's, and the host's are not its. */
static void test_worker_has_descriptors_of_its_own(void **state)
{
	char path[64];
	char target[256];
	struct dirent *entry;
	DIR *dir;
	int sockets = 0;
	int host_pipe[2];

	(void)state;
	assert_int_equal(pipe(host_pipe), 0);
	launch_idle();
	spans(BATCH);
	assert_true(eventually(is_requested, 1000));
	usleep(50000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/fd", atomic_load(&thread_id));
	dir = opendir(path);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		assert_null(strstr(target, "pipe:"));
		sockets += strncmp(target, "socket:", 7) == 0;
		if (atoi(entry->d_name) <= 2)
			assert_string_equal(target, "/dev/null");
	}
	closedir(dir);
	assert_int_equal(sockets, 1);
	/* The writer's end is the only one there is: the reader sees the end of file. */
	close(host_pipe[1]);
	assert_int_equal(read(host_pipe[0], target, 1), 0);
	close(host_pipe[0]);
	stop();
}

static void test_worker_none_forgets(void **state)
{
	(void)state;
	cfg.traces_exporter = EXPORTER_NONE;
	launch_idle();
	spans(20);
	assert_true(flush(1000));
	stop();
	assert_int_equal(server.requests, 0);
	assert_int_equal(atomic_load(&st->done), 0);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 0);
}

/* https is not there yet: refused, counted, and the thread goes on. */
static void test_worker_https_drops(void **state)
{
	(void)state;
	cfg.otlp_endpoint = BYTES("https://127.0.0.1:4318");
	launch_idle();
	spans(20);
	assert_true(flush(1000));
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 20);
}

/* E118: on the standard error of the host, at once. */
static void test_worker_console_writes_to_stderr(void **state)
{
	char got[1024];
	int saved = dup(2);
	int fd[2];
	ssize_t n;

	(void)state;
	cfg.traces_exporter = EXPORTER_CONSOLE;
	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], 2);
	launch_idle();
	dup2(saved, 2);
	close(saved);
	spans(1);
	n = read(fd[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_memory_equal(got, "interspan pid=", 14);
	assert_non_null(strstr(got, "CLIENT \"GET\""));
	stop();
	close(fd[0]);
	close(fd[1]);
}

/* --- several processes --- */

static void child_waits(pid_t *ret_pid)
{
	*ret_pid = fork();
	if (*ret_pid == 0) {
		process_forked(); /* counts for itself */
		launch();
		for (;;)
			pause();
	}
	assert_true(eventually(is_owned, 3000));
}

/* H7: the kernel tells, whatever the owner died of, and the next one delivers. */
static void test_worker_owner_killed_is_known(void **state)
{
	uint32_t owner;
	pid_t pid;
	int status;

	(void)state;
	child_waits(&pid);
	spans(3);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	owner = atomic_load(&st->owner);
	assert_true(owner & STORE_OWNER_DIED);
	assert_false(store_has_owner(st));
	launch_idle();
	assert_int_equal(stop(), EXPORTER_ASKED);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 3);
}

static void test_worker_second_owner_stands_back(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	child_waits(&pid);
	launch();
	assert_true(eventually(has_stopped, 2000));
	pthread_join(thread, NULL);
	assert_true(store_has_owner(st));
	spans(BATCH);
	assert_true(eventually(is_requested, 2000)); /* by the child */
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static bool is_orphaned(void)
{
	return !store_has_owner(st);
}

/* In the grandchild, which has a copy of all that the dead owner had, but not its sockets. */
static void take_over(int report)
{
	uint64_t exported;

	atomic_store(x.quiesce, 0);
	if (!eventually(is_orphaned, 3000))
		_exit(1);
	stats_reset();
	launch();
	eventually(is_owned, 3000);
	spans(3);
	stop();
	exported = stats_read(STAT_SPANS_EXPORTED);
	_exit(write(report, &exported, sizeof(exported)) < 0);
}

static void test_worker_starts_again_in_a_child(void **state)
{
	uint64_t exported = 0;
	int report[2];
	pid_t pid;
	int status;

	(void)state;
/* ASan of gcc 12 forks with its allocator's lock as it is: a child that allocates may hang. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	skip(); /* it gives up when a child's thread has the id of one that was not inherited */
#endif
	assert_int_equal(pipe(report), 0);
	pid = fork();
	if (pid == 0) {
		launch_idle();
		stats_reset();
		spans(BATCH);
		if (!eventually(has_exported_a_batch, 2000) || !quiesce_lock(x.quiesce, 1000))
			_exit(1);
		if (fork() == 0)
			take_over(report[1]);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	close(report[1]);
	assert_int_equal(read(report[0], &exported, sizeof(exported)), sizeof(exported));
	assert_int_equal(exported, 3);
	close(report[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_worker_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sends_after_the_delay),
		TEST(sends_full_batches_at_once),
		TEST(keeps_what_is_no_batch),
		TEST(sends_what_is_no_batch_in_time),
		TEST(does_not_look_for_the_host_at_each_batch),
		TEST(answers_a_flush_when_all_is_sent),
		TEST(flush_without_receiver_is_quick),
		TEST(never_wakes_when_idle),
		TEST(sleeps_without_q),
		TEST(leaves_no_owner),
		TEST(leaves_when_nobody_relies_on_it),
		TEST(leaves_in_time),
		TEST(counts_what_went_with_the_last_owner),
		TEST(stop_keeps_its_deadline),
		TEST(leaves_when_alone),
		TEST(leaves_when_main_has_gone),
		TEST(has_descriptors_of_its_own),
		TEST(none_forgets),
		TEST(https_drops),
		TEST(console_writes_to_stderr),
		TEST(owner_killed_is_known),
		TEST(second_owner_stands_back),
		TEST(starts_again_in_a_child),
	};
	char *envp[] = { NULL };

	config_load(envp);
	st = store_open();
	if (!st)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
