/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "config.h"
#include "counts.h"
#include "log.h"
#include "process.h"
#include "rawsys.h"
#include "stats.h"
#include "store.h"
#include "text.h"

#define PATH_BYTES 512u
#define FALLOCATE_TRIES 10

/* What is allocated there is there: not where blocks are copied when they are written to. */
#define TMPFS 0x01021994
#define EXT4 0xef53
#define XFS 0x58465342

struct directory_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

static struct spool_file own;
static _Atomic bool stays;

/* --- whose spans --- */

static uint64_t hash(uint64_t h, const void *from, size_t len)
{
	const unsigned char *p = from;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;      /* "a" and "bc" are not "ab" and "c" */
}

static uint64_t hash_layout(uint64_t h)
{
	static const uint32_t layout[] = { STORE_VERSION, sizeof(struct span), ATTRS, EVENTS };

	h = hash(h, INTERSPAN_VERSION, sizeof(INTERSPAN_VERSION));
	return hash(h, layout, sizeof(layout));
}

static uint64_t hash_program(uint64_t h)
{
	struct utsname host;
	char path[PATH_BYTES];
	long n = raw_readlink("/proc/self/exe", path, sizeof(path));

	h = hash(h, path, n > 0 ? (size_t)n : 0);
	if (raw_syscall3(SYS_uname, (long)&host, 0, 0) == 0)
		h = hash(h, host.nodename, strnlen(host.nodename, sizeof(host.nodename)));
	return h;
}

uint64_t spool_key(void)
{
	const struct bytes texts[] = {
		config.service_name,         config.resource_attributes, config.otlp_endpoint,
		config.otlp_traces_endpoint, config.otlp_headers,        config.otlp_traces_headers,
		config.zipkin_endpoint,      config.otlp_file,           config.operator_pod_uid,
		config.k8s_pod_uid,          config.k8s_pod_name,        config.k8s_namespace,
		config.k8s_container,        config.k8s_deployment,
	};
	uint32_t to[] = { config.traces_exporter, config.otlp_protocol,
			  config.otlp_traces_protocol };
	uint64_t h = hash_program(hash_layout(0xcbf29ce484222325u));

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		h = hash(h, texts[i].ptr, texts[i].len);
	h = hash(h, to, sizeof(to));
	return h ? h : 1;
}

/* --- the directory --- */

bool spool_is_filtered(void)
{
	long mode;

	if (atomic_load(&stays))
		return true;
	/* Who refuses the question is one; without such filters it is none. */
	mode = raw_syscall6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0);
	return mode != 0 && mode != -EINVAL;
}

static bool is_ours_alone(const struct stat *st)
{
	return st->st_uid == (uid_t)raw_syscall3(SYS_geteuid, 0, 0, 0) && !(st->st_mode & 077);
}

long spool_directory(void)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	long dir;

	if (!config.spool.len || config.spool.ptr[0] != '/' ||
	    config.spool.len + 1 + SPOOL_NAME_MAX > PATH_BYTES)
		return -EINVAL;
	dir = raw_open(config.spool.ptr, flags, 0);
	if (dir == -ENOENT) {
		raw_syscall3(SYS_mkdirat, AT_FDCWD, (long)config.spool.ptr, 0700);
		dir = raw_open(config.spool.ptr, flags, 0);
	}
	if (dir < 0)
		return dir;
	if (raw_syscall3(SYS_fstat, dir, (long)&st, 0) == 0 && is_ours_alone(&st))
		return dir;
	raw_close((int)dir);
	return -EPERM;
}

