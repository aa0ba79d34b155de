/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKET_H
#define SOCKET_H
/*
 * What only the kernel knows of a socket.  A system call each; any thread, signal-safe, no errno.
 */
#include <stdbool.h>
#include <stdint.h>

bool socket_is_stream(int fd);
uint64_t socket_cookie(int fd); /* 0: none, or a kernel without (4.12) */

/*
 * Is it, or does the option make it, one of which somebody else counts bytes or calls?
 * SO_ZEROCOPY, SO_TIMESTAMPING, TCP_REPAIR, TCP_FASTOPEN_CONNECT, TCP_ULP.
 */
bool socket_is_counted(int fd);
bool socket_option_counts(int level, int name);

/* Bytes that were written to it by anybody; 0: not TCP, or a kernel that does not count (4.19). */
uint64_t socket_sent(int fd);

/* TCP_ESTABLISHED ...; 0: not TCP. */
unsigned socket_state(int fd);

#endif
