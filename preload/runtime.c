/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No system call: what /proc/self/exe would tell is not worth being killed by a seccomp filter that
 * lists a program's own calls.  The kernel's auxiliary vector has the name.
 */
#include "runtime.h"

#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "resolve.h"
#include "tracer.h"

#define STACK_BYTES (6u << 20) /* what the kernel allows for arguments and environment */
#define ARGS_MAX (1 << 20)

/* Arrays, not pointers: those would be relocated in every process that loads us. */
struct clue {
	char text[28];
	uint32_t flags;
};

_Atomic uint32_t runtime_seen_flags;

/* The program's name is, or begins with and goes on in digits and dots (ruby3.1): */
static const struct clue programs[] = {
	{ "nginx", RUNTIME_NGINX },
	{ "nginx-debug", RUNTIME_NGINX },
	{ "openresty", RUNTIME_NGINX | RUNTIME_LUA },
	{ "lighttpd", RUNTIME_LIGHTTPD },
	{ "haproxy", RUNTIME_HAPROXY },
	{ "node", RUNTIME_NODE },
	{ "nodejs", RUNTIME_NODE },
	{ "java", RUNTIME_JVM },
	{ "ruby", RUNTIME_RUBY },
	{ "beam.smp", RUNTIME_BEAM },
	{ "beam", RUNTIME_BEAM },
	{ "luajit", RUNTIME_LUA },
	{ "python", RUNTIME_PYTHON },
};

/* A library's file name begins with: */
static const struct clue libraries[] = {
	{ "libjvm.so", RUNTIME_JVM },
	{ "libnode", RUNTIME_NODE },
	{ "libruby", RUNTIME_RUBY },
	{ "libluajit", RUNTIME_LUA },
	{ "ngx_http_lua", RUNTIME_LUA },
	{ "ngx_http_js", RUNTIME_LUA },
	{ "libpython", RUNTIME_PYTHON },
	{ "libopentelemetry", RUNTIME_TRACER },
	{ "opentelemetry.so", RUNTIME_TRACER },
	{ "ddtrace.so", RUNTIME_TRACER },
	{ "ngx_otel_module", RUNTIME_TRACER },
	{ "otel_ngx_module", RUNTIME_TRACER },
	{ "ngx_http_opentelemetry", RUNTIME_TRACER },
	{ "ngx_http_datadog", RUNTIME_TRACER },
	{ "libmod_apache_otel", RUNTIME_TRACER },
};

/* Wherever it stands: _greenlet.cpython-311-x86_64-linux-gnu.so, greenlet._greenlet.so. */
#define GREENLET BYTES("greenlet")

/* The program itself exports, having the runtime linked in, whatever it calls itself: */
#define EXPORTS(X)                                     \
	X("napi_module_register", RUNTIME_NODE)        \
	X("JNI_CreateJavaVM", RUNTIME_JVM)             \
	X("rb_define_method", RUNTIME_RUBY)            \
	X("enif_alloc_env", RUNTIME_BEAM)              \
	X("luaJIT_setmode", RUNTIME_LUA)               \
	X("ap_run_process_connection", RUNTIME_APACHE) \
	X("uwsgi_setup", RUNTIME_UWSGI)                \
	X("PyGILState_Ensure", RUNTIME_PYTHON)
#define NAME(name, flags) name "\0"
#define FLAGS(name, flags) flags,
static const char export_names[] = EXPORTS(NAME);
static const uint32_t export_flags[] = { EXPORTS(FLAGS) };

/* --- whose code it is --- */

#define RANGES 8u

static struct range {
	uintptr_t from, to;
	enum runtime_code code;
} ranges[RANGES];
static size_t range_count;

/* A library's file name begins with, as in libraries[]; flags: its code. */
static const struct clue coded[] = {
	{ "libstdc++.so", CODE_CXX },    { "libcurl", CODE_CURL },
	{ "libcrypto.so", CODE_CRYPTO }, { "libssl.so", CODE_CRYPTO },
	{ "libgnutls.so", CODE_CRYPTO },
};

/* Code lies between an object's base and its dynamic section, and objects do not interleave. */
static void range_put(const struct link_map *m, enum runtime_code code)
{
	if (range_count < RANGES)
		ranges[range_count++] = (struct range){ m->l_addr, (uintptr_t)m->l_ld, code };
}

enum runtime_code runtime_code_at(const void *address)
{
	uintptr_t at = (uintptr_t)address;

	for (size_t i = 0; i < range_count; i++)
		if (ranges[i].from <= at && at < ranges[i].to)
			return ranges[i].code;
	return CODE_OTHER;
}

/* --- names --- */

static struct bytes file_name_of(const char *path)
{
	const char *name = path;
	const char *p;

