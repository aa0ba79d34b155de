/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_H
#define WRAP_H
/*
 * What libcurl and c-ares reach when they call the names in wrap.list: ld --wrap sends NAME to
 * __wrap_NAME.  libc's own would be interposed by us and by other preloads, be seen by the host's
 * sanitizer, or use the host's malloc.  Same contracts, errno included.  Exporter thread only.
 */
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* rawsys.c: system calls.  poll alone releases Q while it waits. */
extern __typeof__(socket) __wrap_socket;
extern __typeof__(connect) __wrap_connect;
extern __typeof__(bind) __wrap_bind;
extern __typeof__(close) __wrap_close;
extern __typeof__(poll) __wrap_poll;
extern __typeof__(send) __wrap_send;
extern __typeof__(recv) __wrap_recv;
extern __typeof__(recvfrom) __wrap_recvfrom;
extern __typeof__(writev) __wrap_writev;
extern __typeof__(fcntl) __wrap_fcntl;
extern __typeof__(getsockopt) __wrap_getsockopt;
extern __typeof__(setsockopt) __wrap_setsockopt;
extern __typeof__(getsockname) __wrap_getsockname;
extern __typeof__(getpeername) __wrap_getpeername;
/* The environment is the host's to change at any time: nothing is ever set. */
extern __typeof__(getenv) __wrap_getenv;
extern __typeof__(rand) __wrap_rand;

/* rawfile.c: reading small files, for c-ares' resolv.conf and hosts. */
extern __typeof__(fopen) __wrap_fopen;
extern __typeof__(fclose) __wrap_fclose;
extern __typeof__(fgets) __wrap_fgets;
extern __typeof__(fread) __wrap_fread;
extern __typeof__(ferror) __wrap_ferror;
extern __typeof__(setvbuf) __wrap_setvbuf;
/* No stream at all, and what finds none. */
extern FILE *__wrap_stdin;
extern FILE *__wrap_stdout;
extern FILE *__wrap_stderr;
extern __typeof__(fwrite) __wrap_fwrite;
extern __typeof__(fputc) __wrap_fputc;
extern __typeof__(fseek) __wrap_fseek;

/* rawlibc.c: what libc would do with the host's memory. */
extern __typeof__(getservbyname) __wrap_getservbyname;
extern __typeof__(getifaddrs) __wrap_getifaddrs;
extern __typeof__(freeifaddrs) __wrap_freeifaddrs;
extern __typeof__(qsort) __wrap_qsort;
/* "error 113", but for what is usual: no translation. */
extern int __wrap___xpg_strerror_r(int error, char *buf, size_t room);

/* alloc.c */
extern __typeof__(malloc) __wrap_malloc;
extern __typeof__(calloc) __wrap_calloc;
extern __typeof__(realloc) __wrap_realloc;
extern __typeof__(free) __wrap_free;
extern __typeof__(strdup) __wrap_strdup;

#endif
