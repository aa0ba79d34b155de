/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_FILE_H
#define OTLP_FILE_H
/*
 * OTLP files: JSON lines, each an ExportTraceServiceRequest or TracesData, as the Collector's file
 * exporter and others write them; gzipped or not.  Lines that only hold metrics or logs are
 * skipped.
 */
#include <stdbool.h>
#include <stdint.h>

#include "otlp.h"

struct otlp_file_calls {
	void (*accepted)(void *data, const struct otlp_batch *b);
	void (*refused)(void *data, uint64_t line, const char *why);
	void *data;
};

/*
 * Reads all of it; "-" is standard input.  A line that is malformed is refused, and reading goes
 * on.  0, or -errno if the file cannot be read (-EIO: damaged gzip data).
 */
MUST_USE int otlp_file_read(const char *path, const struct otlp_file_calls *calls);

#endif