	for (p = path; *p; p++)
		if (*p == '/')
			name = p + 1;
	return (struct bytes){ name, (size_t)(p - name) };
}

static bool is_version(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.')
			return false;
	return true;
}

/* How much of name the clue covers: all of the clue, or nothing. */
static size_t clue_len(struct bytes name, const struct clue *c)
{
	size_t i = 0;

	while (c->text[i] && i < name.len && name.ptr[i] == c->text[i])
		i++;
	return c->text[i] ? 0 : i;
}

uint32_t runtime_of_program(struct bytes name)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		size_t n = clue_len(name, &programs[i]);

		if (n && is_version(bytes_skip(name, n)))
			flags |= programs[i].flags;
	}
	return flags;
}

static void range_of_library(const struct link_map *m)
{
	struct bytes name = file_name_of(m->l_name);

	for (size_t i = 0; i < ARRAY_LEN(coded); i++)
		if (clue_len(name, &coded[i]))
			range_put(m, (enum runtime_code)coded[i].flags);
}

uint32_t runtime_of_library(const char *path)
{
	struct bytes name = file_name_of(path);
	uint32_t flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		if (clue_len(name, &libraries[i]))
			flags |= libraries[i].flags;
	for (; name.len >= GREENLET.len; name = bytes_skip(name, 1))
		if (name.ptr[0] == 'g' && bytes_start_with(name, GREENLET))
			flags |= RUNTIME_GREENLET;
	return flags;
}

void runtime_raise(uint32_t flags)
{
	if (flags & ~runtime_flags())
		atomic_fetch_or(&runtime_seen_flags, flags);
}

void runtime_seen(const char *path)
{
	if (path)
		runtime_raise(runtime_of_library(path));
}

/* --- the program's name --- */

/*
 * The arguments, which lie below the environment where the kernel put both: their count, they,
 * NULL.  NULL: the environment has been moved.
 */
static char *const *arguments_below(char *const *envp, const char *file, intptr_t *ret_count)
{
	uintptr_t below = (uintptr_t)file - (uintptr_t)envp;
	char *const *at = envp;
	intptr_t count = 0;

	if (!envp || (uintptr_t)envp >= (uintptr_t)file || below > STACK_BYTES || *--at)
		return NULL;
	while ((intptr_t)at[-1] != count && count < ARGS_MAX) {
		at--;
		count++;
	}
	*ret_count = count;
	return at;
}

char *const *runtime_arguments(char *const *envp, intptr_t *ret_count)
{
	const char *file = (const char *)getauxval(AT_EXECFN);

	return file ? arguments_below(envp, file, ret_count) : NULL;
}

/* A script's path is among the arguments that the kernel wrote for its interpreter. */
static const char *interpreter_of(const char *file, char *const *envp)
{
	intptr_t count = 0;
	char *const *argv = arguments_below(envp, file, &count);

	for (intptr_t i = 1; argv && i < count && i <= 2; i++)
		if (bytes_equal(bytes_from_str(argv[i]), bytes_from_str(file)))
			return argv[0];
	return file;
}

struct bytes runtime_program(char *const *envp)
{
	const char *file = (const char *)getauxval(AT_EXECFN);
	const struct link_map *program = resolve_first_object();

	/* Only a program that the dynamic linker was asked to run has a name there. */
	if (program && program->l_name && program->l_name[0])
		return file_name_of(program->l_name);
	if (!file)
		return (struct bytes){ "", 0 };
	return file_name_of(interpreter_of(file, envp));
}

#define RUNTIME_HAS_AGENTS \
	(RUNTIME_JVM | RUNTIME_NODE | RUNTIME_RUBY | RUNTIME_UWSGI | RUNTIME_PYTHON)

static uint32_t tracer_of(uint32_t flags, char *const *envp)
{
	intptr_t count = 0;
	char *const *argv;

	if (!(flags & RUNTIME_HAS_AGENTS))
		return 0;
	argv = runtime_arguments(envp, &count);
	return tracer_is_asked_for(flags, envp, argv, argv ? (size_t)count : 0) ? RUNTIME_TRACER :
										  0;
}

void runtime_init(char *const *envp)
{
	const struct link_map *program = resolve_first_object();
	uint32_t flags = runtime_of_program(runtime_program(envp));
	uint32_t exported;

	if (!program)
		return;
	exported = resolve_defined(program, export_names);
	for (size_t i = 0; i < ARRAY_LEN(export_flags); i++)
		if (exported >> i & 1)
			flags |= export_flags[i];
	range_put(program, CODE_PROGRAM);
	for (const struct link_map *m = program->l_next; m; m = m->l_next)
		if (m->l_name) {
			flags |= runtime_of_library(m->l_name);
			range_of_library(m);
		}
	runtime_raise(flags | tracer_of(flags, envp));
}
