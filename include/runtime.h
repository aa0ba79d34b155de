/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_H
#define RUNTIME_H
/*
 * Which language runtimes live in this process?  Some run many tasks on one thread where no hook
 * can see it, and some native loops and pools of threads are understood (context.h).  Told at
 * start-up by the program's name, its exported names and the libraries that came with it, and later
 * by what dlopen() is asked for.  A flag is only ever raised.
 *
 * Not seen: a runtime that comes in as a dependency of a library that is loaded later.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

enum runtime {
	RUNTIME_GREENLET = 1u << 0, /* gevent, eventlet */
	RUNTIME_JVM = 1u << 1,
	RUNTIME_NODE = 1u << 2, /* and what else serves its native interface */
	RUNTIME_RUBY = 1u << 3,
	RUNTIME_BEAM = 1u << 4,
	RUNTIME_LUA = 1u << 5,   /* LuaJIT, the scripting modules of nginx, openresty */
	RUNTIME_NGINX = 1u << 6, /* openresty, too */
	RUNTIME_LIGHTTPD = 1u << 7,
	RUNTIME_APACHE = 1u << 8,
	RUNTIME_UWSGI = 1u << 9,
	RUNTIME_PYTHON = 1u << 10,
	RUNTIME_TRACER = 1u << 11, /* an SDK or an agent: tracer.h */
	RUNTIME_HAPROXY = 1u << 12,
};

extern HIDDEN _Atomic uint32_t runtime_seen_flags;

/* Bits of enum runtime.  One load. */
static ALWAYS_INLINE uint32_t runtime_flags(void)
{
	return atomic_load_explicit(&runtime_seen_flags, memory_order_relaxed);
}

/* From now on so.  Any thread, signal-safe. */
void runtime_raise(uint32_t flags);

/* At start-up, while the list of objects cannot change.  envp: as the kernel laid it out. */
void runtime_init(char *const *envp);

/*
 * Whose code is at that address?  Known of objects that came with the program, which stay where
 * they are: no look at the dynamic linker's list, which may be changing.  Any thread, signal-safe.
 */
enum runtime_code {
	CODE_OTHER,
	CODE_PROGRAM,
	CODE_CXX,    /* the C++ library */
	CODE_CURL,   /* waits and locks for its caller's transfers alone */
	CODE_CRYPTO, /* locks for itself alone */
};
enum runtime_code runtime_code_at(const void *address);

/* Somebody asks for this library; NULL is fine.  Any thread, signal-safe. */
void runtime_seen(const char *path);

/* File name of the program, borrowed for ever: of a script's interpreter, not of the script. */
struct bytes runtime_program(char *const *envp);

/*
 * The arguments that the program was started with; NULL: not known.  envp: as the kernel laid it
 * out.
 */
char *const *runtime_arguments(char *const *envp, intptr_t *ret_count);

/* What the file name of a program, or of a library, tells: for tests. */
uint32_t runtime_of_program(struct bytes file_name);
uint32_t runtime_of_library(const char *path);

#endif
