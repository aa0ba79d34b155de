/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawner PORT BACKEND MODE: a thread for each connection; what calls the back end for a request is
 * another thread: one that is started for it (MODE thread ...), or a worker that is started by
 * whoever has a job while there are few, takes the job that came last, whosever it is, and leaves
 * after a few (MODE pool-...).  Compiled as C and as C++, which has threads of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#ifdef __cplusplus
#include <future>
#include <thread>
#endif

#define WORKERS 6
#define JOBS_OF_A_WORKER 5

struct job {
	char id[64];
	int status;
	volatile int is_done;
	struct job *below;
};

static int backend;
static const char *mode;

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

/* --- HTTP --- */

static int connection_to(int port, int is_server)
{
	struct sockaddr_in at;
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons((unsigned short)port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (is_server) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 256) != 0)
			die("listen");
	} else if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		die("connect");
	}
	return fd;
}

/*
 * A whole message with a length, its body put behind the head; returns the body, NULL at the end.
 */
static char *message(int fd, char *buf, size_t room)
{
	size_t have = 0;

	for (;;) {
		ssize_t n = read(fd, buf + have, room - 1 - have);
		char *body, *length;

		if (n <= 0)
			return NULL;
		have += (size_t)n;
		buf[have] = 0;
		body = strstr(buf, "\r\n\r\n");
		length = strcasestr(buf, "content-length: ");
		if (body && length && strlen(body + 4) >= (size_t)atoi(length + 16))
			return body + 4;
	}
}

/* beside: as libraries do it, waits for the answer and for a descriptor that nobody writes to. */
static void call_beside(struct job *job, int beside)
{
	char *buf = (char *)malloc(2048); /* not on a stack that may be small */
	char back[64] = "";
	size_t len = strlen(job->id);
	struct pollfd fds[2] = { { -1, POLLIN, 0 }, { beside, POLLIN, 0 } };

	if (beside >= 0 && poll(&fds[1], 1, 0) != 0)
		die("beside");
	fds[0].fd = connection_to(backend, 0);
	for (size_t i = 0; i < len; i++)
		back[i] = job->id[len - 1 - i];
	sprintf(buf, "POST /leaf HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n%s", (int)len,
		back);
	if (write(fds[0].fd, buf, strlen(buf)) != (ssize_t)strlen(buf) ||
	    (beside >= 0 && poll(fds, 2, 20000) != 1) || !message(fds[0].fd, buf, 2048))
		die("call");
	job->status = atoi(buf + 9);
	close(fds[0].fd);
	free(buf);
	__atomic_store_n(&job->is_done, 1, __ATOMIC_SEQ_CST);
}

static void call(struct job *job)
{
	call_beside(job, -1);
}

static void wait_until_done(struct job *job)
{
	while (!__atomic_load_n(&job->is_done, __ATOMIC_SEQ_CST))
		usleep(200);
}

/* --- a thread for each call --- */

static void *call_by(void *arg)
{
	call((struct job *)arg);
	return arg;
}

/* A line in its log has the thread's number. */
static void *call_twice(void *arg)
{
	if (syscall(SYS_gettid) <= 0)
		die("gettid");
	call((struct job *)arg);
	call((struct job *)arg);
	return arg;
}

static void *call_twice_beside(void *arg)
{
	int beside = eventfd(0, 0);

	call_beside((struct job *)arg, beside);
	call_beside((struct job *)arg, beside);
	close(beside);
	return arg;
}

static void *call_by_another(void *arg)
{
	pthread_t t;
	void *ret;

	if (pthread_create(&t, NULL, call_by, arg) != 0 || pthread_join(t, &ret) != 0 || ret != arg)
		die("inner thread");
	return arg;
}

static void *call_late(void *arg)
{
	pthread_detach(pthread_self());
	call((struct job *)arg);
	return NULL;
}

static void joined(struct job *job, void *(*by)(void *), size_t stack)
{
	pthread_attr_t attr;
	pthread_t t;
	void *ret;

	pthread_attr_init(&attr);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	if (pthread_create(&t, &attr, by, job) != 0 || pthread_join(t, &ret) != 0 || ret != job)
		die("thread");
	pthread_attr_destroy(&attr);
}

