/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORTER_H
#define EXPORTER_H
/*
 * What preload/exporter_life.c (when the thread lives) and exporter/ (what it does) say to each
 * other.  exporter/ knows nothing else of the hooks' side: it is built a second time, with TLS.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "config.h"
#include "store.h"

enum exporter_end {
	EXPORTER_ASKED,   /* stop was set: all that could be delivered in time was */
	EXPORTER_ALONE,   /* the last thread of the process: leaves, so that it ends */
	EXPORTER_REFUSED, /* no descriptor table of its own, or no memory: nothing sent */
};

struct exporter {
	struct store *store;
	const struct config *config;
	/*
	 * Quiesce lock Q: held by the exporter thread whenever it runs code of libc or libcurl,
	 * released while it sleeps.  fork() in the host takes it first, so that no child inherits a
	 * lock of libc that our thread held.  0 free, 1 held, 2 held and waited for.  Lies in
	 * process_words().
	 */
	_Atomic uint32_t *quiesce;
	_Atomic uint32_t stop; /* raise, then wake the store: leave after a last flush */
	/* CLOCK_MONOTONIC ns by which everything must have been sent; 0: no deadline. */
	_Atomic uint64_t deadline_ns;
	/* Called once per idle period: is the host down to this thread?  May be NULL. */
	bool (*is_alone)(void);
	/*
	 * The host's main thread is gone, and who is left ends without a word: send at once what
	 * there is and return EXPORTER_ALONE rather than sleep; another span starts another thread.
	 */
	_Atomic bool main_gone;
	_Atomic uint32_t accepted; /* batches, by a receiver */
	/* By the thread: it owns the store no more, and has seen to all that relied on it. */
	_Atomic bool has_left;
};

/*
 * The thread's body: owns x->store until it returns.  Runs with all signals blocked, in a
 * descriptor table and fs_struct that it makes its own first; touches no memory of the host's
 * malloc, uses raw system calls for its I/O.
 */
enum exporter_end exporter_run(struct exporter *x);

/*
 * What the user should hear: an endpoint that cannot be used, spans that a receiver refused.  One
 * line, seldom.  Called by the exporter thread if the hooks' side defines it.
 */
__attribute__((weak, visibility("hidden"))) void exporter_log(struct bytes message);

/* Q, for the fork hook: true if it was had within timeout_ms. */
MUST_USE bool quiesce_lock(_Atomic uint32_t *q, uint32_t timeout_ms);
void quiesce_unlock(_Atomic uint32_t *q);

#endif
