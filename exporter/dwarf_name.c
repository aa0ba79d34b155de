/* SPDX-License-Identifier: Apache-2.0 */
/* Names of source files in .debug_line. */
#include "dwarf_impl.h"

#define FORMATS_MAX 8u

enum { LNCT_PATH = 1, LNCT_DIRECTORY_INDEX };

enum {
	FORM_DATA2 = 0x05,
	FORM_DATA4 = 0x06,
	FORM_DATA8 = 0x07,
	FORM_STRING = 0x08,
	FORM_BLOCK = 0x09,
	FORM_DATA1 = 0x0b,
	FORM_STRP = 0x0e,
	FORM_UDATA = 0x0f,
	FORM_DATA16 = 0x1e,
	FORM_LINE_STRP = 0x1f,
};

struct path {
	char *to;
	size_t cap;
	size_t len;
};

static void path_add(struct path *p, const char *from, size_t len)
{
	if (len > p->cap - p->len)
		len = p->cap - p->len;
	memcpy(p->to + p->len, from, len);
	p->len += len;
}

/* DWARF 2 to 4: lists that end with an empty text, numbered from 1. */
static size_t old_directory(struct reader *r, uint64_t wanted, char *to, size_t cap)
{
	char unused[1], *at;
	size_t n;

	for (uint64_t i = 1; !r->is_over; i++) {
		at = i == wanted ? to : unused;
		n = get_text(r, at, i == wanted ? cap : sizeof(unused));
		if (i == wanted && n)
			return n;
		if (!n)
			break;
	}
	return 0;
}

static void old_file(const struct code_file *file, const struct unit *u, uint64_t wanted,
		     struct path *ret)
{
	struct reader r;
	char name[256];
	size_t len = 0;
	uint64_t directory = 0;

	reader_init(&r, file, u->start, u->program);
	(void)old_directory(&r, 0, NULL, 0);
	for (uint64_t i = 1; i <= wanted && !r.is_over; i++) {
		len = get_text(&r, name, sizeof(name));
		if (!len)
			return;
		directory = get_uleb(&r);
		(void)get_uleb(&r);
		(void)get_uleb(&r);
	}
	if (directory && len && name[0] != '/') {
		reader_init(&r, file, u->start, u->program);
		ret->len = old_directory(&r, directory, ret->to, ret->cap);
		if (ret->len)
			path_add(ret, "/", 1);
	}
	path_add(ret, name, len);
}

struct formats {
	uint8_t n;
	struct {
		uint64_t what, form;
	} at[FORMATS_MAX];
};

static bool formats_read(struct reader *r, struct formats *ret)
{
	ret->n = get1(r);
	if (ret->n > FORMATS_MAX)
		return false;
	for (unsigned i = 0; i < ret->n; i++) {
		ret->at[i].what = get_uleb(r);
		ret->at[i].form = get_uleb(r);
	}
	return !r->is_over;
}

/* One value: a number, or a text of which cap bytes are kept.  False: not understood. */
static bool value_read(struct reader *r, const struct unit *u, uint64_t form, uint64_t *number,
		       struct path *text)
{
	struct code_part part = { 0, 0 };
	size_t len;

	switch (form) {
	case FORM_DATA1:
		*number = get(r, 1);
		return true;
	case FORM_DATA2:
		*number = get(r, 2);
		return true;
	case FORM_DATA4:
		*number = get(r, 4);
		return true;
	case FORM_DATA8:
		*number = get(r, 8);
		return true;
	case FORM_UDATA:
		*number = get_uleb(r);
		return true;
	case FORM_DATA16:
		skip(r, 16);
		return true;
	case FORM_BLOCK:
		skip(r, get_uleb(r));
		return true;
	case FORM_STRING:
		text->len = get_text(r, text->to, text->cap);
		return true;
	case FORM_STRP:
		part = r->file->str;
		break;
	case FORM_LINE_STRP:
		part = r->file->line_str;
		break;
	default:
		return false;
	}
	*number = get(r, u->offset_bytes);
	if (!text->cap) /* nobody wants it */
		return true;
	len = code_text(r->file, part, *number, text->to, text->cap);
	text->len = len;
	return true;
}

/*
 * Entry number wanted of a table of DWARF 5; r is behind the table afterwards, or (false) nowhere.
 */
static bool entry_read(struct reader *r, const struct unit *u, uint64_t wanted, struct path *name,
		       uint64_t *directory)
{
	struct formats formats;
	uint64_t count;

	if (!formats_read(r, &formats))
		return false;
	count = get_uleb(r);
	for (uint64_t i = 0; i < count && !r->is_over && formats.n; i++)
		for (unsigned j = 0; j < formats.n; j++) {
			struct path none = { NULL, 0, 0 };
			bool is_name = i == wanted && formats.at[j].what == LNCT_PATH;
			uint64_t number = 0;

			if (!value_read(r, u, formats.at[j].form, &number, is_name ? name : &none))
				return false;
			if (i == wanted && formats.at[j].what == LNCT_DIRECTORY_INDEX)
				*directory = number;
		}
	return !r->is_over;
}

static void new_file(const struct code_file *file, const struct unit *u, uint64_t wanted,
		     struct path *ret)
{
	char text[256];
	struct path name = { text, sizeof(text), 0 }, none = { NULL, 0, 0 };
	uint64_t directory = UINT64_MAX, unused;
	struct reader r;

	reader_init(&r, file, u->start, u->program);
	if (!entry_read(&r, u, UINT64_MAX, &none, &unused) ||
	    !entry_read(&r, u, wanted, &name, &directory))
		return;
	if (name.len && text[0] != '/' && directory != UINT64_MAX) {
		reader_init(&r, file, u->start, u->program);
		if (!entry_read(&r, u, directory, ret, &unused))
			ret->len = 0;
		if (ret->len)
			path_add(ret, "/", 1);
	}
	path_add(ret, text, name.len);
}

size_t dwarf_name(const struct code_file *f, const struct unit *u, uint64_t number, char *to,
		  size_t cap)
{
	struct path path = { to, cap, 0 };

	if (u->version == 5)
		new_file(f, u, number, &path);
	else
		old_file(f, u, number, &path);
	return path.len;
}
