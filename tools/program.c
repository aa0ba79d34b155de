/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "compiler.h"
#include "elf_file.h"

/* As the kernel: a script's interpreter may be a script, and so on. */
#define SCRIPTS_MAX 5

#define SCRIPT_LINE_MAX 512

/* Among the names of what a program needs. */
#define ASAN_NEEDED "\0libasan.so."

/* Programs that hand on neither LD_PRELOAD nor the place where it is. */
static const struct {
	const char *name;
	const char *why;
} refusing[] = {
	{ "sudo", "cleans the environment: put interspan behind it (sudo interspan run ...)" },
	{ "doas", "cleans the environment: put interspan behind it (doas interspan run ...)" },
	{ "pkexec", "cleans the environment: put interspan behind it" },
	{ "su", "may clean the environment: put interspan behind it (su -c 'interspan run ...')" },
	{ "systemctl", "lets the service manager start it: see interspan run --env=systemd" },
	{ "service", "lets the service manager start it: see interspan run --env=systemd" },
	{ "systemd-run", "lets the service manager start it: see interspan run --env=systemd" },
	{ "docker", "starts it in a container: set the variables there, see interspan run --env" },
	{ "podman", "starts it in a container: set the variables there, see interspan run --env" },
	{ "kubectl", "starts it elsewhere: set the variables there, see interspan run --env" },
	{ "snap", "starts it in a sandbox, where libinterspan.so is not" },
	{ "flatpak", "starts it in a sandbox, where libinterspan.so is not" },
	{ "ssh", "starts it elsewhere: put interspan behind it (ssh HOST interspan run ...)" },
};

static void verdict(struct program *p, enum program_verdict v, const char *detail)
{
	p->verdict = v;
	snprintf(p->detail, sizeof(p->detail), "%s", detail);
}

static bool is_runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Into ret; false with errno as execvp() has it. */
static bool find(const char *word, char *ret, size_t size)
{
	const char *list = getenv("PATH");
	struct bytes rest = bytes_from_str(list ? list : "/bin:/usr/bin");
	int error = ENOENT;

	if (strchr(word, '/')) {
		snprintf(ret, size, "%s", word);
		if (is_runnable(ret))
			return true;
		if (access(ret, F_OK) == 0)
			errno = EACCES;
		return false;
	}
	while (rest.ptr && *word) {
		struct bytes dir = bytes_split(&rest, ':');

		if (!dir.len)
			dir = BYTES(".");
		if (snprintf(ret, size, "%.*s/%s", (int)dir.len, dir.ptr, word) >= (int)size)
			continue;
		if (is_runnable(ret))
			return true;
		if (access(ret, F_OK) == 0)
			error = EACCES;
	}
	snprintf(ret, size, "%s", word);
	errno = error;
	return false;
}

static void judge_found(struct program *p, const char *word, bool is_script)
{
	p->is_script = is_script;
	if (!find(word, p->path, sizeof(p->path)))
		verdict(p, errno == ENOENT ? PROGRAM_MISSING : PROGRAM_NOT_EXECUTABLE,
			strerror(errno));
}

