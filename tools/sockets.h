/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKETS_H
#define SOCKETS_H
/*
 * The stream sockets of a process that listen or are connected, by /proc/PID/fd and its tables of
 * sockets.  Nothing is asked of the process.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SOCKETS_MAX 4096u
#define SOCKET_NAME 128u

enum socket_state {
	SOCKET_OPEN,
	SOCKET_LISTENS,
	SOCKET_CONNECTING,
	SOCKET_CLOSING, /* one side or both have said that they will send no more */
};

struct socket_end {
	char address
		[SOCKET_NAME]; /* unsafe; of a local one its path, "@" first if it is abstract */
	unsigned port;         /* 0: a local socket */
};

struct held_socket {
	int fd; /* several may lead to one socket: one after the other, by their numbers */
	unsigned long inode;
	bool is_known; /* of those that are told: true */
	enum socket_state state;
	struct socket_end here,
		there; /* an address may be empty: it has none, or it is not known */
};

/* At most max; those of one socket are neighbours. */
size_t sockets_of(pid_t pid, struct held_socket *list, size_t max);

#endif
