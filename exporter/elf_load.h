/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ELF_LOAD_H
#define ELF_LOAD_H
/*
 * Maps a shared object of ours into the process, without the dynamic linker.  dlopen() in the
 * exporter's thread would take the loader's locks, which a fork() in the host may meet, and the
 * host's malloc, which gives a new thread an arena of 64 MiB; it would bind whatever of OpenSSL's
 * or libcurl's names the host exports, and the host would find the object in dl_iterate_phdr().
 * None of that happens here: every name that the object lacks is asked of find, once.
 *
 * The object must have been linked for it (Makefile: TLS_LDFLAGS): no thread-locals, no
 * constructors, no indirect functions, an entry point.  It is never unmapped.
 */
#include <stdbool.h>

/*
 * The entry point of the object that fd is open on, which stays the caller's; NULL: it is not such
 * an object, there is no memory, or find returned NULL for a name, which *ret_missing is then.
 */
void *elf_load(int fd, void *(*find)(const char *name), const char **ret_missing);

#endif
