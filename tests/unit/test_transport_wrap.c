/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl and c-ares get in place of libc: rawsys.c and rawfile.c, called by their own names.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "quiesce.h"
#include "wrap.h"

static char path[] = "/tmp/interspan-test-XXXXXX";

static void file_with(const char *text, size_t len)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void test_wrap_reads_lines_as_stdio_does(void **state)
{
	static char text[9000];
	char line[6000];
	FILE *f;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "one\n\ntwo", 8);
	text[5000] = '\n'; /* over the border of the buffer */
	file_with(text, sizeof(text));
	f = __wrap_fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(__wrap_setvbuf(f, NULL, _IONBF, 0), 0);
	assert_string_equal(__wrap_fgets(line, sizeof(line), f), "one\n");
	assert_string_equal(__wrap_fgets(line, sizeof(line), f), "\n");
	assert_string_equal(__wrap_fgets(line, 3, f), "tw");
	assert_non_null(__wrap_fgets(line, sizeof(line), f));
	assert_int_equal(strlen(line), 5000 - 7 + 1);
	assert_non_null(__wrap_fgets(line, sizeof(line), f));
	assert_int_equal(strlen(line), 9000 - 5001); /* the last has no line feed */
	assert_null(__wrap_fgets(line, sizeof(line), f));
	assert_false(__wrap_ferror(f));
	assert_int_equal(__wrap_fclose(f), 0);
	unlink(path);
}

static void test_wrap_reads_blocks(void **state)
{
	char got[16] = "";
	size_t in_use = pool_in_use();
	FILE *f;

	(void)state;
	file_with("0123456789", 10);
	f = __wrap_fopen(path, "rb");
	assert_int_equal(__wrap_fread(got, 1, 4, f), 4);
	assert_int_equal(__wrap_fread(got + 4, 2, 10, f), 3);
	assert_string_equal(got, "0123456789");
	assert_int_equal(__wrap_fread(got, 1, 1, f), 0);
	__wrap_fclose(f);
	assert_int_equal(pool_in_use(), in_use);
	unlink(path);
}