#ifdef WITH_CURL
void *curl_easy_init(void);
int curl_easy_setopt(void *curl, int option, ...);
int curl_easy_perform(void *curl);
int curl_easy_getinfo(void *curl, int info, ...);
void curl_easy_cleanup(void *curl);
#define CURLOPT_URL 10002
#define CURLOPT_POSTFIELDS 10015
#define CURLOPT_WRITEFUNCTION 20011
#define CURLOPT_NOSIGNAL 99
#define CURLINFO_RESPONSE_CODE 0x200002

static size_t sink(void *data, size_t size, size_t n, void *to)
{
	(void)data;
	(void)to;
	return size * n;
}

static void *call_by_curl(void *arg)
{
	struct job *job = (struct job *)arg;
	void *curl = curl_easy_init();
	size_t len = strlen(job->id);
	const char *name = getenv("CALL_HOST");
	char url[256], back[64] = "";
	long status = 0;

	for (size_t i = 0; i < len; i++)
		back[i] = job->id[len - 1 - i];
	snprintf(url, sizeof(url), "http://%s:%d/leaf", name ? name : "localhost", backend);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, back);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, sink);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	for (int i = 0; i < 2; i++)
		if (curl_easy_perform(curl) != 0)
			die("curl");
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	job->status = (int)status;
	return arg;
}
#endif

static int run_thread(struct job *job)
{
	pthread_t t;

	if (strcmp(mode, "thread") == 0)
		joined(job, call_by, 0);
	else if (strcmp(mode, "tiny") == 0)
		joined(job, call_by, (size_t)PTHREAD_STACK_MIN);
	else if (strcmp(mode, "twice") == 0)
		joined(job, call_twice, 0);
	else if (strcmp(mode, "beside") == 0)
		joined(job, call_twice_beside, 0);
#ifdef WITH_CURL
	else if (strcmp(mode, "curl") == 0)
		joined(job, call_by_curl, 0);
#endif
	else if (strcmp(mode, "nested") == 0)
		joined(job, call_by_another, 0);
	else if (strcmp(mode, "detached") == 0 && pthread_create(&t, NULL, call_late, job) == 0)
		wait_until_done(job);
	else
		return 0;
	return 1;
}

#ifdef __cplusplus
static int run_cxx(struct job *job)
{
	if (strcmp(mode, "std-thread") == 0)
		std::thread(call, job).join();
	else if (strcmp(mode, "std-async") == 0)
		std::async(std::launch::async, call, job).get();
	else
		return 0;
	return 1;
}
#else
static int run_cxx(struct job *job)
{
	(void)job;
	return 0;
}
#endif

/* --- a pool --- */

static struct job *top;
static int workers;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static mtx_t c11;
static sem_t lock, items;
static int silent, futex, efd, ends[2];

static int is(const char *name)
{
	return strcmp(mode + 5, name) == 0;
}

static __thread int is_worker;

/* A lock without a call, for workers: what tells that it is a pool is await(). */
static void silent_lock(void)
{
	int free = 0;

	while (!__atomic_compare_exchange_n(&silent, &free, 1, 0, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST)) {
		free = 0;
		if (!is_worker)
			sched_yield();
	}
}

static void enter(void)
{
	struct timespec far = { 4000000000, 0 };

	if (is("cond") || is("mutex"))
		pthread_mutex_lock(&mutex);
	else if (is("try"))
		while (pthread_mutex_trylock(&mutex) != 0)
			sched_yield();
	else if (is("timed"))
		pthread_mutex_timedlock(&mutex, &far);
	else if (is("clock"))
		pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &far);
	else if (is("rwlock"))
		pthread_rwlock_wrlock(&rwlock);
	else if (is("spin"))
		pthread_spin_lock(&spin);
	else if (is("c11"))
		mtx_lock(&c11);
	else if (is("semaphore"))
		sem_wait(&lock);
	else
		silent_lock();
}

