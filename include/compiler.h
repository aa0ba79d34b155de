/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPILER_H
#define COMPILER_H
/* What the compiler must be told; no code of its own. */

#define MUST_USE __attribute__((warn_unused_result))
#define EXPORT __attribute__((visibility("default")))
/* Of a variable that other files use: without it each use asks where it lies first. */
#define HIDDEN __attribute__((visibility("hidden")))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NO_INLINE __attribute__((noinline))
#define LIKELY(x) __builtin_expect_with_probability(!!(x), 1, 0.999)
#define UNLIKELY(x) __builtin_expect_with_probability(!!(x), 0, 0.999)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Our thread-locals lie in the static TLS block: async-signal-safe, one add to reach, no
 * __tls_get_addr (which may allocate).  The price is that the object is for LD_PRELOAD, not dlopen.
 */
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

#endif
