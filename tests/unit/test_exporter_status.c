/* SPDX-License-Identifier: Apache-2.0 */
/* What an exporter shows, asked as `interspan status` asks. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "counts.h"
#include "exporter_status.h"
#include "fate.h"
#include "process.h"
#include "rawsys.h"
#include "sleep.h"
#include "status.h"

static _Atomic uint32_t quiesce;
static struct exporter x = { .quiesce = &quiesce };
static struct config cfg;
static struct endpoint endpoint;

static int page_fd(void)
{
	char path[64], link[64];
	int found = -1;

	for (int fd = 3; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, "/memfd:interspan-status", 23) == 0)
			found = fd;
	}
	return found;
}

static struct status_page *begin(void)
{
	struct status_page *page;

	x.store = store_open();
	x.config = &cfg;
	cfg.traces_exporter = EXPORTER_OTLP;
	assert_non_null(x.store);
	status_open(&x);
	assert_true(page_fd() >= 0);
	page = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd(), 0);
	assert_true(page != MAP_FAILED);
	assert_int_equal(page->magic, STATUS_MAGIC);
	return page;
}

static void end(struct status_page *page)
{
	munmap(page, STATUS_BYTES);
	status_close();
	assert_int_equal(page_fd(), -1);
}

static const char *text_of(struct status_page *page)
{
	assert_true(page->len < sizeof(page->text));
	page->text[page->len] = '\0';
	return page->text;
}

static void test_status_tells_who_asks(void **state)
{
	struct status_page *page = begin();
	struct response r = { .status = 503, .text = "refused\nby the receiver" };
	char line[64];

	(void)state;
	status_answer();
	assert_int_equal(page->len, 0); /* nobody has asked */
	snprintf(endpoint.url, sizeof(endpoint.url),
		 "http://me:SECRET@one.example:4318/v1?key=SECRET");
	status_endpoint(&endpoint);
	status_result(true, &r);
	stats_add(STAT_SPANS_STARTED, 7);
	page->asked = 3;
	status_answer();
	assert_int_equal(page->answered, 3);
	assert_int_equal(page->version, 2);
	assert_null(strstr(text_of(page), "SECRET"));
	assert_non_null(strstr(text_of(page), " kind=otlp endpoint=http://one.example:4318/v1\n"));
	assert_non_null(strstr(text_of(page), " code=503 text=refused by the receiver\n"));
	snprintf(line, sizeof(line), "\nprocess pid=%d ", (int)getpid());
	assert_non_null(strstr(text_of(page), line));
	assert_non_null(strstr(text_of(page), " spans_started=7"));
	end(page);
}

/* Of processes that live by name, of those that have ended together. */
static void test_status_tells_of_the_tree(void **state)
{
	struct status_page *page = begin();
	struct counts *alive, *dead;
	char line[64];
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	alive = counts_of(x.store, 5);
	dead = counts_of(x.store, 6);
	alive->pid = (uint32_t)getppid();
	alive->now.first[STAT_SPANS_ENDED] = 11;
	dead->pid = (uint32_t)child;
	dead->now.count[STAT_SPANS_ENDED] = 22;
	x.store->counted = 7;
	page->asked = 1;
	status_answer();
	snprintf(line, sizeof(line), "\nprocess pid=%d spans_ended=11\n", (int)getppid());
	assert_non_null(strstr(text_of(page), line));
	assert_non_null(strstr(text_of(page), "\nprocess pid=0 spans_ended=22\n"));
	assert_int_equal(dead->pid, 0);
	x.store->counted = 100000; /* anybody's word */
	page->asked = 2;
	status_answer();
	assert_int_equal(page->answered, 2);
	x.store->counted = 7;
	alive->pid = 0;
	end(page);
}