static bool has_room(int dir)
{
	_Alignas(8) char buf[1024];
	uint32_t files = 0;
	long n;

	while ((n = raw_syscall3(SYS_getdents64, dir, (long)buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct directory_entry *d = (struct directory_entry *)(buf + at);

			files += strncmp(d->name, SPOOL_PREFIX, sizeof(SPOOL_PREFIX) - 1) == 0;
			at += d->len;
		}
	return n == 0 && files < SPOOL_FILES_MAX;
}

/* --- a new file --- */

static void name_new(struct spool_file *ret)
{
	struct text name = { ret->name, sizeof(ret->name) - 1, 0, false };
	struct trace_id id;

	trace_id_new(&id);
	text_add_str(&name, SPOOL_PREFIX);
	text_add_uint(&name, process_pid());
	text_add_char(&name, '-');
	for (size_t i = 0; i < 8; i++) {
		unsigned char byte = ((const unsigned char *)&id)[i];

		text_add_char(&name, "0123456789abcdef"[byte >> 4]);
		text_add_char(&name, "0123456789abcdef"[byte & 15]);
	}
	text_add_str(&name, SPOOL_SUFFIX);
	ret->name[name.len] = '\0';
}

static bool keeps_promises(int fd)
{
	struct statfs fs;

	return raw_syscall3(SYS_fstatfs, fd, (long)&fs, 0) == 0 &&
	       (fs.f_type == TMPFS || fs.f_type == EXT4 || fs.f_type == XFS);
}

static bool may_be_so_long(size_t bytes)
{
	struct rlimit limit;

	return raw_syscall6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur);
}

static bool allocate(int fd, size_t bytes)
{
	long r = -EINTR;

	for (int i = 0; i < FALLOCATE_TRIES && r == -EINTR; i++)
		r = raw_syscall6(SYS_fallocate, fd, 0, 0, (long)bytes, 0, 0);
	return r == 0;
}

/* Somebody who looks for what the dead have left may have come first, for a moment. */
static bool is_locked_and_there(int fd)
{
	struct stat st;

	return raw_syscall3(SYS_flock, fd, LOCK_EX | LOCK_NB, 0) == 0 &&
	       raw_syscall3(SYS_fstat, fd, (long)&st, 0) == 0 && st.st_nlink == 1;
}

/* What is wrong, or NULL. */
static const char *file_map(int fd, size_t bytes, void **ret)
{
	long at;

	if (!keeps_promises(fd))
		return "no file system for that (tmpfs, ext4, xfs)";
	if (!may_be_so_long(bytes))
		return "a limit of the length of files";
	if (!is_locked_and_there(fd))
		return "the file is not ours";
	if (!allocate(fd, bytes))
		return "no room";
	at = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (raw_is_error(at))
		return "no memory";
	*ret = (void *)at;
	return NULL;
}

static const char *map_in(int dir, size_t bytes, struct spool_file *file, void **ret)
{
	const char *wrong;
	long fd;

	if (!has_room(dir))
		return "too many files in it";
	name_new(file);
	fd = raw_syscall6(SYS_openat, dir, (long)file->name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600, 0, 0);
	if (fd < 0)
		return "no file can be made in it";
	wrong = file_map((int)fd, bytes, ret);
	if (wrong)
		raw_syscall3(SYS_unlinkat, dir, (long)file->name, 0);
	raw_close((int)fd);
	return wrong;
}

void *spool_map(size_t bytes, struct spool_file *ret)
{
	const char *wrong = "a filter of system calls";
	void *at = NULL;
	long dir;

	ret->name[0] = '\0';
	if (LIKELY(!config.spool.len))
		return NULL;
	if (!spool_is_filtered()) {
		dir = spool_directory();
		wrong = dir < 0 ? "no directory that is this user's alone (0700)" :
				  map_in((int)dir, bytes, ret, &at);
		if (dir >= 0)
			raw_close((int)dir);
	}
	if (!wrong)
		return at;
	ret->name[0] = '\0';
	stats_inc(STAT_SPOOL_REFUSED);
	LOG(BYTES("OTEL_INTERSPAN_SPOOL is not used: "), bytes_from_str(wrong));
	return NULL;
}

/* --- its end --- */

static void unlink_file(const struct spool_file *file)
{
	char path[PATH_BYTES];
	struct text t = { path, sizeof(path) - 1, 0, false };

	text_add(&t, config.spool);
	text_add_char(&t, '/');
	text_add_str(&t, file->name);
	path[t.len] = '\0';
	raw_syscall3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

void spool_keep(const struct spool_file *file)
{
	own = *file;
}

void spool_drop(const struct spool_file *file)
{
	if (file->name[0])
		unlink_file(file);
}

static bool is_alive(uint32_t pid)
{
	return pid && pid != process_pid() &&
	       raw_syscall3(SYS_tgkill, (long)pid, (long)pid, 0) != -ESRCH;
}

/* Who never counted has never had a span; the creator may yet make children that will. */
static bool is_shared(struct store *st)
{
	uint32_t counted = atomic_load(&st->counted);

	if (atomic_load(&st->pids_differ) || is_alive(st->creator))
		return true;
	for (uint32_t i = COUNTS_ENDED + 1; i < counted && i < STORE_COUNTS; i++)
		if (is_alive(atomic_load(&counts_of(st, i)->pid)))
			return true;
	return false;
}

void spool_ends(struct store *st)
{
	if (LIKELY(!own.name[0]) || !st || atomic_load(&stays) || is_shared(st))
		return;
	unlink_file(&own);
}

void spool_stays(void)
{
	atomic_store(&stays, true);
}
