/* SPDX-License-Identifier: Apache-2.0 */
/* A program, or a running process: is our object in it, and if not, why not. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"
#include "preload_path.h"
#include "proc_file.h"
#include "program.h"
#include "status_read.h"

#define OBJECT "libinterspan.so"

struct patient {
	pid_t pid;
	struct text maps, env;
	char object[PATH_MAX]; /* as LD_PRELOAD names it; empty: it does not */
};

/* interspan run sees to it; whoever sets LD_PRELOAD by himself has to. */
static void tell_of_asan(struct diagnosis *d, const struct program *p)
{
	const char *options = getenv("ASAN_OPTIONS");

	if (!p->has_asan || (options && strstr(options, "verify_asan_link_order=0")))
		return;
	diagnose(d, LEVEL_NOTE, "asan",
		 "gcc's AddressSanitizer ends it if another object comes first");
	diagnosis_seen(d, "%s needs libasan.so", p->path);
	diagnosis_remedy(
		d, "start it by interspan run, or with ASAN_OPTIONS=verify_asan_link_order=0");
}

void doctor_program(struct diagnosis *d, const char *word)
{
	struct program p;

	program_judge(&p, word);
	if (p.verdict == PROGRAM_FINE) {
		diagnose(d, LEVEL_OK, "program", "the program can be preloaded");
		diagnosis_seen(d, "%s", p.path);
		tell_of_asan(d, &p);
		return;
	}
	diagnose(d, LEVEL_BAD, "program", "the program cannot be preloaded");
	diagnosis_seen(d, "%s%s %s", p.is_script ? "its interpreter " : "", p.path,
		       program_why(&p));
	if (p.verdict != PROGRAM_MISSING && p.verdict != PROGRAM_REFUSES)
		diagnosis_remedy(d, "the README's \"What it cannot see\" has what is left");
}

/* The entry of LD_PRELOAD that is ours. */
static void find_object(struct patient *p)
{
	struct bytes list = env_find((struct bytes){ p->env.ptr, p->env.len }, "LD_PRELOAD");
	struct bytes env = list;

	while (env.ptr && env.len) {
		size_t n = 0;

		while (n < env.len && env.ptr[n] != ':' && env.ptr[n] != ' ')
			n++;
		if (n && memmem(env.ptr, n, OBJECT, strlen(OBJECT)))
			snprintf(p->object, sizeof(p->object), "%.*s", (int)n, env.ptr);
		env = bytes_skip(env, n + 1);
	}
}

/* AT_SECURE of the auxiliary vector: the kernel's word for "trust no environment". */
static bool is_secure(pid_t pid)
{
	struct text auxv = { 0 };
	Elf64_auxv_t entry;
	bool is = false;

	if (proc_read(&auxv, pid, "auxv") == 0)
		for (size_t at = 0; at + sizeof(entry) <= auxv.len; at += sizeof(entry)) {
			memcpy(&entry, auxv.ptr + at, sizeof(entry));
			is |= entry.a_type == AT_SECURE && entry.a_un.a_val;
		}
	text_done(&auxv);
	return is;
}

/* The object as the process sees it: in its own root. */
static void object_in_the_way(struct diagnosis *d, const struct patient *p)
{
	char path[PATH_MAX + 64];
	struct statvfs fs;

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)p->pid, p->object);
	if (access(path, F_OK) != 0) {
		diagnose(d, LEVEL_BAD, "object-missing",
			 "LD_PRELOAD names a file that is not there for this process");
		diagnosis_seen(d, "%s: %s", path, strerror(errno));
		diagnosis_remedy(d, "in a container or a chroot the library must be inside");
	} else if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC)) {
		diagnose(d, LEVEL_BAD, "noexec",
			 "the library is on a file system that is mounted noexec");
		diagnosis_seen(d, "%s", path);
		diagnosis_remedy(d, "put it where programs are, such as /usr/local/lib/interspan");
	} else {
		diagnose(d, LEVEL_BAD, "not-loaded",
			 "LD_PRELOAD names the library, and the loader did not take it");
		diagnosis_seen(d, "LD_PRELOAD=%s, and no such file in /proc/%d/maps", p->object,
			       (int)p->pid);
		diagnosis_remedy(d, "start it once with LD_DEBUG=libs: the loader says why");
	}
}

