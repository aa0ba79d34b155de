/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own span; those of programs that it starts: child_span.c. */
#include "process_span.h"

#include "host.h"
#include "origin.h"
#include "process.h"
#include "rawsys.h"
#include "resolve.h"
#include "text.h"

static struct {
	struct bytes name;
	struct span_context parent;
	bool has_parent;
	struct span_ref span;
	_Atomic uint32_t epoch; /* whose it is: a forked child has none */
	_Atomic int status;     /* negative: unknown */
} own;

static bool begin(void)
{
	struct span *s = span_start(SPAN_INTERNAL, own.has_parent ? &own.parent : NULL);

	if (!s)
		return false;
	span_set_name(s, own.name);
	span_set_str(s, ATTR_PROCESS_EXECUTABLE_NAME, own.name);
	span_set_int(s, ATTR_PROCESS_PID, process_pid());
	own.span = span_ref(s);
	atomic_store(&own.epoch, process_epoch());
	return true;
}

/*
 * libc tells who registers for it, and only them, what main() has returned.  We do before it
 * registers the dynamic linker's own, so this is later than all destructors, ours included.
 */
static void exits(int status, void *unused)
{
	(void)unused;
	process_span_status(status);
	host_ends(HOST_EXITS);
}

static bool is_told;

bool process_span_is_told(void)
{
	return is_told;
}

/* The last part of what /proc says is run (D132), or of what was asked for. */
static struct bytes name_get(struct bytes asked)
{
	static char path[1024];
	long n = raw_readlink("/proc/self/exe", path, sizeof(path));
	struct bytes name = { path, n > 0 ? (size_t)n : 0 };

	while (memchr(name.ptr, '/', name.len))
		name = bytes_skip(name, 1);
	if (!name.len)
		name = asked;
	return name.len ? name : BYTES("process");
}

void process_span_begin(struct bytes asked)
{
	int (*on_exit_of_libc)(void (*)(int, void *), void *) = resolve("on_exit");
	struct span_context context;

	own.name = name_get(asked);
	own.has_parent = origin_context(&own.parent);
	atomic_store(&own.status, -1);
	if (!begin())
		return;
	context = span_get_context(span_get(own.span));
	context.local = own.span;
	context.tracestate = own.parent.tracestate;
	origin_adopt(&context);
	is_told = on_exit_of_libc && on_exit_of_libc(exits, NULL) == 0;
}

void process_span_status(int status)
{
	if (atomic_load(&own.epoch)) /* without one, a write costs a child a copy of the page */
		atomic_store_explicit(&own.status, status & 0xff, memory_order_relaxed);
}

void process_exit_code(struct span *s, int code)
{
	char buf[8];
	struct text t = TEXT_IN(buf);

	span_set_int(s, ATTR_PROCESS_EXIT_CODE, code);
	if (!code)
		return;
	text_add_uint(&t, (uint64_t)code);
	span_set_error(s, text_bytes(&t));
}

bool process_span_end(void)
{
	uint32_t epoch = atomic_load(&own.epoch);
	int status = atomic_load(&own.status);
	struct span *s;

	if (!epoch || epoch != process_epoch() ||
	    !atomic_compare_exchange_strong(&own.epoch, &epoch, 0))
		return false;
	s = span_get(own.span);
	if (s && status >= 0)
		process_exit_code(s, status);
	span_end(s);
	return true;
}

void process_span_resume(void)
{
	/* Below the one that has ended: that one is what others know. */
	own.has_parent = origin_own(&own.parent);
	(void)begin();
}