static void test_wrap_tells_errors(void **state)
{
	FILE *f;
	char line[8];

	(void)state;
	errno = 0;
	assert_null(__wrap_fopen("/nonexistent/x", "r"));
	assert_int_equal(errno, ENOENT);
	f = __wrap_fopen("/", "r");
	assert_non_null(f);
	assert_null(__wrap_fgets(line, sizeof(line), f));
	assert_true(__wrap_ferror(f));
	__wrap_fclose(f);
	errno = 0;
	assert_int_equal(__wrap_close(-1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(__wrap_fcntl(-1, F_GETFD), -1);
}

/* The host's environment, and its sequence of random numbers, are not touched. */
static void test_wrap_leaves_the_host_alone(void **state)
{
	int first;
	int second;

	(void)state;
	setenv("http_proxy", "http://proxy", 1);
	assert_null(__wrap_getenv("http_proxy"));
	srand(1);
	first = rand();
	srand(1);
	__wrap_rand();
	second = rand();
	assert_int_equal(first, second);
	assert_null(__wrap_stdin);
	assert_null(__wrap_stdout);
	assert_null(__wrap_stderr);
	assert_int_equal(__wrap_fwrite("x", 1, 1, stderr), 0);
	assert_int_equal(__wrap_fputc('x', stderr), EOF);
	assert_int_equal(__wrap_fseek(stdin, 0, SEEK_SET), -1);
}

static void test_wrap_takes_no_memory_of_the_host(void **state)
{
	size_t before = pool_in_use();
	unsigned char *zeros;
	char *copy;
	void *some;

	(void)state;
	copy = __wrap_strdup("abc");
	zeros = __wrap_calloc(10, 10);
	some = __wrap_realloc(__wrap_malloc(100), 1000);
	assert_non_null(zeros);
	assert_string_equal(copy, "abc");
	assert_non_null(some);
	assert_int_equal(zeros[0] | zeros[99], 0);
	/* 3 bytes and NUL, 100, 1000, each with 16 of a header, as powers of two from 32. */
	assert_int_equal(pool_in_use() - before, 32 + 128 + 1024);
	__wrap_free(copy);
	__wrap_free(zeros);
	__wrap_free(some);
	assert_int_equal(pool_in_use(), before);
}

static void test_wrap_sockets_talk(void **state)
{
	struct iovec parts[] = { { (void *)(uintptr_t) "ab", 2 }, { (void *)(uintptr_t) "c", 1 } };
	char got[8];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(__wrap_send(pair[0], "xy", 2, 0), 2);
	assert_int_equal(__wrap_recv(pair[1], got, sizeof(got), 0), 2);
	assert_memory_equal(got, "xy", 2);
	assert_int_equal(__wrap_writev(pair[0], parts, 2), 3);
	assert_int_equal(__wrap_recvfrom(pair[1], got, sizeof(got), 0, NULL, NULL), 3);
	assert_memory_equal(got, "abc", 3);
	/* No SIGPIPE, which would kill the test. */
	assert_int_equal(__wrap_close(pair[1]), 0);
	assert_int_equal(__wrap_send(pair[0], "x", 1, 0), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(__wrap_writev(pair[0], parts, 2), -1);
	close(pair[0]);
	pair[0] = __wrap_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(__wrap_fcntl(pair[0], F_GETFD), FD_CLOEXEC);
	close(pair[0]);
}

/* As libcurl connects: without waiting, then asks what came of it; c-ares binds. */
static void test_wrap_sockets_connect(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, got;
	socklen_t len = sizeof(to);
	int yes = 1, error = -1;
	int listener = __wrap_socket(AF_INET, SOCK_STREAM, 0);
	int fd = __wrap_socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(__wrap_bind(listener, (struct sockaddr *)&to, len), 0);
	assert_int_equal(__wrap_getsockname(listener, (struct sockaddr *)&to, &len), 0);
	assert_int_not_equal(to.sin_port, 0);
	assert_int_equal(__wrap_connect(fd, (struct sockaddr *)&to, len), -1);
	assert_int_equal(errno, ECONNREFUSED); /* bound, and nobody listens */
	close(fd);
	assert_int_equal(listen(listener, 1), 0);
	fd = __wrap_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(__wrap_connect(fd, (struct sockaddr *)&to, len), 0);
	len = sizeof(got);
	assert_int_equal(__wrap_getpeername(fd, (struct sockaddr *)&got, &len), 0);
	assert_int_equal(got.sin_port, to.sin_port);
	assert_int_equal(__wrap_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
	yes = 0;
	len = sizeof(yes);
	assert_int_equal(__wrap_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, &len), 0);
	assert_true(yes);
	len = sizeof(error);
	assert_int_equal(__wrap_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	assert_int_equal(__wrap_close(fd), 0);
	assert_int_equal(__wrap_close(fd), -1);
	assert_int_equal(errno, EBADF);
	__wrap_close(listener);
}

static _Atomic uint32_t q;
static int wait_pipe[2];

static void *fork_hook(void *unused)
{
	bool was_free = quiesce_lock(&q, 5000);

	(void)unused;
	if (was_free) {
		if (write(wait_pipe[1], "x", 1) != 1)
			was_free = false;
		quiesce_unlock(&q);
	}
	return (void *)(uintptr_t)was_free;
}

/* H6: a fork passes while libcurl waits, and only then. */
static void test_wrap_poll_lets_a_fork_pass(void **state)
{
	struct pollfd p = { .events = POLLIN };
	pthread_t t;
	void *was_free;

	(void)state;
	assert_int_equal(pipe(wait_pipe), 0);
	p.fd = wait_pipe[0];
	quiesce_begin(&q);
	assert_int_equal(__wrap_poll(&p, 1, 0), 0);
	assert_int_equal(pthread_create(&t, NULL, fork_hook, NULL), 0);
	/* Only who has Q writes: if the wait kept it, nothing would ever come. */
	assert_int_equal(__wrap_poll(&p, 1, 4000), 1);
	assert_false(quiesce_lock(&q, 0));
	quiesce_end();
	pthread_join(t, &was_free);
	assert_non_null(was_free);
	close(wait_pipe[0]);
	close(wait_pipe[1]);
}

static int by_first(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

static void test_wrap_sorts(void **state)
{
	char items[16][5]; /* no power of two, so that an item in pieces would be seen */
	unsigned seed = 1;

	(void)state;
	for (size_t n = 0; n <= 16; n++)
		for (int round = 0; round < 50; round++) {
			for (size_t i = 0; i < n; i++) {
				seed = seed * 1103515245 + 12345;
				memset(items[i], (int)(seed >> 16 & 15), sizeof(items[i]));
			}
			__wrap_qsort(items, n, sizeof(items[0]), by_first);
			for (size_t i = 0; i < n; i++) {
				assert_true(i == 0 || items[i - 1][0] <= items[i][0]);
				for (size_t k = 1; k < sizeof(items[0]); k++)
					assert_int_equal(items[i][k], items[i][0]);
			}
		}
	__wrap_qsort(memcpy(items, "EAAAADBBBBCCCCCBDDDDAEEEE", 25), 5, 5, by_first);
	assert_memory_equal(items, "AEEEEBDDDDCCCCCDBBBBEAAAA", 25);
}

static void test_wrap_tells_errors_in_words(void **state)
{
	char buf[24];

	(void)state;
	assert_int_equal(__wrap___xpg_strerror_r(ECONNREFUSED, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "Connection refused");
	assert_int_equal(__wrap___xpg_strerror_r(EXDEV, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "error 18");
	assert_int_equal(__wrap___xpg_strerror_r(EADDRNOTAVAIL, buf, 7), ERANGE);
	assert_string_equal(buf, "Cannot");
	assert_int_equal(__wrap___xpg_strerror_r(EPIPE, buf, 0), ERANGE);
}

static void test_wrap_knows_no_names_of_services(void **state)
{
	struct ifaddrs *list = (struct ifaddrs *)1;

	(void)state;
	assert_null(__wrap_getservbyname("http", "tcp"));
	assert_int_equal(__wrap_getifaddrs(&list), -1);
	assert_int_equal(errno, ENOSYS);
	assert_null(list);
	__wrap_freeifaddrs(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap_reads_lines_as_stdio_does),
		cmocka_unit_test(test_wrap_reads_blocks),
		cmocka_unit_test(test_wrap_tells_errors),
		cmocka_unit_test(test_wrap_leaves_the_host_alone),
		cmocka_unit_test(test_wrap_takes_no_memory_of_the_host),
		cmocka_unit_test(test_wrap_sockets_talk),
		cmocka_unit_test(test_wrap_sockets_connect),
		cmocka_unit_test(test_wrap_poll_lets_a_fork_pass),
		cmocka_unit_test(test_wrap_sorts),
		cmocka_unit_test(test_wrap_tells_errors_in_words),
		cmocka_unit_test(test_wrap_knows_no_names_of_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