/* Who started it; 0: nobody who is still there. */
static pid_t parent_of(pid_t pid)
{
	struct text status = { 0 };
	const char *at;
	pid_t parent = 0;

	if (proc_read(&status, pid, "status") == 0) {
		text_add_char(&status, '\0');
		at = strstr(status.ptr, "\nPPid:");
		parent = at ? (pid_t)strtol(at + 6, NULL, 10) : 0;
	}
	text_done(&status);
	return parent;
}

static bool is_nginx(pid_t pid)
{
	char name[32];

	status_program(pid, name, sizeof(name));
	return strcmp(name, "nginx") == 0;
}

/* It was started without; did its parent have it, and not hand it on? */
static void not_handed_on(struct diagnosis *d, const struct patient *p)
{
	pid_t parent = parent_of(p->pid);
	struct text maps = { 0 };
	bool is_handed;

	(void)proc_read(&maps, parent, "maps");
	is_handed = parent > 1 && maps.len && memmem(maps.ptr, maps.len, OBJECT, strlen(OBJECT));
	text_done(&maps);
	if (!is_handed) {
		diagnosis_remedy(d,
				 "start it by interspan run, or see interspan run --env; what "
				 "is running cannot be joined%s",
				 is_nginx(p->pid) ?
					 "; a new program of nginx (USR2) has the "
					 "environment of the old one: stop and start it" :
					 "");
		return;
	}
	diagnose(d, LEVEL_BAD, "not-handed-on",
		 "who started it has the library, and left it out of its environment");
	diagnosis_seen(d, OBJECT " in /proc/%d/maps, its parent's", (int)parent);
	diagnosis_remedy(d, is_nginx(p->pid) ?
				    "nginx hands a new program (USR2) only what its configuration "
				    "names: env LD_PRELOAD; and one for each OTEL_ variable" :
				    "it must let LD_PRELOAD and the OTEL_ variables through");
}

static void not_loaded(struct diagnosis *d, const struct patient *p)
{
	char exe[64];
	struct program program;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)p->pid);
	program_judge(&program, exe);
	if (program.verdict == PROGRAM_STATIC || program.verdict == PROGRAM_MUSL ||
	    program.verdict == PROGRAM_32_BIT || program.verdict == PROGRAM_GO ||
	    program.verdict == PROGRAM_OTHER_LOADER || program.verdict == PROGRAM_OTHER_MACHINE) {
		diagnose(d, LEVEL_BAD, "program", "the program cannot be preloaded");
		diagnosis_seen(d, "%s %s", exe, program_why(&program));
	} else if (is_secure(p->pid)) {
		diagnose(d, LEVEL_BAD, "at-secure",
			 "the program got other rights when it was started: the loader then "
			 "ignores LD_PRELOAD");
		diagnosis_seen(d, "AT_SECURE in /proc/%d/auxv (setuid, setgid, file capabilities)",
			       (int)p->pid);
		diagnosis_remedy(d, "start it as the user that it becomes, without those bits");
	} else if (*p->object) {
		object_in_the_way(d, p);
	} else {
		diagnose(d, LEVEL_BAD, "not-preloaded",
			 "the process was started without the library");
		diagnosis_seen(d, "no " OBJECT " in /proc/%d/maps, none in its LD_PRELOAD",
			       (int)p->pid);
		not_handed_on(d, p);
	}
	doctor_guards(d, p->pid);
}

/* Another tracer in the process keeps its own spans, and we keep out of its way. */
static void neighbours(struct diagnosis *d, const struct patient *p)
{
	static const char *const libraries[] = { "ngx_otel_module",  "otel_ngx_module",
						 "libopentelemetry", "opentelemetry.so",
						 "libdd_trace",      "ddtrace.so" };
	struct bytes env = { p->env.ptr, p->env.len };
	static const char *const settings[] = { "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PYTHONPATH",
						"RUBYOPT" };

	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		if (memmem(p->maps.ptr, p->maps.len, libraries[i], strlen(libraries[i]))) {
			diagnose(d, LEVEL_NOTE, "other-tracer",
				 "another tracer is in the process: its spans are kept, and no "
				 "SERVER spans are opened here");
			diagnosis_seen(d, "%s in /proc/%d/maps", libraries[i], (int)p->pid);
			return;
		}
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		struct bytes v = env_find(env, settings[i]);

		if (v.len && (memmem(v.ptr, v.len, "opentelemetry", 13) ||
			      memmem(v.ptr, v.len, "dd-trace", 8))) {
			diagnose(d, LEVEL_NOTE, "other-tracer",
				 "another tracer is loaded by the runtime: its spans are kept, and "
				 "no SERVER spans are opened here");
			diagnosis_seen(d, "%s=%.*s", settings[i], (int)v.len, v.ptr);
			return;
		}
	}
}