/* The kernel then sets AT_SECURE, and the loader takes no preload from outside /lib. */
static bool is_privileged(int fd, char *ret, size_t size)
{
	struct statvfs fs;
	struct stat st;
	char value[64];

	if (fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0 || (fs.f_flag & ST_NOSUID))
		return false;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		snprintf(ret, size, "setuid");
	else if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		snprintf(ret, size, "setgid");
	else if (getuid() != 0 && fgetxattr(fd, "security.capability", value, sizeof(value)) > 0)
		snprintf(ret, size, "with capabilities of its own");
	else
		return false;
	return true;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* glibc's loader, which has no loader itself and preloads what it runs. */
static bool is_loader(const char *name)
{
	static const char *const starts[] = { "ld-linux", "ld64.so", "ld-2.", "ld.so" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static void judge_elf(struct program *p, struct bytes head)
{
	struct elf_facts elf;
	const char *loader;

	elf_read(&elf, head);
	loader = base_name(elf.interpreter);
	if (!elf.is_elf)
		return; /* the kernel knows more formats than we do */
	p->has_asan = memmem(head.ptr, head.len, ASAN_NEEDED, sizeof(ASAN_NEEDED) - 1) != NULL;
	if (!elf.is_64)
		verdict(p, PROGRAM_32_BIT, "");
	else if (elf.machine != elf_own_machine())
		verdict(p, PROGRAM_OTHER_MACHINE, "");
	else if (!elf.is_whole)
		return;
	else if (elf.is_go)
		verdict(p, PROGRAM_GO, "");
	else if (!*loader && !is_loader(base_name(p->path)))
		verdict(p, PROGRAM_STATIC, "");
	else if (strncmp(loader, "ld-musl", 7) == 0)
		verdict(p, PROGRAM_MUSL, "");
	else if (*loader && !is_loader(loader))
		verdict(p, PROGRAM_OTHER_LOADER, elf.interpreter);
}

/* What env(1) will run: behind its options and assignments; empty: none. */
static struct bytes behind_env(struct bytes rest, bool *ret_is_clean)
{
	struct bytes word;

	while (rest.ptr) {
		word = bytes_split(&rest, ' ');
		if (word.len && word.ptr[0] != '-' && !memchr(word.ptr, '=', word.len))
			return word;
		if (bytes_equal(word, BYTES("-")) ||
		    bytes_equal(word, BYTES("--ignore-environment")) ||
		    (word.len > 1 && word.ptr[0] == '-' && word.ptr[1] != '-' &&
		     memchr(word.ptr, 'i', word.len)))
			*ret_is_clean = true;
		/* These take a word along. */
		if (bytes_equal(word, BYTES("-u")) || bytes_equal(word, BYTES("-C")))
			bytes_split(&rest, ' ');
	}
	return (struct bytes){ NULL, 0 };
}

/*
 * "#!/bin/sh -e" or "#!/usr/bin/env -S python3 -u"; false: it is no script, or one of the shell's.
 */
static bool read_script(struct program *p, struct bytes head, char *ret, size_t size)
{
	struct bytes line = { head.ptr, head.len < SCRIPT_LINE_MAX ? head.len : SCRIPT_LINE_MAX };
	struct bytes word, rest;
	bool is_clean = false;

	if (!bytes_start_with(line, BYTES("#!")))
		return false;
	line = bytes_trim(bytes_skip(line, 2));
	rest = bytes_trim(bytes_split(&line, '\n'));
	word = bytes_split(&rest, ' ');
	snprintf(ret, size, "%.*s", (int)word.len, word.ptr);
	if (strcmp(base_name(ret), "env") != 0)
		return true;
	word = behind_env(rest, &is_clean);
	if (is_clean)
		verdict(p, PROGRAM_REFUSES, "clears the environment by env -i");
	if (word.len)
		snprintf(ret, size, "%.*s", (int)word.len, word.ptr);
	return true;
}

/* Returns whether to go on with the interpreter, in ret. */
static bool judge_file(struct program *p, char *ret, size_t size)
{
	char *head = malloc(ELF_HEAD_MAX), how[64];
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = head && fd >= 0 ? read(fd, head, ELF_HEAD_MAX) : -1;
	struct bytes bytes = { head, n > 0 ? (size_t)n : 0 };
	bool is_script = read_script(p, bytes, ret, size);

	for (size_t i = 0; i < ARRAY_LEN(refusing) && p->verdict == PROGRAM_FINE; i++)
		if (strcmp(base_name(p->path), refusing[i].name) == 0)
			verdict(p, PROGRAM_REFUSES, refusing[i].why);
	/* A script's own bits mean nothing to the kernel. */
	if (p->verdict == PROGRAM_FINE && !is_script) {
		if (fd >= 0 && is_privileged(fd, how, sizeof(how)))
			verdict(p, PROGRAM_PRIVILEGED, how);
		else
			judge_elf(p, bytes);
	}
	if (fd >= 0)
		close(fd);
	free(head);
	return is_script && p->verdict == PROGRAM_FINE;
}

void program_judge(struct program *ret, const char *word)
{
	char next[PATH_MAX];

	*ret = (struct program){ 0 };
	judge_found(ret, word, false);
	for (int i = 0; i < SCRIPTS_MAX && ret->verdict == PROGRAM_FINE; i++) {
		if (!judge_file(ret, next, sizeof(next)))
			return;
		judge_found(ret, next, true);
	}
}

const char *program_why(const struct program *p)
{
	static char why[PATH_MAX + 256];

	switch (p->verdict) {
	case PROGRAM_STATIC:
		return "is linked statically: there is no loader that could preload anything";
	case PROGRAM_MUSL:
		return "is linked with musl (Alpine), and libinterspan.so is for glibc";
	case PROGRAM_32_BIT:
		return "is a program of 32 bits, and libinterspan.so is one of 64";
	case PROGRAM_OTHER_MACHINE:
		return "is for another kind of processor";
	case PROGRAM_GO:
		return "is written in Go, which makes its calls without libc: nothing would be "
		       "seen";
	case PROGRAM_OTHER_LOADER:
		snprintf(why, sizeof(why), "is loaded by %s, which is not glibc's", p->detail);
		return why;
	case PROGRAM_PRIVILEGED:
		snprintf(why, sizeof(why), "is %s: the loader ignores LD_PRELOAD", p->detail);
		return why;
	default:
		return p->detail;
	}
}

int program_exit_status(const struct program *p)
{
	return p->verdict == PROGRAM_MISSING ? 127 : 126;
}