static void leave(void)
{
	if (is("cond") || is("mutex") || is("try") || is("timed") || is("clock")) {
		pthread_mutex_unlock(&mutex);
	} else if (is("rwlock")) {
		pthread_rwlock_unlock(&rwlock);
	} else if (is("spin")) {
		pthread_spin_unlock(&spin);
	} else if (is("c11")) {
		mtx_unlock(&c11);
	} else if (is("semaphore")) {
		sem_post(&lock);
	} else {
		__atomic_store_n(&silent, 0, __ATOMIC_SEQ_CST);
	}
}

/* Before a worker looks for a job, in the shapes whose lock is not one that is called for. */
static void await(void)
{
	struct pollfd p = { ends[0], POLLIN, 0 };
	stack_t stack;
	uint64_t n;
	char c;

	if (is("pipe"))
		(void)!read(ends[0], &c, 1);
	else if (is("polled"))
		poll(&p, 1, 100);
	else if (is("eventfd"))
		(void)!read(efd, &n, sizeof(n));
	else if (is("items"))
		sem_wait(&items);
	else if (is("futex")) /* a syscall() is one, whichever */
		syscall(SYS_futex, &futex, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0);
	else if (is("yield"))
		sched_yield();
	else if (is("runtime")) /* which has locks of its own, like these here */
		sigaltstack(NULL, &stack);
	else if (is("sleep"))
		usleep(100);
	else if (is("timeout"))
		poll(NULL, 0, 1);
}

static void announce(void)
{
	uint64_t one = 1;

	if (is("cond"))
		pthread_cond_signal(&filled);
	else if (is("items"))
		sem_post(&items);
	else if (is("pipe") || is("polled"))
		(void)!write(ends[1], "", 1);
	else if (is("eventfd"))
		(void)!write(efd, &one, sizeof(one));
}

static void wait_for_job(void)
{
	struct timespec soon;

	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 1;
	pthread_cond_timedwait(&filled, &mutex, &soon);
}

static void *worker(void *arg)
{
	is_worker = 1;
	for (int i = 0; i < JOBS_OF_A_WORKER; i++) {
		struct job *job;

		await();
		enter();
		if (is("cond") && !top)
			wait_for_job();
		job = top;
		if (job)
			top = job->below;
		leave();
		if (job)
			call(job);
	}
	enter();
	workers--;
	leave();
	return arg;
}

/* Whoever has a job sees to it that there are workers. */
static void hire(void)
{
	int is_short;
	pthread_t t;

	enter();
	is_short = top && workers < WORKERS;
	workers += is_short;
	leave();
	if (is_short && (pthread_create(&t, NULL, worker, NULL) != 0 || pthread_detach(t) != 0))
		die("worker");
}

static void ask_pool(struct job *job)
{
	enter();
	job->below = top;
	top = job;
	leave();
	announce();
	while (!__atomic_load_n(&job->is_done, __ATOMIC_SEQ_CST)) {
		hire();
		usleep(500);
	}
}

static void make_pool(void)
{
	pthread_spin_init(&spin, 0);
	mtx_init(&c11, mtx_plain);
	sem_init(&lock, 0, 1);
	sem_init(&items, 0, 0);
	efd = eventfd(0, EFD_SEMAPHORE);
	if (efd < 0 || pipe(ends) != 0)
		die("pool");
}

/* --- the server --- */

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[2048], *body;

	while ((body = message(fd, buf, sizeof(buf)))) {
		struct job *job = (struct job *)calloc(1, sizeof(*job));
		int n;

		snprintf(job->id, sizeof(job->id), "%s", body);
		if (!run_thread(job) && !run_cxx(job))
			ask_pool(job);
		n = snprintf(buf, sizeof(buf), "HTTP/1.1 %d OK\r\nContent-Length: 3\r\n\r\nok\n",
			     job->status);
		n = write(fd, buf, (size_t)n) == n;
		free(job);
		if (!n)
			break;
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	backend = atoi(argv[2]);
	mode = argv[3];
	make_pool();
	listener = connection_to(atoi(argv[1]), 1);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t t;

		if (fd >= 0 && (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) != 0 ||
				pthread_detach(t) != 0))
			die("connection");
	}
}
