/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_environ HOW PROGRAM [serving]: starts the program in one of the ways that there are, and
 * waits for it; perhaps while it serves a request.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "http_ends.h"

extern char **environ;

static char *program;
static char *args[2];

static void by_execve(void)
{
	execve(program, args, environ);
}

static void by_execv(void)
{
	execv(program, args);
}

static void by_execvp(void)
{
	execvp(program, args);
}

static void by_execvpe(void)
{
	execvpe(program, args, environ);
}

static void by_execl(void)
{
	execl(program, program, (char *)NULL);
}

static void by_execlp(void)
{
	execlp(program, program, (char *)NULL);
}

static void by_execle(void)
{
	execle(program, program, (char *)NULL, environ);
}

static void by_fexecve(void)
{
	fexecve(open(program, O_RDONLY | O_CLOEXEC), args, environ);
}

static void by_execveat(void)
{
	execveat(AT_FDCWD, program, args, environ, 0);
}

static int status_of(pid_t child)
{
	int status = -1;

	if (waitpid(child, &status, 0) != child)
		return 9;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 10;
}

static int by_fork(void (*exec)(void))
{
	pid_t child = fork();

	if (child == 0) {
		exec();
		_exit(8);
	}
	return status_of(child);
}

static int by_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		execve("/no/such/program", args, environ);
		execve(program, args, environ);
		_exit(8);
	}
	return status_of(child);
}

/* A child that leaves its parent's memory by a signal. */
static int by_vfork_killed(void)
{
	pid_t child = vfork();

	if (child == 0) {
		raise(SIGKILL);
		_exit(8);
	}
	return status_of(child) == 10 ? by_vfork() : 9;
}

static int by_posix_spawn(void)
{
	pid_t child;

	return posix_spawn(&child, program, NULL, NULL, args, environ) == 0 ? status_of(child) : 7;
}

static int by_posix_spawnp(void)
{
	pid_t child;

	return posix_spawnp(&child, program, NULL, NULL, args, environ) == 0 ? status_of(child) : 7;
}

static int by_system(void)
{
	return WEXITSTATUS(system(program));
}

static int by_popen(void)
{
	FILE *stream = popen(program, "r");
	char line[256];

	while (stream && fgets(line, sizeof(line), stream))
		fputs(line, stdout);
	return stream ? WEXITSTATUS(pclose(stream)) : 7;
}

static void *nothing(void *arg)
{
	return arg;
}

/* Another thread might be reading `environ`. */
static int by_system_with_threads(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0)
		return 6;
	return by_system();
}

/* Pieces of filler, and the last of them this long: is it taken? */
#define PIECE (1u << 16)

static bool longest_by_exec;

static int takes(char **list)
{
	pid_t child;
	int r;

	if (!longest_by_exec) {
		r = posix_spawn(&child, "/bin/true", NULL, NULL, args, list);
		if (r != 0)
			return r == E2BIG ? 0 : -1;
		return status_of(child) == 0 ? 1 : -1;
	}
	child = fork();
	if (child == 0) {
		execve("/bin/true", args, list);
		_exit(errno == E2BIG ? 7 : 8);
	}
	r = status_of(child);
	return r == 0 ? 1 : r == 7 ? 0 : -1;
}

static int starts(size_t pieces, size_t last)
{
	static char filler[PIECE + 1];
	static char *list[256];

	memset(filler, 'x', PIECE);
	filler[1] = filler[PIECE - last + 1] = '=';
	for (size_t i = 0; i < pieces; i++)
		list[i] = i + 1 < pieces ? filler : filler + PIECE - last;
	list[pieces] = NULL;
	return takes(list);
}

/* The longest environment that there may be, to the byte: one of ours would be longer. */
static int by_longest(void)
{
	size_t pieces = 1, low = 2, high = PIECE;

	while (pieces < 250 && starts(pieces, PIECE) == 1)
		pieces++;
	while (low < high) {
		size_t mid = (low + high + 1) / 2;
		int r = starts(pieces, mid);

		if (r < 0)
			return 4;
		if (r)
			low = mid;
		else
			high = mid - 1;
	}
	printf("longest: %zu, %zu\n", pieces, low);
	return 0;
}

static int by_longest_of_exec(void)
{
	longest_by_exec = true;
	return by_longest();
}

/* --- a request that this very thread reads, and answers when all is done --- */

#define REQUEST                                                                    \
	"GET / HTTP/1.1\r\nHost: h\r\n"                                            \
	"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n" \
	"tracestate: a=1\r\n\r\n"

static int serve(void)
{
	struct ends e = ends_open();
	char got[1024];

	CHECK(write(e.client, REQUEST, sizeof(REQUEST) - 1) == sizeof(REQUEST) - 1);
	CHECK(read(e.server, got, sizeof(got)) == sizeof(REQUEST) - 1);
	return e.server;
}

int main(int argc, char **argv)
{
#define EXEC(how)                    \
	{                            \
#how, by_##how, NULL \
	}
#define WAY(how)                     \
	{                            \
#how, NULL, by_##how \
	}
	static const struct {
		const char *name;
		void (*exec)(void);
		int (*run)(void);
	} ways[] = {
		EXEC(execve),      EXEC(execv),
		EXEC(execvp),      EXEC(execvpe),
		EXEC(execl),       EXEC(execlp),
		EXEC(execle),      EXEC(fexecve),
		EXEC(execveat),    WAY(vfork),
		WAY(vfork_killed), WAY(posix_spawn),
		WAY(posix_spawnp), WAY(system),
		WAY(popen),        WAY(system_with_threads),
		WAY(longest),      WAY(longest_of_exec),
	};

	int server = -1, r;

	if (argc < 3)
		return 2;
	program = args[0] = argv[2];
	if (argc > 3)
		server = serve();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].name, argv[1]) != 0)
			continue;
		r = ways[i].exec ? by_fork(ways[i].exec) : ways[i].run();
		if (server >= 0)
			CHECK(write(server, NO_CONTENT, sizeof(NO_CONTENT) - 1) > 0);
		return r;
	}
	return 5;
}
