/* SPDX-License-Identifier: Apache-2.0 */
#include "native_frame.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "elf_symbol.h"

/* The same few places come again and again; a symbol table is read once for each of them. */
#define CACHE_SIZE 64u

static struct cached {
	char key[PATH_MAX + 128];  /* the frame */
	char name[ELF_SYMBOL_MAX]; /* empty: it is not known */
} * cache;
static uint32_t cached;

static bool has(struct bytes s, const char *part)
{
	return memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

/* The first that is not in a library, without its number. */
static struct bytes choose(struct bytes stack)
{
	struct bytes first = { NULL, 0 };

	while (stack.ptr) {
		struct bytes frame = bytes_trim(bytes_split(&stack, '\n'));

		bytes_split(&frame, ' ');
		if (!frame.ptr || !frame.len)
			continue;
		if (!first.len)
			first = frame;
		if (!has(frame, ".so"))
			return frame;
	}
	return first;
}

/* Files are only asked on the host that the span is of: elsewhere they are others. */
static bool is_here(const struct otlp_span *s)
{
	struct bytes host = otlp_find_text(&s->resource->attrs, "host.name");
	char own[256];

	return gethostname(own, sizeof(own)) == 0 && bytes_equal(host, bytes_from_str(own));
}

static struct bytes build_id_of(struct bytes rest)
{
	if (!bytes_start_with(rest, BYTES("(build id ")))
		return (struct bytes){ NULL, 0 };
	rest = bytes_skip(rest, 10);
	return bytes_split(&rest, ')');
}

/* Empty: it is not known.  The address is that behind the call. */
static const char *look_up(const char *path, uint64_t address, struct bytes build_id)
{
	char key[sizeof(cache->key)];
	struct cached *c;

	snprintf(key, sizeof(key), "%.*s %llx %s", (int)build_id.len,
		 build_id.ptr ? build_id.ptr : "", (unsigned long long)address, path);
	if (!cache)
		cache = calloc(CACHE_SIZE, sizeof(*cache));
	if (!cache)
		return "";
	for (uint32_t i = 0; i < CACHE_SIZE; i++)
		if (strcmp(cache[i].key, key) == 0)
			return cache[i].name;
	c = &cache[cached++ % CACHE_SIZE];
	memcpy(c->key, key, sizeof(key));
	if (!address || !elf_symbol_find(path, build_id, address - 1, c->name))
		*c->name = '\0';
	return c->name;
}

void native_frame(struct text *to, const struct otlp_span *s, struct bytes stack)
{
	struct bytes rest = choose(stack), place = bytes_split(&rest, ' ');
	struct bytes exe = otlp_find_text(&s->resource->attrs, "process.executable.path");
	const char *plus = place.len ? memrchr(place.ptr, '+', place.len) : NULL;
	struct bytes file = { place.ptr, plus ? (size_t)(plus - place.ptr) : place.len };
	char path[PATH_MAX], address[32] = "";
	const char *name = "";

	if (exe.len && bytes_equal(file, BYTES("/proc/self/exe")))
		file = exe;
	snprintf(path, sizeof(path), "%.*s", (int)file.len, file.ptr ? file.ptr : "");
	if (plus)
		snprintf(address, sizeof(address), "%.*s", (int)(place.ptr + place.len - plus - 1),
			 plus + 1);
	if (plus && *path == '/' && is_here(s))
		name = look_up(path, strtoull(address, NULL, 16), build_id_of(rest));
	if (*name) {
		text_add_str(to, name);
		text_add_str(to, " in ");
	}
	text_add(to, file);
	if (plus && !*name) {
		text_add_char(to, '+');
		text_add_str(to, address);
	}
}
