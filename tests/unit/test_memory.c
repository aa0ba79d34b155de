/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel would refuse with EFAULT is not read; the kernel itself is the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

#define PAGE 4096u

static char *pages(size_t n, int prot)
{
	char *p = mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void test_memory_that_is_there(void **state)
{
	static char data[3 * PAGE];
	char local[64] = { 0 };
	char *heap = malloc(100), *p = pages(3, PROT_READ);

	(void)state;
	assert_true(memory_is_readable(local, sizeof(local)));
	assert_true(memory_is_readable(data, sizeof(data)));
	assert_true(memory_is_readable("literal", 8));
	for (int again = 0; again < 3; again++)
		assert_true(memory_is_readable(heap, 100));
	assert_true(memory_is_readable(p, 3 * PAGE));
	assert_true(memory_is_readable(p + 3 * PAGE - 1, 1));
	munmap(p, 3 * PAGE);
	free(heap);
}

static void test_memory_that_is_writable(void **state)
{
	char *p = pages(2, PROT_READ | PROT_WRITE), local[8] = "as then";
	sigset_t none, now;

	(void)state;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	strcpy(p, "it stays");
	assert_true(memory_is_writable(p));
	assert_string_equal(p, "it stays");
	assert_true(memory_is_writable(p + PAGE - 4)); /* over the border */
	assert_true(memory_is_writable(local));
	assert_string_equal(local, "as then");
	mprotect(p + PAGE, PAGE, PROT_READ);
	assert_true(memory_is_writable(p + PAGE - 8));
	assert_false(memory_is_writable(p + PAGE - 4));
	assert_false(memory_is_writable(p + PAGE));
	assert_int_equal(p[PAGE - 4], 0);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigisemptyset(&now), 1);
	munmap(p, 2 * PAGE);
}

static void test_memory_that_is_nowhere(void **state)
{
	static const uintptr_t bad[] = { 0,
					 1,
					 8,
					 16,
					 4095,
					 UINTPTR_MAX,
					 UINTPTR_MAX - 7,
					 (uintptr_t)1 << 63,
					 (uintptr_t)0xdeadbeefdeadbeef };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(memory_is_readable((const void *)bad[i], 1));
		assert_true(memory_is_readable((const void *)bad[i], 0));
	}
	/* Around the end of all addresses. */
	assert_false(memory_is_readable("x", SIZE_MAX));
}

static void test_memory_with_a_hole(void **state)
{
	char *p = pages(3, PROT_READ | PROT_WRITE);

	(void)state;
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
	assert_true(memory_is_readable(p, PAGE));
	assert_false(memory_is_readable(p, PAGE + 1));
	assert_false(memory_is_readable(p + PAGE - 1, 2));
	assert_false(memory_is_readable(p + PAGE, 1));
	assert_false(memory_is_readable(p, 3 * PAGE));
	assert_true(memory_is_readable(p + 2 * PAGE, PAGE));
	assert_int_equal(munmap(p + PAGE, PAGE), 0);
	assert_false(memory_is_readable(p, 3 * PAGE));
	munmap(p, PAGE);
	munmap(p + 2 * PAGE, PAGE);
}

/* A read of these is SIGBUS, a write() of them EFAULT. */
static void test_memory_behind_the_end_of_a_file(void **state)
{
	char path[] = "/tmp/interspan-memory-XXXXXX";
	int fd = mkstemp(path);
	char *p;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, 10), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(memory_is_readable(p, 10));
	assert_false(memory_is_readable(p, PAGE + 1));
	munmap(p, 2 * PAGE);
	close(fd);
}

/* The heap ends where it ends, and what lies below it is not in it. */
static void test_memory_around_the_heap(void **state)
{
	char *old = sbrk(8 * PAGE), *end;

	(void)state;
	if (old == (void *)-1)
		skip();
	assert_true(memory_is_readable(old, 8 * PAGE));
	end = sbrk(0);
	assert_true(memory_is_readable(end - 1, 1));
	assert_false(memory_is_readable(end - 1, 1 + PAGE));
	if (sbrk(-8 * (intptr_t)PAGE) == end)
		assert_false(memory_is_readable(old, 8 * PAGE));
}

static void *on_another_stack(void *arg)
{
	char local[64] = { 0 };

	*(bool *)arg = memory_is_readable(local, sizeof(local)) &&
		       !memory_is_readable((const void *)16, 1);
	return NULL;
}

static void test_memory_of_a_thread(void **state)
{
	pthread_t thread;
	bool ok = false;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, on_another_stack, &ok), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(ok);
}

static void test_memory_leaves_all_as_it_was(void **state)
{
	sigset_t before, after;

	(void)state;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = 77;
	memory_is_readable("literal", 8);
	memory_is_readable((const void *)16, 8);
	assert_int_equal(errno, 77);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int s = 1; s < 32; s++)
		assert_int_equal(sigismember(&after, s), s == SIGUSR1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_that_is_there),
		cmocka_unit_test(test_memory_that_is_writable),
		cmocka_unit_test(test_memory_that_is_nowhere),
		cmocka_unit_test(test_memory_with_a_hole),
		cmocka_unit_test(test_memory_behind_the_end_of_a_file),
		cmocka_unit_test(test_memory_around_the_heap),
		cmocka_unit_test(test_memory_of_a_thread),
		cmocka_unit_test(test_memory_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
