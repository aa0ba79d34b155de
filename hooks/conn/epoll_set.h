/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EPOLL_SET_H
#define EPOLL_SET_H
/*
 * epoll instances that a thread makes while it works for a request.  One that never has more than
 * one member, a connection of ours, is a clumsy way to wait for that alone, as psycopg does when it
 * opens one: such a wait is part of the request's work, as one by poll() is (context.h).
 *
 * What is not certain is none: several members at a time, a member that is put in twice, a copy of
 * the descriptor, a fork while it is there (who shares the instance may change it unseen).  Any
 * thread, async-signal-safe, inside the guard.
 */
#include <stdint.h>

/* epoll_create() has returned fd. */
void epoll_set_made(int fd);

/* epoll_ctl() is about to be called on set, which is in the table of descriptors. */
void epoll_set_changing(int set, int op, int fd);

/* fd has been duplicated, whatever it is. */
void epoll_set_copied(int fd);

/* Its only member; negative: none, several, or not known. */
int epoll_set_only(int set);

#endif
