/* SPDX-License-Identifier: Apache-2.0 */
#include "sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "proc_file.h"

#define TCP_ESTABLISHED 1u
#define TCP_SYN_SENT 2u
#define TCP_FIN_WAIT1 4u
#define TCP_FIN_WAIT2 5u
#define TCP_CLOSE_WAIT 8u
#define TCP_LISTEN 10u
#define UNIX_CONNECTING 2u
#define UNIX_CONNECTED 3u
#define UNIX_LISTENS 0x10000u /* flag */

/* All that are held, in the order of their inodes. */
struct held {
	struct held_socket *list;
	size_t count, max;
};

static int compare(const void *a, const void *b)
{
	const struct held_socket *x = a, *y = b;

	return x->inode != y->inode ? (x->inode < y->inode ? -1 : 1) : x->fd - y->fd;
}

static void collect(struct held *h, pid_t pid)
{
	char path[320], link[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && h->count < h->max && (e = readdir(dir))) {
		struct held_socket *s = &h->list[h->count];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		*s = (struct held_socket){ .fd = atoi(e->d_name) };
		h->count += sscanf(link, "socket:[%lu]", &s->inode) == 1;
	}
	if (dir)
		closedir(dir);
	qsort(h->list, h->count, sizeof(*h->list), compare);
}

/* The first of those that lead to it; NULL: none does. */
static struct held_socket *find(const struct held *h, unsigned long inode)
{
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t at = (low + high) / 2;

		if (h->list[at].inode < inode)
			low = at + 1;
		else
			high = at;
	}
	return low < h->count && h->list[low].inode == inode ? &h->list[low] : NULL;
}

/* "0100007F:1F90": each four bytes are a number of this machine. */
static void read_end(struct socket_end *ret, const char *text)
{
	unsigned char bytes[16] = { 0 };
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

/* False: it is none that we tell of. */
static bool tcp_state(unsigned state, enum socket_state *ret)
{
	switch (state) {
	case TCP_LISTEN:
		*ret = SOCKET_LISTENS;
		return true;
	case TCP_ESTABLISHED:
		*ret = SOCKET_OPEN;
		return true;
	case TCP_SYN_SENT:
		*ret = SOCKET_CONNECTING;
		return true;
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSE_WAIT:
		*ret = SOCKET_CLOSING;
		return true;
	default:
		return false;
	}
}

/* Keeps what is known of a socket with each descriptor of it. */
static void keep(const struct held *h, unsigned long inode, const struct held_socket *known)
{
	struct held_socket *s = find(h, inode);

	for (; s && s < h->list + h->count && s->inode == inode; s++) {
		s->is_known = true;
		s->state = known->state;
		s->here = known->here;
		s->there = known->there;
	}
}

static void tcp_line(const struct held *h, const char *line)
{
	struct held_socket known = { 0 };
	char here[64], there[64];
	unsigned long inode;
	unsigned state;

	if (sscanf(line, " %*d: %63s %63s %x %*s %*s %*s %*u %*u %lu", here, there, &state,
		   &inode) != 4 ||
	    !find(h, inode) || !tcp_state(state, &known.state))
		return;
	read_end(&known.here, here);
	if (known.state != SOCKET_LISTENS)
		read_end(&known.there, there);
	keep(h, inode, &known);
}

static void unix_line(const struct held *h, const char *line)
{
	struct held_socket known = { 0 };
	unsigned flags, type, state;
	unsigned long inode;
	int at = 0;

	if (sscanf(line, "%*[^:]: %*x %*x %x %x %x %lu%n", &flags, &type, &state, &inode, &at) !=
		    4 ||
	    !at || type != SOCK_STREAM || !find(h, inode))
		return;
	if (flags & UNIX_LISTENS)
		known.state = SOCKET_LISTENS;
	else if (state == UNIX_CONNECTING)
		known.state = SOCKET_CONNECTING;
	else if (state != UNIX_CONNECTED)
		return;
	if (line[at] == ' ')
		snprintf(known.here.address, sizeof(known.here.address), "%s", line + at + 1);
	keep(h, inode, &known);
}

static void read_table(const struct held *h, pid_t pid, const char *table,
		       void (*take)(const struct held *, const char *))
{
	struct text file = { 0 };
	struct bytes rest;

	(void)proc_read(&file, pid, table);
	rest = (struct bytes){ file.ptr, file.len };
	while (rest.len) {
		struct bytes line = bytes_split(&rest, '\n');
		char copy[256];

		snprintf(copy, sizeof(copy), "%.*s", (int)line.len, line.ptr);
		take(h, copy);
	}
	text_done(&file);
}

size_t sockets_of(pid_t pid, struct held_socket *list, size_t max)
{
	struct held h = { .list = list, .max = max };
	size_t kept = 0;

	collect(&h, pid);
	read_table(&h, pid, "net/tcp", tcp_line);
	read_table(&h, pid, "net/tcp6", tcp_line);
	read_table(&h, pid, "net/unix", unix_line);
	for (size_t i = 0; i < h.count; i++)
		if (list[i].is_known)
			list[kept++] = list[i];
	return kept;
}