/* Law 4: those of this process from where they are, those of others from their places. */
static void test_status_tells_what_was_made_of_descriptors(void **state)
{
	struct status_page *page = begin();
	struct counts *other = counts_of(x.store, 5);
	char line[64];

	(void)state;
	fate_set(3, FATE_HTTP1 | FATE_CLIENT);
	fate_set(1023, FATE_OPAQUE | FATE_UNEDITED);
	fate_set(1024, FATE_OPAQUE); /* beyond the table: nothing is kept */
	fate_set(-1, FATE_OPAQUE);
	other->pid = (uint32_t)getppid();
	other->fates[0] = 0xff;
	x.store->counted = 7;
	page->asked = 1;
	status_answer();
	snprintf(line, sizeof(line), "\nfates pid=%d at=3:42,1023:86,\n", (int)getpid());
	assert_non_null(strstr(text_of(page), line));
	snprintf(line, sizeof(line), "\nfates pid=%d at=0:ff,\n", (int)getppid());
	assert_non_null(strstr(text_of(page), line));
	fate_set(3, FATE_NONE);
	fate_set(1023, FATE_NONE);
	x.store->counted = 100000; /* anybody's word */
	page->asked = 2;
	status_answer();
	snprintf(line, sizeof(line), "\nfates pid=%d at=\n", (int)getpid());
	assert_non_null(strstr(text_of(page), line));
	other->fates[0] = 0;
	other->pid = 0;
	x.store->counted = 7;
	end(page);
}

static void *ask_it(void *arg)
{
	struct status_page *page = arg;

	while (!atomic_load(&x.store->asleep))
		;
	atomic_fetch_add(&page->asked, 1);
	raw_futex(&page->asked, FUTEX_WAKE, 1, NULL);
	return NULL;
}

/* A question ends a sleep that would have no end; on old kernels it is told before the sleep. */
static void test_status_question_wakes(void **state)
{
	struct status_page *page = begin();
	struct asked seen = asked_now(&x);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ask_it, page), 0);
	/* An old kernel has told before the first sleep, and is not woken: hence the end of it. */
	while (page->answered != 1 && page->len == 0)
		exporter_sleep(&x, clock_monotonic_ns() + 60000000000u, seen, 1);
	assert_true(page->len > 0);
	pthread_join(thread, NULL);
	end(page);
}

static void test_status_is_told_before_a_sleep_if_nobody_can_ask(void **state)
{
	struct status_page *page = begin();
	uint32_t version;

	(void)state;
	status_sleeps(true);
	assert_int_equal(page->len, 0);
	status_no_questions();
	assert_false(status_wait(&page->asked, 0, SLEEP_FOR_EVER));
	status_sleeps(true);
	version = page->version;
	assert_true(page->len > 0);
	status_sleeps(false); /* told a moment ago */
	assert_int_equal(page->version, version);
	status_sleeps(true);
	assert_int_equal(page->version, version + 2);
	end(page);
}

/* Nobody can take the memory away below the exporter. */
static void test_status_size_is_sealed(void **state)
{
	struct status_page *page = begin();

	(void)state;
	assert_int_equal(ftruncate(page_fd(), 0), -1);
	assert_int_equal(ftruncate(page_fd(), 2 * STATUS_BYTES), -1);
	end(page);
}

/* Law 1: some filters kill, and none has thought of memfd_create(). */
static void test_status_is_not_there_under_a_filter(void **state)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
			_exit(2);
		status_open(&x);
		_exit(page_fd() == -1 && !status_wait(&quiesce, 0, SLEEP_FOR_EVER) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_tells_who_asks),
		cmocka_unit_test(test_status_tells_of_the_tree),
		cmocka_unit_test(test_status_tells_what_was_made_of_descriptors),
		cmocka_unit_test(test_status_question_wakes),
		cmocka_unit_test(test_status_is_told_before_a_sleep_if_nobody_can_ask),
		cmocka_unit_test(test_status_size_is_sealed),
		cmocka_unit_test(test_status_is_not_there_under_a_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
