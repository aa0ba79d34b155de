/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .preinit_array runs before every constructor, libc's own included: hooks before anything is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int early = -1;

static void preinit(void)
{
	char got[6] = "";
	int fds[2];
	int status = -1;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 || write(fds[0], "early", 5) != 5 ||
	    read(fds[1], got, 5) != 5 || strcmp(got, "early") != 0)
		return;
	close(fds[0]);
	syscall(SYS_close, fds[1]);
	child = vfork();
	if (child == 0)
		_exit(3);
	if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3)
		return;
	errno = 0;
	early = close(fds[0]) == -1 && errno == EBADF;
}

__attribute__((section(".preinit_array"), used)) static void (*const entry)(void) = preinit;

int main(void)
{
	printf("preinit: %d\n", early);
	return 0;
}
