/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <string.h>

#include "demangle.h"
#include "rawsys.h"
#include "stack_files.h"

/* One that was read; all borrowed from the record. */
struct stack {
	uint32_t frames;
	uint32_t modules;
	const char *at; /* the first frame: not aligned */
	struct module {
		struct bytes id;
		struct bytes path;
	} module[STACK_MODULES_MAX];
};

/* False: it does not say what it should. */
static bool stack_read(struct bytes value, struct stack *ret)
{
	struct stack_item head;
	struct stack_module m;

	if (value.len < sizeof(head))
		return false;
	memcpy(&head, value.ptr, sizeof(head));
	value = bytes_skip(value, sizeof(head));
	ret->frames = head.frames;
	ret->modules = head.modules;
	ret->at = value.ptr;
	if (head.frames > STACK_FRAMES_MAX || head.modules > STACK_MODULES_MAX ||
	    value.len < head.frames * sizeof(struct stack_frame))
		return false;
	value = bytes_skip(value, head.frames * sizeof(struct stack_frame));
	for (uint32_t i = 0; i < head.modules; i++) {
		if (value.len < sizeof(m))
			return false;
		memcpy(&m, value.ptr, sizeof(m));
		value = bytes_skip(value, sizeof(m));
		if (m.id_len > STACK_ID_MAX || value.len < (size_t)m.id_len + m.path_len)
			return false;
		ret->module[i].id = (struct bytes){ value.ptr, m.id_len };
		ret->module[i].path = (struct bytes){ value.ptr + m.id_len, m.path_len };
		value = bytes_skip(value, (size_t)m.id_len + m.path_len);
	}
	return value.len == 0;
}

static struct stack_frame frame_get(const struct stack *s, uint32_t i)
{
	struct stack_frame f;

	memcpy(&f, s->at + i * sizeof(f), sizeof(f));
	return f;
}

/* NULL: in none. */
static const struct module *module_of(const struct stack *s, const struct stack_frame *f)
{
	return f->module < s->modules ? &s->module[f->module] : NULL;
}

/* --- what is there --- */

static uint64_t hash(uint64_t h, struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (unsigned char)b.ptr[i]) * 0x100000001b3u;
	return h;
}

/* Never 0.  A path alone may be another file's by now: that is as good as it gets. */
static uint64_t file_of(const struct module *m, uint32_t pid)
{
	uint64_t h = hash(hash(0xcbf29ce484222325u, m->id), m->path);

	return (m->id.len || m->path.len ? h : h ^ pid) | 1;
}

static struct code_place *known_find(struct stacks *s, uint64_t file, uint64_t at)
{
	for (uint32_t i = 0; i < STACKS_KNOWN; i++)
		if (s->known[i].file == file && s->known[i].place.at == at)
			return &s->known[i].place;
	return NULL;
}

static void look(struct stacks *s, const struct module *m, size_t n)
{
	char path[STACK_PATH_MAX + 1];

	if (m->path.len) {
		memcpy(path, m->path.ptr, m->path.len);
		path[m->path.len] = 0;
		stack_files_look(path, m->id, s->asked, n);
	} else {
		/* Of a process that has gone the program may be ours: a child that was forked. */
		stack_files_look(s->exe_len ? s->exe : "/proc/self/exe", m->id, s->asked, n);
	}
}

/* The call, not where it returns to, which may be another line, or function. */
static uint64_t call_of(const struct stack_frame *f)
{
	return f->at - 1;
}

static void module_look(struct stacks *s, const struct stack *st, uint32_t number, uint32_t pid)
{
	const struct module *m = &st->module[number];
	uint64_t file = file_of(m, pid);
	size_t n = 0;

	for (uint32_t i = 0; i < st->frames; i++) {
		struct stack_frame f = frame_get(st, i);

		if (f.module == number && !known_find(s, file, call_of(&f)))
			s->asked[n++] = (struct code_place){ .at = call_of(&f) };
	}
	if (n)
		look(s, m, n);
	for (size_t i = 0; i < n; i++)
		s->known[s->next++ % STACKS_KNOWN] = (struct known_place){ file, s->asked[i] };
	for (uint32_t i = 0; i < st->frames; i++) {
		struct stack_frame f = frame_get(st, i);
		const struct code_place *p;

		if (f.module != number)
			continue;
		p = known_find(s, file, call_of(&f));
		if (p)
			s->places[i] = *p;
	}
}

