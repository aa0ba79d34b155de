/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections does a process hold, and what was made of those that it has had? */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "doctor.h"
#include "proc_file.h"
#include "status_read.h"

#define HELD_MAX 4096
#define SHOWN_MAX 6

#define TCP_IS_ESTABLISHED 1
#define TCP_LISTENS 10

struct held {
	unsigned long inodes[HELD_MAX];
	size_t count;
};

struct end {
	char address[INET6_ADDRSTRLEN + 2];
	unsigned port;
};

struct tcp {
	struct end here, there;
	unsigned state;
};

struct seen {
	struct tcp list[HELD_MAX];
	size_t count;
};

static void collect(struct held *h, pid_t pid)
{
	char path[320], link[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && h->count < HELD_MAX && (e = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		h->count += sscanf(link, "socket:[%lu]", &h->inodes[h->count]) == 1;
	}
	if (dir)
		closedir(dir);
}

static bool is_held(const struct held *h, unsigned long inode)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->inodes[i] == inode)
			return true;
	return false;
}

/* "0100007F:1F90": each four bytes are a number of this machine. */
static void read_end(struct end *ret, const char *text)
{
	unsigned char bytes[16];
	size_t words = strcspn(text, ":") / 8;

	for (size_t i = 0; i < words && i < 4; i++) {
		unsigned word = 0;

		sscanf(text + i * 8, "%8x", &word);
		memcpy(bytes + i * 4, &word, 4);
	}
	ret->address[0] = '[';
	inet_ntop(words == 4 ? AF_INET6 : AF_INET, bytes, ret->address + (words == 4),
		  INET6_ADDRSTRLEN);
	if (words == 4)
		strcat(ret->address, "]");
	ret->port = (unsigned)strtoul(text + strcspn(text, ":") + 1, NULL, 16);
}

static void read_table(struct seen *s, const struct held *h, pid_t pid, const char *table)
{
	struct text file = { 0 };
	struct bytes rest;

	(void)proc_read(&file, pid, table);
	rest = (struct bytes){ file.ptr, file.len };
	while (rest.len && s->count < HELD_MAX) {
		struct bytes line = bytes_split(&rest, '\n');
		char copy[256], here[64], there[64];
		struct tcp *t = &s->list[s->count];
		unsigned long inode;

		snprintf(copy, sizeof(copy), "%.*s", (int)line.len, line.ptr);
		if (sscanf(copy, " %*d: %63s %63s %x %*s %*s %*s %*u %*u %lu", here, there,
			   &t->state, &inode) != 4 ||
		    !is_held(h, inode))
			continue;
		read_end(&t->here, here);
		read_end(&t->there, there);
		s->count++;
	}
	text_done(&file);
}

/* Its own port is one that it, or who started it, listens on. */
static bool is_served(const struct seen *s, const struct tcp *t)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].state == TCP_LISTENS && s->list[i].here.port == t->here.port)
			return true;
	return false;
}

static void show(struct text *to, const struct seen *s)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct tcp *t = &s->list[i];
		const char *sep = shown ? ", " : "";

		if (t->state != TCP_LISTENS && t->state != TCP_IS_ESTABLISHED)
			continue;
		if (shown == SHOWN_MAX)
			more++;
		else if (t->state == TCP_LISTENS)
			text_printf(to, "%slistens on %s:%u", sep, t->here.address, t->here.port);
		else
			text_printf(to, "%s%s %s:%u", sep, is_served(s, t) ? "serves" : "asks",
				    t->there.address, t->there.port);
		shown += shown < SHOWN_MAX;
	}
	if (more)
		text_printf(to, ", and %zu more", more);
}

/* What has become of all that it has ever had. */
static void show_fates(struct text *to, struct bytes words)
{
	static const struct {
		const char *counter, *what;
	} fates[] = {
		{ "connections_http1", "HTTP/1" },
		{ "connections_http2", "HTTP/2" },
		{ "connections_tls", "inside TLS, read" },
		{ "connections_tls_unread", "TLS of a library that is not read" },
		{ "connections_blind", "given up" },
		{ "connections_otlp", "telemetry" },
		{ "connections_opaque", "not understood" },
	};
	bool is_any = false;

	for (size_t i = 0; i < ARRAY_LEN(fates); i++) {
		uint64_t n = status_number(words, fates[i].counter);

		if (i == ARRAY_LEN(fates) - 1) /* those two are among them */
			n -= status_number(words, "connections_http2") +
			     status_number(words, "connections_tls_unread");
		if (n && n <= INT64_MAX)
			text_printf(to, "%s%llu %s",
				    is_any  ? ", " :
				    to->len ? "; of all so far: " :
					      "of all so far: ",
				    (unsigned long long)n, fates[i].what);
		is_any |= n && n <= INT64_MAX;
	}
}

void doctor_sockets(struct diagnosis *d, pid_t pid, struct bytes words)
{
	static struct held held;
	static struct seen seen;
	struct text text = { 0 };

	held.count = seen.count = 0;
	collect(&held, pid);
	read_table(&seen, &held, pid, "net/tcp");
	read_table(&seen, &held, pid, "net/tcp6");
	show(&text, &seen);
	show_fates(&text, words);
	if (text.len) {
		diagnose(d, LEVEL_OK, "connections", "it has connections, or had some");
		diagnosis_seen(d, "%.*s", (int)text.len, text.ptr);
	}
	text_done(&text);
}
