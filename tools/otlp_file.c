/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "http_body.h"

/* What a line may take when decoded, besides its text. */
#define DECODE_MAX ((size_t)256 << 20)

#define BLOCK 65536

struct reader {
	const struct otlp_file_calls *calls;
	struct body line;
	uint64_t number;  /* of the line, from 1 */
	bool is_too_long; /* until its end it is skipped */
};

static void take_line(struct reader *r)
{
	struct bytes text = { r->line.ptr ? r->line.ptr : "", r->line.len };
	struct otlp_batch batch;
	const char *why = "";

	r->number++;
	while (text.len && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == ' '))
		text.len--;
	if (r->is_too_long)
		r->calls->refused(r->calls->data, r->number, "the line is longer than 64 MiB");
	r->line.len = 0;
	if (r->is_too_long || !text.len) {
		r->is_too_long = false;
		return;
	}
	otlp_batch_init(&batch, DECODE_MAX);
	if (otlp_decode_json(&batch, text, &why) == OTLP_GOOD)
		r->calls->accepted(r->calls->data, &batch);
	else
		r->calls->refused(r->calls->data, r->number, why);
	otlp_batch_done(&batch);
}

static void take_block(struct reader *r, struct bytes block)
{
	while (block.len) {
		const char *end = memchr(block.ptr, '\n', block.len);
		size_t n = end ? (size_t)(end - block.ptr) : block.len;

		if (!r->is_too_long &&
		    body_add(&r->line, (struct bytes){ block.ptr, n }) != BODY_GOOD) {
			r->is_too_long = true;
			body_done(&r->line);
		}
		if (end)
			take_line(r);
		block = bytes_skip(block, end ? n + 1 : n);
	}
}

int otlp_file_read(const char *path, const struct otlp_file_calls *calls)
{
	struct reader r = { .calls = calls };
	static char block[BLOCK];
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	gzFile file = fd < 0 ? NULL : gzdopen(fd, "rb");
	int n, error = 0;

	if (!file) {
		error = fd < 0 ? -errno : -ENOMEM;
		if (fd >= 0)
			close(fd);
		return error;
	}
	/* Plain text passes through as it is. */
	while ((n = gzread(file, block, sizeof(block))) > 0)
		take_block(&r, (struct bytes){ block, (size_t)n });
	if (r.line.len || r.is_too_long)
		take_line(&r);
	if (n < 0) {
		gzerror(file, &error);
		error = error == Z_ERRNO ? -errno : -EIO;
	}
	body_done(&r.line);
	if (gzclose_r(file) == Z_BUF_ERROR && !error)
		error = -EIO; /* it ends too early */
	return error;
}
