/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_H
#define LOOP_H
/*
 * Native loops (context.h): what may go on between two waits without touching its descriptor first,
 * so that the descriptor touched last tells nothing about it.
 *
 *   opaque connections  TLS, FastCGI: they stay known, and touch no request; and when an answer has
 *                       been written to one, the next request may have lain in a buffer
 *   timers              the limit of a wait tells when the next one is due
 *   other descriptors   a helper thread's eventfd, a name server's answer, a pipe
 *   abandoned connects  given up by the clock, and opened anew later
 *
 * Work that nothing touched makes all until the next wait doubtful (context_doubt()).  Pipelined
 * requests do, too (http_server.c).  Outside of known loops each function returns at once.  Any
 * thread, signal-safe, inside the guard.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "conn.h"

/* The connection of fd has become opaque: fd stays ours, but leads nowhere. */
void loop_keep(int fd, enum conn_role role);

/* A call is about to be made on such a descriptor, whose entry in the table this is. */
void loop_touched(uint64_t entry, bool is_in);

/* epoll_ctl(): events of fd will be told with event's data, or none any more. */
void loop_watched(int fd, const struct epoll_event *event);
void loop_unwatched(int fd);

/* fd, which may be watched already, is a connection of ours now. */
void loop_connected(int fd);

/*
 * epoll_wait() has returned n events; timeout_ms: as it was called.  Needs no guard: loads, stores
 * of the thread's own, and a clock of the vDSO; errno is kept.
 */
void loop_waited(const struct epoll_event *events, int n, int timeout_ms);

#endif
