/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <string.h>

#include "stack.h"

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

static void put_place(struct out *o, const struct stack *s, const struct stack_frame *f)
{
	const struct module *m = f->module < s->modules ? &s->module[f->module] : NULL;

	if (m) {
		put(o, m->path.len ? m->path : BYTES("/proc/self/exe"));
		put(o, BYTES("+"));
	}
	put(o, BYTES("0x"));
	put_number(o, f->at, 16);
	if (m && m->id.len)
		put_id(o, m->id);
}

/* A line that does not fit is left out, and so is what follows. */
static struct bytes text_of(struct stacks *to, const struct stack *s)
{
	struct out o = { to->text, sizeof(to->text), 0, false };

	for (uint32_t i = 0; i < s->frames; i++) {
		size_t whole = o.len;
		struct stack_frame f;

		memcpy(&f, s->at + i * sizeof(f), sizeof(f));
		put(&o, i ? BYTES("\n#") : BYTES("#"));
		put_number(&o, i, 10);
		put(&o, BYTES(" "));
		put_place(&o, s, &f);
		if (o.is_full) {
			o.len = whole;
			break;
		}
	}
	return (struct bytes){ o.to, o.len };
}

/* --- attributes --- */

static void attr_add(struct record *r, enum attr key, struct bytes value)
{
	struct item_head head = { ITEM_STR, 0, (uint16_t)key, (uint32_t)value.len };

	if (!value.len || r->head.attrs >= STORE_ATTRS_MAX ||
	    sizeof(head) + value.len > sizeof(r->items) - r->items_len) {
		r->head.dropped_attrs = (uint16_t)(r->head.dropped_attrs + (value.len != 0));
		return;
	}
	memcpy(r->items + r->items_len, &head, sizeof(head));
	memcpy(r->items + r->items_len + sizeof(head), value.ptr, value.len);
	r->items_len += (uint32_t)(sizeof(head) + value.len);
	r->head.attrs++;
}

void stacks_tell(struct stacks *s, struct record *r)
{
	struct item_head head;
	struct stack stack;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value)) {
		if (head.type != ITEM_STACK)
			continue;
		if (stack_read(value, &stack))
			attr_add(r, ATTR_CODE_STACKTRACE, text_of(s, &stack));
		return; /* one is enough */
	}
}
