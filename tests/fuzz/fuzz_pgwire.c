/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation by PostgreSQL's protocol in pieces: a byte with the length and, as its highest
 * bit, who speaks; that many bytes.  Whatever is said, every span that was started is accounted for
 * when the connection is closed, and no value of a simple query is told.
 */
#include "stats.h"
#include "tests/unit/pgwire_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t accounted_for(void)
{
	return stats_read(STAT_SPANS_ENDED) + stats_read(STAT_SPANS_UNSAMPLED) +
	       stats_read(STAT_SPANS_DISCARDED) + stats_read(STAT_SPANS_QUEUE_FULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char told[1 << 17];

	if (!config.bsp_queue_size) {
		static const char *const envp[] = { NULL };

		config_parse(&config, (char *const *)(uintptr_t)envp);
	}
	run_connect();
	while (size) {
		size_t len = data[0] & 127;
		bool is_in = data[0] & 128;

		data++;
		size--;
		len = len < size ? len : size;
		run_move(is_in, (const char *)data, len, len ? len : 1);
		data += len;
		size -= len;
	}
	run_close();
	check(stats_read(STAT_SPANS_STARTED) == accounted_for());
	while (run_told(told, sizeof(told)) == 64)
		;
	return 0;
}
