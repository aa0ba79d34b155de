/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd was told to forbid the service of a process: read from its unit's files. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "doctor.h"
#include "proc_file.h"

#define UNIT_MAX 256

/* Where systemd looks, the first one first. */
static const char *const places[] = { "/etc/systemd/system", "/run/systemd/system",
				      "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
				      "/lib/systemd/system" };

/* The last assignment counts, but for families, which are gathered. */
struct limits {
	char families[512]; /* as written; empty: no limit */
	bool has_private_network, denies_addresses;
};

/* The innermost unit that the process is in: "shop.service". */
static bool unit_of(pid_t pid, char *ret, size_t size)
{
	struct text groups = { 0 };
	struct bytes rest;
	bool is_found = false;

	(void)proc_read(&groups, pid, "cgroup");
	rest = (struct bytes){ groups.ptr, groups.len };
	while (rest.len && !is_found) {
		struct bytes line = bytes_split(&rest, '\n');

		while (line.len) {
			struct bytes part = bytes_split(&line, '/');

			if (part.len <= 8 || part.len >= size ||
			    memcmp(part.ptr + part.len - 8, ".service", 8) != 0)
				continue;
			snprintf(ret, size, "%.*s", (int)part.len, part.ptr);
			is_found = true;
		}
	}
	text_done(&groups);
	return is_found;
}

static bool is_yes(struct bytes value)
{
	return bytes_equal_nocase(value, BYTES("yes")) ||
	       bytes_equal_nocase(value, BYTES("true")) || bytes_equal_nocase(value, BYTES("on")) ||
	       bytes_equal(value, BYTES("1"));
}

static void directive(struct limits *l, struct bytes key, struct bytes value)
{
	if (bytes_equal(key, BYTES("PrivateNetwork"))) {
		l->has_private_network = is_yes(value);
	} else if (bytes_equal(key, BYTES("IPAddressDeny"))) {
		l->denies_addresses = value.len > 0;
	} else if (bytes_equal(key, BYTES("RestrictAddressFamilies"))) {
		size_t at = value.len ? strlen(l->families) : 0;

		snprintf(l->families + at, sizeof(l->families) - at, "%s%.*s", at ? " " : "",
			 (int)value.len, value.ptr);
	}
}

static void read_unit(struct limits *l, const char *path)
{
	struct text file = { 0 };
	struct bytes rest;

	if (file_read(&file, path) < 0)
		return;
	rest = (struct bytes){ file.ptr, file.len };
	while (rest.len) {
		struct bytes value = bytes_trim(bytes_split(&rest, '\n'));
		struct bytes key = bytes_trim(bytes_split(&value, '='));

		directive(l, key, bytes_trim(value));
	}
	text_done(&file);
}

static void read_drop_ins(struct limits *l, const char *directory)
{
	struct dirent **files;
	int n = scandir(directory, &files, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX + 512];
		size_t len = strlen(files[i]->d_name);

		if (len > 5 && strcmp(files[i]->d_name + len - 5, ".conf") == 0) {
			snprintf(path, sizeof(path), "%s/%s", directory, files[i]->d_name);
			read_unit(l, path);
		}
		free(files[i]);
	}
	if (n >= 0)
		free(files);
}

/* "shop@1.service" is made from "shop@.service". */
static void template_of(const char *unit, char *ret, size_t size)
{
	size_t at = strcspn(unit, "@");

	snprintf(ret, size, "%.*s%s", (int)at, unit, unit[at] ? "@.service" : "");
}

static void read_all(struct limits *l, const char *unit)
{
	bool is_read = false;
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], unit);
		if (!is_read && access(path, R_OK) == 0) {
			read_unit(l, path);
			is_read = true;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s/%s.d", places[i], unit);
		read_drop_ins(l, path);
	}
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ' || at[-1] == '~') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/* A list of what is allowed, or with ~ of what is not; the first one says which. */
static bool is_family_allowed(const char *list, const char *family)
{
	return !*list || has_word(list, family) == (*list != '~');
}

static bool is_local_socket(struct bytes env)
{
	struct bytes to = env_find(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");

	if (!to.len)
		to = env_find(env, "OTEL_EXPORTER_OTLP_ENDPOINT");
	return bytes_start_with(to, BYTES("unix:"));
}

static void judge(struct diagnosis *d, const struct limits *l, const char *unit, bool is_local)
{
	bool may = is_local ? is_family_allowed(l->families, "AF_UNIX") :
			      is_family_allowed(l->families, "AF_INET") ||
				      is_family_allowed(l->families, "AF_INET6");

	if (!may) {
		diagnose(d, LEVEL_BAD, "unit-families",
			 "its unit forbids it the sockets that spans would be sent by");
		diagnosis_seen(d, "RestrictAddressFamilies=%s of %s", l->families, unit);
		diagnosis_remedy(d, "a drop-in with RestrictAddressFamilies=%s, and restart it",
				 is_local ? "AF_UNIX" : "AF_INET AF_INET6");
	}
	if (l->has_private_network && !is_local) {
		diagnose(d, LEVEL_BAD, "unit-network",
			 "its unit gives it a network of its own: nobody outside is in it");
		diagnosis_seen(d, "PrivateNetwork=yes of %s", unit);
		diagnosis_remedy(d, "OTEL_EXPORTER_OTLP_ENDPOINT=unix:///PATH of a receiver's "
				    "socket, or a drop-in with PrivateNetwork=no");
	}
	if (l->denies_addresses && !is_local) {
		diagnose(d, LEVEL_NOTE, "unit-addresses",
			 "its unit denies it addresses: the endpoint's may be one of them");
		diagnosis_seen(d, "IPAddressDeny= of %s", unit);
		diagnosis_remedy(d, "a drop-in with IPAddressAllow= and the endpoint's");
	}
}

void doctor_unit(struct diagnosis *d, pid_t pid, struct bytes env)
{
	struct limits limits = { 0 };
	char unit[UNIT_MAX], template[UNIT_MAX + 16];

	if (!unit_of(pid, unit, sizeof(unit)))
		return;
	template_of(unit, template, sizeof(template));
	if (strcmp(template, unit) != 0)
		read_all(&limits, template);
	read_all(&limits, unit);
	judge(d, &limits, unit, is_local_socket(env));
}
