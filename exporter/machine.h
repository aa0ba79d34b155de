/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MACHINE_H
#define MACHINE_H
/*
 * What the machine tells of itself: files of /etc and /proc, by raw system calls.  Texts are views
 * into the caller's buffers.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* The file's beginning; empty if it cannot be read. */
struct bytes machine_file(const char *path, char *buf, size_t cap);

/* A value of os-release(5), without its quotes; empty: not there. */
struct bytes machine_os_release(struct bytes text, struct bytes key);

/*
 * The container's id, 64 hex digits (D146): of /proc/self/cgroup, where its last path says so, or
 * of /proc/self/mountinfo, where files are mounted from the container's own directory.  Empty:
 * none.
 */
struct bytes machine_container(struct bytes cgroup, struct bytes mountinfo);

/* host.arch of uname's machine (D142). */
struct bytes machine_arch(struct bytes machine);

#endif
