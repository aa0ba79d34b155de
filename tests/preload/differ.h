/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIFFER_H
#define DIFFER_H
/*
 * For the hosts of the differential test (test_differ.py): calls that say what they say, marks that
 * can be seen in a trace of system calls, and help that no preload sees.
 *
 * What is said is kept in memory and written out at each mark.  Whatever a host does must be the
 * same in each run: no time, no order of threads, no count that the kernel may choose.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the compiler would not have anybody do is what this is about. */
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wunused-result"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif

/* --- system calls that nobody sees but a tracer --- */

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#define RAW(name, a, b, c) raw6(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* --- what is said --- */

static char differ_out[1 << 20];
static size_t differ_len;

static inline void flush_out(void)
{
	for (size_t done = 0; done < differ_len;) {
		long n = RAW(write, 1, differ_out + done, differ_len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	differ_len = 0;
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	differ_len += (size_t)vsnprintf(differ_out + differ_len, sizeof(differ_out) - differ_len,
					format, args);
	va_end(args);
}

/* A line in the trace. */
static inline void mark(const char *text)
{
	RAW(write, -1, text, strlen(text));
}

/* What lies between is nobody's business: how often it is done may differ. */
static inline void hide(void)
{
	mark("(");
}

static inline void unhide(void)
{
	mark(")");
}

static inline void begin(const char *name, const char *on)
{
	char text[128];

	flush_out();
	snprintf(text, sizeof(text), "case %s%s%s", name, *on ? ", " : "", on);
	mark(text);
	say("%s\n", text);
}

static inline void differ_skip(const char *what)
{
	say("SKIPPED: %s: %s\n", what, strerror(errno));
}

/* Short ones as they are, since they may hold a line of ours; of others a sum. */
static inline void say_bytes(const char *what, const void *at, long len)
{
	const unsigned char *p = at;
	uint64_t h = 0xcbf29ce484222325;

	say("  %s %ld ", what, len);
	if (len > 2048) {
		for (long i = 0; i < len; i++)
			h = (h ^ p[i]) * 0x100000001b3;
		say("%016llx\n", (unsigned long long)h);
		return;
	}
	say("\"");
	for (long i = 0; i < len; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '"' || p[i] == '\\')
			say("\\x%02x", p[i]);
		else
			say("%c", p[i]);
	say("\"\n");
}

/* errno too where the call succeeds: that leaves it alone. */
#define NO_ERROR 99

static inline void say_call(const char *name, const char *args, long r, int error)
{
	say("%s(%s) = %ld, errno %d\n", name, args, r, error);
}

#define CALL(f, ...)                                \
	({                                          \
		long r_;                            \
		int e_;                             \
                                                    \
		errno = NO_ERROR;                   \
		r_ = (long)f(__VA_ARGS__);          \
		e_ = errno;                         \
		say_call(#f, #__VA_ARGS__, r_, e_); \
		errno = e_;                         \
		r_;                                 \
	})

/* Of a pointer only whether there is one. */
#define CALL_POINTER(f, ...)                                   \
	({                                                     \
		void *p_;                                      \
                                                               \
		errno = NO_ERROR;                              \
		p_ = (void *)f(__VA_ARGS__);                   \
		say_call(#f, #__VA_ARGS__, p_ != NULL, errno); \
		p_;                                            \
	})

/* In a child, whose end it is. */
#define ENDS(f, ...)                                                  \
	do {                                                          \
		pid_t p_ = fork();                                    \
		int s_ = 0;                                           \
                                                                      \
		if (p_ == 0) {                                        \
			differ_len = 0;                               \
			f(__VA_ARGS__);                               \
			say("%s returned, errno %d\n", #f, errno);    \
			flush_out();                                  \
			RAW(exit_group, 99, 0, 0);                    \
		}                                                     \
		raw6(SYS_wait4, p_, (long)&s_, 0, 0, 0, 0);           \
		say("%s(%s) ended with %#x\n", #f, #__VA_ARGS__, s_); \
	} while (0)

/* --- places that are no memory --- */

#define NOWHERE ((void *)16)
#define TOP ((void *)-4096l)

/* --- signals and threads --- */

static _Atomic int differ_signals;

static inline void differ_handler(int sig)
{
	(void)sig;
	atomic_fetch_add(&differ_signals, 1);
}

static inline void handle(int sig, int flags)
{
	struct sigaction act = { .sa_handler = differ_handler, .sa_flags = flags };

	sigaction(sig, &act, NULL);
}

static inline void say_signals(void)
{
	say("  signals %d\n", atomic_exchange(&differ_signals, 0));
}

/* What a helper and its process share. */
struct differ_shared {
	_Atomic int ready;
	_Atomic long tid; /* of a thread that says so */
};
static struct differ_shared *differ_shared;

/* Sleeps a thread in a system call?  To be asked once it has said that it is about to call. */
static inline bool is_asleep(long tid)
{
	char path[64], stat[256], *end;
	long fd, n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", tid);
	fd = RAW(open, path, O_RDONLY, 0);
	if (fd < 0)
		return false;
	n = RAW(read, fd, stat, sizeof(stat) - 1);
	RAW(close, fd, 0, 0);
	if (n <= 0)
		return false;
	stat[n] = 0;
	end = strrchr(stat, ')');
	return end && end[1] && end[2] == 'S';
}

static inline void nap(void)
{
	struct timespec t = { 0, 300000 };

	RAW(nanosleep, &t, NULL, 0);
}

static inline void wait_asleep(long tid)
{
	while (!atomic_load(&differ_shared->ready) || !is_asleep(tid))
		nap();
}

/*
 * A process that no fork hook has seen.  It waits until this thread sleeps in the call to come, and
 * wakes it: by a signal, or (fd >= 0) by a byte into fd.  Whoever has asked calls helped().
 */
static inline long help(int sig, int fd)
{
	long tid = RAW(gettid, 0, 0, 0), pid = RAW(getpid, 0, 0, 0), child;

	atomic_store(&differ_shared->ready, 0);
	hide();
	/* No SIGCHLD at its end: with a tracer that interrupts. */
	child = raw6(SYS_clone, 0, 0, 0, 0, 0, 0);
	if (child == 0) {
		mark("helper");
		wait_asleep(tid);
		if (sig)
			RAW(tgkill, pid, tid, sig);
		if (sig && fd >= 0)
			nap();
		if (fd >= 0) {
			wait_asleep(tid);
			RAW(write, fd, "x", 1);
		}
		RAW(exit_group, 0, 0, 0);
	}
	unhide();
	atomic_store(&differ_shared->ready, 1);
	return child;
}

static inline void helped(long child)
{
	int status;

	hide();
	raw6(SYS_wait4, child, (long)&status, __WALL, 0, 0, 0);
	unhide();
	say_signals();
}

#define INTERRUPTED(f, ...)                      \
	do {                                     \
		long child_ = help(SIGUSR1, -1); \
                                                 \
		CALL(f, __VA_ARGS__);            \
		helped(child_);                  \
	} while (0)

/*
 * main() starts with it: afterwards libc has all that it sets up for the first thread and the first
 * one that is unwound: a stack, libgcc, and memory whose place and parts are drawn.
 */
static inline void *differ_first(void *arg)
{
	pthread_exit(arg);
}

static inline void differ_start(void)
{
	pthread_t thread;

	differ_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (differ_shared == MAP_FAILED || pthread_create(&thread, NULL, differ_first, NULL) != 0)
		exit(90);
	pthread_join(thread, NULL);
	signal(SIGPIPE, SIG_DFL);
	handle(SIGUSR1, 0);
	handle(SIGPIPE, 0);
}

/* Starts a thread that says when it is about to call, and returns when it sleeps in that call. */
static inline void await(pthread_t *thread, void *(*routine)(void *), void *arg)
{
	atomic_store(&differ_shared->ready, 0);
	pthread_create(thread, NULL, routine, arg);
	hide();
	while (!atomic_load(&differ_shared->ready))
		nap();
	wait_asleep(atomic_load(&differ_shared->tid));
	unhide();
}

/* --- what is left --- */

static inline void say_file(const char *path, const char *const *lines)
{
	static char text[1 << 16];
	long fd = RAW(open, path, O_RDONLY, 0), n = RAW(read, fd, text, sizeof(text) - 1);

	RAW(close, fd, 0, 0);
	text[n > 0 ? n : 0] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		for (size_t i = 0; lines[i]; i++)
			if (strncmp(line, lines[i], strlen(lines[i])) == 0)
				say("%s\n", line);
}

static inline void say_descriptors(void)
{
	char path[64], to[256];

	for (int fd = 0; fd < 512; fd++) {
		long n, flags;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = RAW(readlink, path, to, sizeof(to) - 1);
		if (n < 0)
			continue;
		to[n] = 0;
		flags = RAW(fcntl, fd, F_GETFL, 0);
		/* Not the number behind "socket:", nor the names of files that the runner made. */
		say("descriptor %d %.*s %lx %ld\n", fd, (int)strcspn(to, ":"), fd < 3 ? "-" : to,
		    flags, RAW(fcntl, fd, F_GETFD, 0));
	}
}

struct differ_entry {
	uint64_t ino, off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* The name of a thread with its line end, or "" if it is gone. */
static inline void thread_name(const char *tid, char *name, size_t room)
{
	char path[64];
	long fd, n;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
	fd = RAW(open, path, O_RDONLY, 0);
	n = RAW(read, fd, name, room - 1);
	RAW(close, fd, 0, 0);
	name[n > 0 ? n : 0] = 0;
}

/* The names of all threads but this one; of those that are called like it how many there are. */
static inline unsigned list_threads(char *names, size_t room)
{
	static char list[1 << 14];
	char own[64], name[64];
	long dir = RAW(open, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0), n;
	unsigned like_this = 0;
	size_t len = 0;

	snprintf(name, sizeof(name), "%ld", RAW(gettid, 0, 0, 0));
	thread_name(name, own, sizeof(own));
	names[0] = 0;
	while ((n = RAW(getdents64, dir, list, sizeof(list))) > 0)
		for (long at = 0; at < n; at += ((struct differ_entry *)(void *)(list + at))->len) {
			struct differ_entry *e = (void *)(list + at);

			if (e->name[0] == '.') /* ".." has a name, too */
				continue;
			thread_name(e->name, name, sizeof(name));
			if (strcmp(name, own) == 0)
				like_this++;
			else if (name[0] && len + 80 < room)
				len += (size_t)sprintf(names + len, "thread %s", name);
		}
	RAW(close, dir, 0, 0);
	return like_this;
}

/* One that was joined may still be on its way out: that is waited for, for seconds at most. */
static inline void say_threads(void)
{
	static char names[4096];
	unsigned own = list_threads(names, sizeof(names));

	for (int i = 0; own > 1 && i < 20000; i++, own = list_threads(names, sizeof(names)))
		nap();
	say("threads of its own %u\n%s", own, names);
}

/* Environment, descriptors, threads, signals, rights. */
static inline void say_state(void)
{
	static const char *const status[] = { "SigBlk",     "SigIgn",   "SigCgt", "CapEff",
					      "NoNewPrivs", "Seccomp:", "Umask",  NULL };

	begin("the end", "");
	hide();
	for (char **e = environ; *e; e++)
		say("environ %s\n", *e);
	say_file("/proc/self/status", status);
	say_descriptors();
	say_threads();
	unhide();
	mark("end");
	flush_out();
}

#endif
