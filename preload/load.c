/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composition root: how the rooms come up and go down, in this order.
 *
 *   may we? -> settings -> runtimes -> observed
 *
 * That is all: no thread, file, socket, library or system call, and nothing in the environment.
 * What a span needs comes up with the first span.
 */
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "config.h"
#include "counts.h"
#include "exporter.h"
#include "exporter_life.h"
#include "guard.h"
#include "host.h"
#include "keep.h"
#include "log.h"
#include "origin.h"
#include "orphan.h"
#include "process.h"
#include "process_span.h"
#include "rawsys.h"
#include "resolve.h"
#include "rights.h"
#include "runtime.h"
#include "sampler.h"
#include "sandbox.h"
#include "service_name.h"
#include "single.h"
#include "spool.h"
#include "stats.h"
#include "store.h"

#define SONAME "libinterspan.so"
#define COMPANION "interspan" /* our own program: tracing it would feed back */

enum birth {
	UNBORN,
	BUSY, /* somebody is at it; whoever else comes passes through meanwhile */
	BORN, /* or stood down */
};

_Atomic bool host_observed;

static _Atomic uint32_t birth;

/* Another copy or version of us that comes first: it sees all that we would. */
static bool is_second_copy(void)
{
	const struct link_map *own = resolve_own_object();

	for (const struct link_map *m = resolve_first_object(); m && m != own; m = m->l_next) {
		const char *soname = resolve_soname(m);

		if (soname && bytes_equal(bytes_from_str(soname), BYTES(SONAME)))
			return true;
	}
	return false;
}

/* Law 8.  The settings are read only when nothing else keeps us away. */
static bool may_observe(char *const *envp)
{
	if (getauxval(AT_SECURE) || is_second_copy())
		return false;
	if (bytes_equal(runtime_program(envp), BYTES(COMPANION)))
		return false;
	config_load(envp);
	return config.enabled;
}

static void come_up(char *const *envp)
{
	uint32_t state = UNBORN;

	if (!atomic_compare_exchange_strong(&birth, &state, BUSY))
		return;
	if (may_observe(envp)) {
		config_tell();
		single_init();
		runtime_init(envp);
		if (config.propagate_env)
			origin_init(envp);
		service_name_init(envp);
		keep_take_mode();
		sampler_init();
		keep_init();
		conn_take_settings();
		if (config.process_spans && !config.sdk_disabled)
			process_span_begin(runtime_program(envp));
		stats_inc(STAT_LOADED);
		if (config.traces_exporter != EXPORTER_NONE)
			atomic_store(&span_ended_without_owner, exporter_wanted);
		/* Publishes all of the above to hooks in other threads, which only read config. */
		atomic_store(&host_observed, true);
	}
	atomic_store(&birth, BORN);
}

void host_start(void)
{
	int saved = errno;

	/* libc sets environ in its own constructor: .preinit_array comes even before that. */
	if (atomic_load(&birth) == UNBORN && environ)
		come_up(environ);
	errno = saved;
}

/*
 * glibc hands constructors what it hands main().  A constructor before ours may have cleared
 * environ (then it is NULL, and these are what the process was started with).
 */
static __attribute__((constructor)) void constructor(int argc, char **argv, char **envp)
{
	static char *const nothing[] = { NULL };
	int saved = errno;

	(void)argc;
	(void)argv;
#ifndef __GLIBC__
	envp = NULL;
#endif
	host_start();
	if (atomic_load(&birth) == UNBORN)
		come_up(envp ? envp : nothing);
	errno = saved;
}

/* What the exporter has to tell (exporter.h), which does not know our log. */
void exporter_log(struct bytes message)
{
	LOG(message);
}

/* --- the end --- */

static bool has_counted(void)
{
	for (int i = 0; i < STATS; i++)
		if (stats_read((enum stat_id)i))
			return true;
	return false;
}

/*
 * One line for a process: _exit() may be called by a handler that exit() runs.  Only an exec that
 * failed, and what came after it, make a second one.
 */
static void log_once(bool is_final)
{
	static _Atomic uint32_t written_by;
	struct store *st = store_get();
	uint32_t self;

	if (config.log.len == 0)
		return;
	self = process_pid();
	if (atomic_load(&written_by) == self && !has_counted())
		return;
	/* Of a second line they are the first one's. */
	if (is_final && st && atomic_load(&written_by) != self)
		stats_add(STAT_SPANS_OPEN, orphans_to_be(st));
	log_stats();
	stats_reset();
	atomic_store(&written_by, self);
}

void host_status(int status)
{
	if (host_is_observed() && !thread_self.in_vfork && !thread_self.ours)
		process_span_status(status);
}

/* Other threads may be at work on what is open: then a survivor tells of it, if there is one. */
static void connections_end(void)
{
	if (!store_get() || !single_get() || !guard_enter())
		return;
	conn_process_ends();
	guard_leave();
}

void host_ends(enum host_end how)
{
	int saved = errno;

	/* Not the guard: a handler that interrupted a hook may end the process, too. */
	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return;
	if (host_end_is_final(how))
		connections_end();
	if (UNLIKELY(config.process_spans) && how != HOST_EXECS && how != HOST_ABORTS) {
		children_leave();
		(void)process_span_end();
	}
	store_give_spare();
	exporter_flush(how);
	if (host_end_is_final(how))
		spool_ends(store_get());
	log_once(host_end_is_final(how));
	errno = saved;
}

void host_goes_quiet(void)
{
	int saved = errno;

	if (UNLIKELY(config.process_spans)) {
		children_leave();
		(void)process_span_end();
	}
	rights_fall();
	exporter_forbid();
	counts_go_mute();
	stats_inc(STAT_SANDBOXED);
	sandbox_outlives_exec();
	log_once(false);
	atomic_store(&host_observed, false);
	errno = saved;
}

void host_thread_ends(void)
{
	int saved = errno;

	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return;
	if ((uint32_t)raw_gettid() == process_pid())
		exporter_main_gone();
	errno = saved;
}

static __attribute__((destructor)) void destructor(void)
{
	if (!process_span_is_told())
		host_ends(HOST_EXITS);
}
