/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALONE_H
#define ALONE_H
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Is the process down to the thread that asks, and its main thread?  main_gone is raised if that
 * one has ended.  In doubt, once it is gone, yes: an exporter that leaves comes back with the next
 * span, one that stays keeps the process from ending, deaf to SIGTERM.  Signal-safe; a system call
 * or four; errno is kept.
 */
bool alone_in_process(_Atomic bool *main_gone);

#endif
