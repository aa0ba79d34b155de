/* SPDX-License-Identifier: Apache-2.0 */
/* What a process has left in the spool, whole and torn. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "spool_read.h"
#include "stats.h"
#include "store_block.h"

#define FINISHED 70 /* more than a word of the maps */
#define TORN 400
#define LONG 3000 /* of a value: it goes on in other slots */

static char directory[] = "/tmp/interspan-spool-XXXXXX";
static char setting[64];
static struct spool_reader reader;
static struct record record;
static struct store mine;
static unsigned char *whole;
static size_t whole_len;

static int setup(void **state)
{
	char *envp[] = { setting, (char[]){ "OTEL_BSP_MAX_QUEUE_SIZE=512" }, NULL };

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(setting, sizeof(setting), "OTEL_INTERSPAN_SPOOL=%s", directory);
	config_load(envp);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(whole);
	return rmdir(directory);
}

static void path_of(const char *name, char path[static 128])
{
	snprintf(path, 128, "%s/%s", directory, name);
}

/* Finished spans, an open one with a long value, one that is not to be told; and it is killed. */
static void leave(void)
{
	static char value[LONG];
	pid_t child = fork();
	int status;

	if (child == 0) {
		memset(value, 'v', sizeof(value));
		for (int i = 0; i < FINISHED; i++) {
			struct span *s = span_start(SPAN_CLIENT, NULL);

			span_set_name(s, BYTES("GET"));
			if (i % 10 == 0)
				span_set_str(s, ATTR_URL_FULL, (struct bytes){ value, LONG });
			span_end(s);
		}
		span_set_str(span_start(SPAN_SERVER, NULL), ATTR_URL_PATH,
			     (struct bytes){ value, LONG });
		span_exclude(span_start(SPAN_SERVER, NULL));
		signal(SIGKILL, SIG_DFL);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static struct bytes error_of(const struct record *r)
{
	struct bytes value, error = { NULL, 0 };
	struct item_head head;
	size_t at = 0;

	while (record_next(r, &at, &head, &value))
		if (head.type == ITEM_STR && head.key == ATTR_ERROR_TYPE)
			error = value;
	assert_int_equal(at, r->items_len);
	return error;
}

/* All that the files hold; how many of them. */
static uint32_t read_all(size_t *ret_records, size_t *ret_open)
{
	uint32_t index[64], files = 0;
	size_t n;

	*ret_records = *ret_open = 0;
	spool_begin(&reader);
	spool_scan(&reader);
	while (spool_next(&reader)) {
		files++;
		while ((n = spool_take(&reader, &mine, index, 64)) != 0)
			for (size_t i = 0; i < n; i++) {
				if (!spool_record(&reader, index[i], &record))
					continue;
				*ret_records += 1;
				*ret_open += error_of(&record).len > 0;
			}
	}
	return files;
}

static void put(const char *name, const void *from, size_t len)
{
	char path[128];
	int fd;

	path_of(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, from, len), len);
	close(fd);
}

static void test_spool_tells_what_was_left(void **state)
{
	size_t records, open;

	(void)state;
	leave();
	atomic_store(&mine.in_hand, 0);
	assert_int_equal(read_all(&records, &open), 1);
	assert_int_equal(records, FINISHED + 1);
	assert_int_equal(open, 1);
	assert_int_equal(atomic_load(&mine.in_hand), FINISHED + 1);
	assert_int_equal(stats_read(STAT_SPANS_LEFT), FINISHED + 1);
	assert_int_equal(stats_read(STAT_SPANS_ORPHANED), 1);
	assert_int_equal(read_all(&records, &open), 0); /* once */
}

/* A finished span, of whose items the store has one, by the number 0. */
static void leave_block(struct bytes text)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct span *s = span_start(SPAN_CLIENT, NULL);
		struct store_block *b = store_block(store_get(), 0);
		struct item_head head = { ITEM_STR, 0, ATTR_ERROR_TYPE, (uint32_t)text.len };

		memcpy(b->items, &head, sizeof(head));
		memcpy(b->items + sizeof(head), text.ptr, text.len);
		b->len = (uint32_t)(sizeof(head) + text.len);
		b->state = BLOCK_READY;
		head = (struct item_head){ .type = ITEM_BLOCK };
		memcpy(span_data(s), &head, sizeof(head));
		s->used = sizeof(head);
		s->attrs = 1;
		span_end(s);
		signal(SIGKILL, SIG_DFL);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

/* What its spans have in common is in the same file: what is in another is another's. */
static void test_spool_has_what_spans_share(void **state)
{
	uint32_t index[64];
	unsigned seen = 0;

	(void)state;
	leave_block(BYTES("one"));
	leave_block(BYTES("two"));
	spool_begin(&reader);
	spool_scan(&reader);
	for (int i = 0; i < 2; i++) {
		struct bytes text;

		assert_true(spool_next(&reader));
		assert_int_equal(spool_take(&reader, &mine, index, 64), 1);
		assert_true(spool_record(&reader, index[0], &record));
		text = error_of(&record);
		seen |= bytes_equal(text, BYTES("one")) ? 1 : 0;
		seen |= bytes_equal(text, BYTES("two")) ? 2 : 0;
		assert_int_equal(spool_take(&reader, &mine, index, 64), 0);
	}
	assert_false(spool_next(&reader));
	assert_int_equal(seen, 3);
}

/* Who reads comes to its end, too: what it had taken is its own, the rest the next one's. */
static void test_spool_is_one_readers(void **state)
{
	static struct spool_reader first;
	uint32_t index[64];
	size_t records, open, n;

	(void)state;
	leave();
	spool_begin(&first);
	spool_scan(&first);
	assert_true(spool_next(&first));
	n = spool_take(&first, &mine, index, 64);
	assert_true(n > 0 && n < FINISHED);
	assert_int_equal(read_all(&records, &open), 0);
	spool_close(&first);
	assert_int_equal(read_all(&records, &open), 1);
	assert_int_equal(n + records, FINISHED + 1);
}

static void keep_whole(void)
{
	char path[128];
	long n;
	FILE *f;

	leave();
	spool_begin(&reader);
	spool_scan(&reader);
	assert_int_equal(reader.n, 1);
	path_of(reader.files[0].name, path);
	spool_close(&reader);
	f = fopen(path, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	whole_len = (size_t)n;
	whole = malloc(whole_len);
	assert_int_equal(fread(whole, 1, whole_len, f), whole_len);
	fclose(f);
	unlink(path);
}

/* Where there is something: the head, the maps, the blocks, the slots. */
static size_t somewhere(void)
{
	static const size_t places[] = { 0, STORE_TAKEN_MAP, STORE_DONE_MAP, STORE_BLOCK_AREA,
					 STORE_SLOT_AREA };
	size_t at = places[(size_t)rand() % ARRAY_LEN(places)];

	return at + (size_t)rand() % (at == STORE_SLOT_AREA ? 100 * STORE_SLOT_BYTES : 256);
}

static void test_spool_believes_nothing(void **state)
{
	unsigned char *torn;
	size_t records, open;

	(void)state;
	keep_whole();
	torn = malloc(whole_len);
	for (unsigned int seed = 0; seed < TORN; seed++) {
		size_t len = whole_len;

		srand(seed);
		memcpy(torn, whole, whole_len);
		for (int i = rand() % 200; i >= 0; i--)
			torn[somewhere()] = (unsigned char)rand();
		if (rand() % 4 == 0)
			len = somewhere();
		put("interspan-1-torn.spans", torn, len);
		(void)read_all(&records, &open);
		assert_true(records <= (whole_len - STORE_SLOT_AREA) / STORE_SLOT_BYTES);
		put("interspan-1-torn.spans", "",
		    0); /* another's, if its key is torn: left alone */
		assert_int_equal(read_all(&records, &open), 0);
	}
	free(torn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool_tells_what_was_left),
		cmocka_unit_test(test_spool_has_what_spans_share),
		cmocka_unit_test(test_spool_is_one_readers),
		cmocka_unit_test(test_spool_believes_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