/* What it has counted says the rest. */
static void counted(struct diagnosis *d, struct bytes words)
{
	static const struct {
		const char *counter, *id, *what, *remedy;
		enum finding_level level;
	} rows[] = {
		{ "spans_dropped_export_failed", "export-failed",
		  "spans were lost because they could not be delivered",
		  "what follows about the endpoint may say why", LEVEL_BAD },
		{ "spans_dropped_queue_full", "queue-full",
		  "spans were lost because too many waited",
		  "OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_SCHEDULE_DELAY, or sampling", LEVEL_BAD },
		{ "exporter_refused", "exporter-refused",
		  "the thread that sends spans could not be started",
		  "limits of threads or memory, or a filter of system calls (seccomp)", LEVEL_BAD },
		{ "sandboxed", "sandboxed",
		  "a filter of system calls forbids ours: nothing more is told",
		  "allow the calls that docs/syscalls.md lists", LEVEL_BAD },
		{ "spans_unsampled", "unsampled",
		  "spans were left out by the sampler, here or where their trace began", "",
		  LEVEL_NOTE },
		{ "requests_left_to_sdk", "left-to-sdk",
		  "requests were left to another tracer in the process", "", LEVEL_NOTE },
		{ "parents_unknown", "roots",
		  "calls start a trace of their own, since it is not proven which request made "
		  "them",
		  "the README's \"What it cannot see\" says in which programs", LEVEL_NOTE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t n = status_number(words, rows[i].counter);

		if (!n)
			continue;
		diagnose(d, rows[i].level, rows[i].id, rows[i].what);
		diagnosis_seen(d, "%s=%llu", rows[i].counter, (unsigned long long)n);
		diagnosis_remedy(d, "%s", rows[i].remedy);
	}
	if (status_number(words, "spans_started"))
		return;
	diagnose(d, LEVEL_NOTE, "no-spans",
		 "it has neither served nor made a request that could be seen");
	diagnosis_seen(d, "connections_server=%llu connections_client=%llu connections_http1=%llu",
		       (unsigned long long)status_number(words, "connections_server"),
		       (unsigned long long)status_number(words, "connections_client"),
		       (unsigned long long)status_number(words, "connections_http1"));
}

static void counters(struct diagnosis *d, const struct patient *p)
{
	struct status_told told;
	struct bytes rest, kind, words;
	enum status_kind r = status_read_of(p->pid, &told);

	if (r == STATUS_FILTERED) {
		diagnose(d, LEVEL_NOTE, "filtered",
			 "it runs under a filter of system calls (seccomp): it shows no counters");
		diagnosis_seen(d, "Seccomp: in /proc/%d/status is not 0", (int)p->pid);
		diagnosis_remedy(d, "OTEL_INTERSPAN_LOG=FILE has them when it ends");
	} else if (r == STATUS_NO_EXPORTER) {
		diagnose(d, LEVEL_NOTE, "no-exporter",
			 "no thread of it delivers spans: either none has finished yet, or a "
			 "parent process delivers them");
		diagnosis_remedy(d, "send it a request, and look again; interspan status --all "
				    "shows who delivers");
	}
	if (r != STATUS_TOLD) {
		doctor_sockets(d, p->pid, NULL);
		return;
	}
	rest = (struct bytes){ told.text, told.len };
	while (status_line(&rest, &kind, &words))
		if (bytes_equal(kind, BYTES("process")) &&
		    status_number(words, "pid") == (uint64_t)p->pid)
			counted(d, words);
		else if (bytes_equal(kind, BYTES("result")) && status_number(words, "failed")) {
			struct bytes text = status_find(words, BYTES("text"));

			diagnose(d, LEVEL_BAD, "last-export", "the last export failed");
			diagnosis_seen(d, "%.*s", (int)text.len, text.ptr);
		}
	doctor_sockets(d, p->pid, &told);
	free(told.text);
}

/* RLIMIT_NPROC counts threads; who is root may pass it. */
static void no_thread(struct diagnosis *d, const struct patient *p)
{
	struct text text = { 0 };
	unsigned long soft = 1;
	unsigned uid = 0;
	const char *at;

	(void)proc_read(&text, p->pid, "limits");
	(void)proc_read(&text, p->pid, "status");
	text_add_char(&text, '\0');
	at = text.ptr ? strstr(text.ptr, "\nMax processes") : NULL;
	if (at)
		sscanf(at, " Max processes %lu", &soft);
	at = text.ptr ? strstr(text.ptr, "\nUid:") : NULL;
	if (at)
		sscanf(at, " Uid: %*u %u", &uid);
	text_done(&text);
	if (soft || !uid)
		return;
	diagnose(d, LEVEL_BAD, "no-thread",
		 "its limit of processes is 0: the thread that sends spans cannot be started");
	diagnosis_seen(d, "Max processes 0 in /proc/%d/limits, and it is not root", (int)p->pid);
	diagnosis_remedy(d, "haproxy: insecure-fork-wanted in its section global; else a higher "
			    "ulimit -u");
}

/* "localhost" of another network namespace is not ours. */
static void elsewhere(struct diagnosis *d, const struct patient *p)
{
	char path[64];
	struct stat there, here;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)p->pid);
	if (stat(path, &there) != 0 || stat("/proc/self/ns/net", &here) != 0 ||
	    there.st_ino == here.st_ino)
		return;
	diagnose(d, LEVEL_NOTE, "other-network",
		 "the process is in another network namespace: what follows about the endpoint was "
		 "tried from here, not from there");
	diagnosis_seen(d, "%s is not /proc/self/ns/net", path);
	diagnosis_remedy(d, "nsenter -t %d -n interspan doctor URL tries it from there",
			 (int)p->pid);
}