static void exe_find(struct stacks *s, uint32_t pid)
{
	char link[] = "/proc/\0\0\0\0\0\0\0\0\0\0/exe";
	size_t at = sizeof("/proc/") - 1;
	uint32_t scale = 1;
	long n;

	while (pid / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		link[at++] = (char)('0' + pid / scale % 10);
	memcpy(link + at, "/exe", sizeof("/exe"));
	n = raw_readlink(link, s->exe, STACK_PATH_MAX);
	s->exe_len = n > 0 && n < (long)STACK_PATH_MAX ? (size_t)n : 0;
	s->exe[s->exe_len] = 0;
}

static void places_find(struct stacks *s, const struct stack *st, uint32_t pid)
{
	for (uint32_t i = 0; i < st->frames; i++)
		s->places[i] = (struct code_place){ .at = 0 };
	exe_find(s, pid);
	for (uint32_t i = 0; i < st->modules; i++)
		module_look(s, st, i, pid);
}

/* As people write it; a name that is not understood stays as it is. */
static struct bytes name_of(const struct code_place *p, char *buf, size_t cap)
{
	size_t len = demangle(buf, cap, (struct bytes){ p->name, p->name_len });

	return len ? (struct bytes){ buf, len } : (struct bytes){ p->name, p->name_len };
}

/* --- text --- */

struct out {
	char *to;
	size_t cap;
	size_t len;
	bool is_full;
};

static void put(struct out *o, struct bytes text)
{
	if (text.len > o->cap - o->len) {
		o->is_full = true;
		return;
	}
	memcpy(o->to + o->len, text.ptr, text.len);
	o->len += text.len;
}

static void put_number(struct out *o, uint64_t value, unsigned base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put(o, (struct bytes){ digits + at, sizeof(digits) - at });
}

static void put_id(struct out *o, struct bytes id)
{
	char hex[2 * STACK_ID_MAX];

	for (size_t i = 0; i < id.len; i++) {
		hex[2 * i] = "0123456789abcdef"[(unsigned char)id.ptr[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[(unsigned char)id.ptr[i] & 15];
	}
	put(o, BYTES(" (build id "));
	put(o, (struct bytes){ hex, 2 * id.len });
	put(o, BYTES(")"));
}

#define NAME_MAX_SHOWN 1024u

static struct bytes path_of(const struct stacks *s, const struct module *m)
{
	if (m->path.len)
		return m->path;
	return s->exe_len ? (struct bytes){ s->exe, s->exe_len } : BYTES("/proc/self/exe");
}

/* fetch(int)+0x1d at /src/shop.cc:41 (/usr/bin/shop) */
static void put_named(struct out *o, const struct stack_frame *f, struct bytes path,
		      const struct code_place *p)
{
	char buf[NAME_MAX_SHOWN];

	put(o, name_of(p, buf, sizeof(buf)));
	put(o, BYTES("+0x"));
	put_number(o, f->at - p->start, 16);
	if (p->line) {
		put(o, BYTES(" at "));
		put(o, (struct bytes){ p->path, p->path_len });
		put(o, BYTES(":"));
		put_number(o, p->line, 10);
	}
	put(o, BYTES(" ("));
	put(o, path);
	put(o, BYTES(")"));
}

static void put_place(struct out *o, const struct stacks *s, const struct stack *st, uint32_t i)
{
	struct stack_frame f = frame_get(st, i);
	const struct module *m = module_of(st, &f);

	if (m && s->places[i].name_len) {
		put_named(o, &f, path_of(s, m), &s->places[i]);
		return;
	}
	if (m) {
		put(o, path_of(s, m));
		put(o, BYTES("+"));
	}
	put(o, BYTES("0x"));
	put_number(o, f.at, 16);
	if (m && m->id.len)
		put_id(o, m->id);
}

/* A line that does not fit is left out, and so is what follows. */
static struct bytes text_of(struct stacks *to, const struct stack *s)
{
	struct out o = { to->text, sizeof(to->text), 0, false };

	for (uint32_t i = 0; i < s->frames; i++) {
		size_t whole = o.len;

		put(&o, i ? BYTES("\n#") : BYTES("#"));
		put_number(&o, i, 10);
		put(&o, BYTES(" "));
		put_place(&o, to, s, i);
		if (o.is_full) {
			o.len = whole;
			break;
		}
	}
	return (struct bytes){ o.to, o.len };
}

/* --- attributes --- */

static void item_add(struct record *r, enum item_type type, enum attr key, struct bytes value)
{
	struct item_head head = { (uint8_t)type, 0, (uint16_t)key, (uint32_t)value.len };

	if (r->head.attrs >= STORE_ATTRS_MAX ||
	    sizeof(head) + value.len > sizeof(r->items) - r->items_len) {
		r->head.dropped_attrs++;
		return;
	}
	memcpy(r->items + r->items_len, &head, sizeof(head));
	memcpy(r->items + r->items_len + sizeof(head), value.ptr, value.len);
	r->items_len += (uint32_t)(sizeof(head) + value.len);
	r->head.attrs++;
}

/* Libraries that many programs make their calls through. */
static const char libraries[][16] = {
	"libc.so.",   "libc-2.",   "ld-linux-",  "libpthread",     "libstdc++.so.", "libgcc_s.so.",
	"linux-vdso", "libcurl",   "libssl.so.", "libcrypto.so.",  "libgnutls",     "libnghttp",
	"libpq.so.",  "libssh",    "libuv.so.",  "libglib-2.0.",   "libgio-2.0.",   "libsoup-",
	"libneon",    "libserf-1", "libapr",     "libmysqlclient", "libmariadb",    "libhiredis",
	"libevent",   "libev.so.", "libm.so.",   "libinterspan",
};

static bool is_library(struct bytes path)
{
	for (size_t i = path.len; i--;)
		if (path.ptr[i] == '/') {
			path = bytes_skip(path, i + 1);
			break;
		}
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (bytes_start_with(path, bytes_from_str(libraries[i])))
			return true;
	return false;
}

/* Of the first frame that is nobody else's. */
static void caller_tell(struct record *r, const struct stacks *s, const struct stack *st)
{
	char buf[NAME_MAX_SHOWN];

	for (uint32_t i = 0; i < st->frames; i++) {
		const struct code_place *p = &s->places[i];
		struct stack_frame f = frame_get(st, i);
		const struct module *m = module_of(st, &f);
		int64_t line = p->line;

		if (!m || is_library(m->path))
			continue;
		if (p->name_len)
			item_add(r, ITEM_STR, ATTR_CODE_FUNCTION_NAME,
				 name_of(p, buf, sizeof(buf)));
		if (p->path_len)
			item_add(r, ITEM_STR, ATTR_CODE_FILE_PATH,
				 (struct bytes){ p->path, p->path_len });
		if (line)
			item_add(r, ITEM_INT, ATTR_CODE_LINE_NUMBER,
				 (struct bytes){ (const char *)&line, sizeof(line) });
		return;
	}
}

void stacks_tell(struct stacks *s, struct record *r)
{
	struct item_head head;
	struct stack stack;
	struct bytes value;
	size_t at = 0;

	if (LIKELY(!(r->types & 1u << ITEM_STACK)))
		return;
	while (record_next(r, &at, &head, &value)) {
		if (head.type != ITEM_STACK)
			continue;
		if (stack_read(value, &stack) && stack.frames) {
			places_find(s, &stack, r->head.pid);
			item_add(r, ITEM_STR, ATTR_CODE_STACKTRACE, text_of(s, &stack));
			caller_tell(r, s, &stack);
		}
		return; /* one is enough */
	}
}
