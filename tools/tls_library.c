/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_library.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler.h"
#include "proc_file.h"

#define FILE_MAX ((off_t)1 << 29)

/* OpenSSL's other half, which has the version. */
#define CRYPTO "libcrypto"

/* Libraries of their own, by the beginning of a file's name; version: what is ahead of it there. */
static const struct {
	const char *file, *name, *version;
	bool is_read;
} by_name[] = {
	{ "libssl3.so", "NSS", NULL, false },
	{ "libssl.", "OpenSSL", "OpenSSL ", true },
	{ "libssl-", "OpenSSL", "OpenSSL ", true },
	{ "libcrypto.", CRYPTO, "OpenSSL ", true },
	{ "libcrypto-", CRYPTO, "OpenSSL ", true },
	{ "libgnutls.", "GnuTLS", "Enabled GnuTLS ", true },
	{ "libgnutls-", "GnuTLS", "Enabled GnuTLS ", true },
	{ "libmbedtls.", "Mbed TLS", NULL, false },
	{ "libwolfssl.", "wolfSSL", NULL, false },
	{ "libs2n.", "s2n-tls", NULL, false },
	{ "libjvm.so", "Java's own", NULL, false },
	{ "libinterspan", NULL, NULL, false }, /* it has one for itself */
};

/* Linked into something else, by what is left of their sources. */
static const struct {
	const char *mark, *name, *version;
} by_content[] = {
	{ "ssl/ssl_lib.cc", "BoringSSL", NULL },
	{ "ssl/ssl_lib.c", "OpenSSL", "OpenSSL " },
	{ "/rustls-", "rustls", "/rustls-" },
	{ "crypto/tls.(*Conn).Handshake", "Go's own", NULL },
};

static const char *find(struct bytes in, const char *what)
{
	return in.len ? memmem(in.ptr, in.len, what, strlen(what)) : NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_number(struct bytes in, size_t at)
{
	while (at < in.len && is_digit(in.ptr[at]))
		at++;
	return at;
}

/* The length of 1.2.3, or of 1.2.3a; 0: it is none. */
static size_t version_len(struct bytes in)
{
	size_t n = 0;

	for (int part = 0; part < 3; part++) {
		size_t end = skip_number(in, n);

		if (end == n || (part < 2 && (end == in.len || in.ptr[end] != '.')))
			return 0;
		n = part < 2 ? end + 1 : end;
	}
	return n + (n < in.len && in.ptr[n] >= 'a' && in.ptr[n] <= 'z');
}

/* Behind the first mark that has one. */
static void read_version(char *to, struct bytes content, const char *mark)
{
	const char *at;
	size_t n = 0;

	while (mark && !n && (at = find(content, mark))) {
		content = bytes_skip(content, (size_t)(at - content.ptr) + strlen(mark));
		n = version_len(content);
	}
	n = n < TLS_VERSION_MAX ? n : 0;
	memcpy(to, content.ptr, n);
	to[n] = '\0';
}

bool tls_library_is(struct bytes path, struct bytes content, struct tls_library *ret)
{
	struct bytes name = path;

	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '/')
			name = bytes_skip(path, i + 1);
	if (path.len >= sizeof(ret->path))
		return false;
	memcpy(ret->path, path.ptr, path.len);
	ret->path[path.len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(by_name); i++)
		if (bytes_start_with(name, bytes_from_str(by_name[i].file))) {
			ret->name = by_name[i].name;
			ret->is_linked_in = false;
			ret->is_read = by_name[i].is_read;
			read_version(ret->version, content, by_name[i].version);
			return ret->name != NULL;
		}
	for (size_t i = 0; i < ARRAY_LEN(by_content); i++)
		if (find(content, by_content[i].mark)) {
			ret->name = by_content[i].name;
			ret->is_linked_in = true;
			ret->is_read = false;
			read_version(ret->version, content, by_content[i].version);
			return true;
		}
	return false;
}

/* Not mapped: whose file it is may cut it short. */
static char *read_file(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat about;
	char *content = NULL;
	ssize_t n = 1;
	size_t len = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
	    about.st_size < FILE_MAX)
		content = malloc((size_t)about.st_size);
	while (content && len < (size_t)about.st_size && n > 0) {
		n = read(fd, content + len, (size_t)about.st_size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	*ret_len = len;
	return content;
}

/* Of another mount namespace, too. */
static bool look(pid_t pid, struct bytes path, struct tls_library *ret)
{
	char full[PATH_MAX + 32];
	size_t len;
	char *content;
	bool is;

	snprintf(full, sizeof(full), "/proc/%d/root%.*s", (int)pid, (int)path.len, path.ptr);
	content = read_file(full, &len);
	if (!content)
		return false;
	is = tls_library_is(path, (struct bytes){ content, len }, ret);
	free(content);
	return is;
}

/* ADDRESSES PERMISSIONS OFFSET DEVICE INODE PATH; a path is told where it holds code. */
static struct bytes path_of(struct bytes line)
{
	struct bytes path = { memchr(line.ptr, '/', line.len), 0 };
	struct bytes words = line;

	bytes_split(&words, ' ');
	if (!path.ptr || words.len < 4 || words.ptr[2] != 'x')
		return (struct bytes){ NULL, 0 };
	path.len = (size_t)(line.ptr + line.len - path.ptr);
	return path;
}

static struct bytes directory_of(const struct tls_library *l)
{
	return (struct bytes){ l->path, (size_t)(strrchr(l->path, '/') - l->path) };
}

static bool is_crypto(const struct tls_library *l)
{
	return strcmp(l->name, CRYPTO) == 0;
}

/* What the one half does not know is the other's, which is beside it and goes. */
static size_t join_halves(struct tls_library *list, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count && !is_crypto(&list[i]); j++)
			if (is_crypto(&list[j]) && !list[i].version[0] &&
			    bytes_equal(directory_of(&list[i]), directory_of(&list[j])))
				memcpy(list[i].version, list[j].version, TLS_VERSION_MAX);
	for (size_t i = 0; i < count; i++)
		if (!is_crypto(&list[i]) && n++ != i)
			list[n - 1] = list[i];
	return n;
}

size_t tls_libraries_of(pid_t pid, struct tls_library *list, size_t max)
{
	struct bytes rest, before = { NULL, 0 };
	struct text maps = { NULL, 0, 0, false };
	size_t n = 0;

	if (proc_read(&maps, pid, "maps") == 0) {
		rest = (struct bytes){ maps.ptr, maps.len };
		while (rest.len && n < max) {
			struct bytes path = path_of(bytes_split(&rest, '\n'));

			if (!path.len || bytes_equal(path, before))
				continue;
			before = path;
			n += look(pid, path, &list[n]);
		}
	}
	text_done(&maps);
	return join_halves(list, n);
}