static void loaded(struct diagnosis *d, const struct patient *p)
{
	const char *at = memmem(p->maps.ptr, p->maps.len, OBJECT, strlen(OBJECT));
	struct bytes rest = { at, (size_t)(p->maps.ptr + p->maps.len - at) };
	struct bytes line = bytes_split(&rest, '\n');

	diagnose(d, LEVEL_OK, "loaded", "the library is loaded");
	diagnosis_seen(d, OBJECT " in /proc/%d/maps", (int)p->pid);
	if (memmem(line.ptr, line.len, "(deleted)", 9)) {
		diagnose(
			d, LEVEL_NOTE, "replaced",
			"the file of the library has been replaced since: an older one is at work");
		diagnosis_seen(d, "(deleted) in /proc/%d/maps", (int)p->pid);
		diagnosis_remedy(d, "start the process again");
	}
	doctor_settings(d, (struct bytes){ p->env.ptr, p->env.len });
	neighbours(d, p);
	counters(d, p);
	no_thread(d, p);
	doctor_unit(d, p->pid, (struct bytes){ p->env.ptr, p->env.len });
	doctor_guards(d, p->pid);
	elsewhere(d, p);
	doctor_endpoint(d, (struct bytes){ p->env.ptr, p->env.len }, NULL);
}

bool doctor_process(struct diagnosis *d, pid_t pid)
{
	struct patient p = { .pid = pid };
	int r = proc_read(&p.maps, pid, "maps");

	if (r == 0)
		r = proc_read(&p.env, pid, "environ");
	if (r < 0) {
		diagnose(d, LEVEL_BAD, r == -ENOENT || r == -ESRCH ? "no-process" : "forbidden",
			 r == -ENOENT || r == -ESRCH ? "there is no such process" :
						       "the process is somebody else's");
		diagnosis_seen(d, "/proc/%d: %s", (int)pid, strerror(-r));
		diagnosis_remedy(d, "%s",
				 r == -ENOENT || r == -ESRCH ? "" :
							       "try it as its user, or as root");
	} else {
		find_object(&p);
		if (p.maps.len && memmem(p.maps.ptr, p.maps.len, OBJECT, strlen(OBJECT)))
			loaded(d, &p);
		else
			not_loaded(d, &p);
	}
	text_done(&p.maps);
	text_done(&p.env);
	return r == 0;
}
