/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_H
#define CONFIG_H
/*
 * Settings: written once by config_load(), read by everybody afterwards without a lock.
 * Texts are our own copies: programs such as nginx overwrite and clear their environment (law 6).
 * An empty variable is an unset one (E1); a value that does not parse keeps the default and is
 * counted in config.invalid (E4, E5, E10), and told of by config_tell().
 *
 *   type      C type     what is accepted
 *   enabled   bool       all but `false` (any case) is true: only the explicit word stands us down
 *   flag      bool       `true` in any case is true, everything else false (E2); for both, a word
 *                        that is neither counts as invalid (E3)
 *   text      bytes      anything; NUL-terminated too
 *   duration  uint32_t   ms, 0..2^31-1, digits only (E7)
 *   timeout   uint32_t   ms as duration; 0 is no limit (E8); unset without default is UINT32_MAX
 *   count     uint32_t   1..2^31-1
 *   limit     uint32_t   0..2^31-1; unset without default is UINT32_MAX
 *   exporters list       otlp, zipkin, otlp/stdout, otlp/file, console, any case (E9, E114, E117)
 *                        `none` is none, beside others it is refused
 *   protocol  enum       http/protobuf, http/json, grpc, any case (E90); unset without default is 0
 *   answer    uint32_t   as flag, 0 or 1; unset is UINT32_MAX
 *   compression enum     gzip, none, any case (E93); unset without default is 0
 *   level     enum       none, off, fatal, error, warn, info, debug, trace, any case (E22)
 *   propagators  list    names in their order, any case; twice counts once, `none` is none (E23)
 *   sampler   bits       its name, with or without parentbased_, any case (E34-E41)
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

enum config_exporter { /* or-ed */
		       EXPORTER_NONE,
		       EXPORTER_OTLP = 1,
		       EXPORTER_ZIPKIN = 2,
		       EXPORTER_OTLP_STDOUT = 4,
		       EXPORTER_OTLP_FILE = 8,
		       EXPORTER_CONSOLE = 16,
};

enum config_protocol { PROTOCOL_UNSET, PROTOCOL_HTTP_PROTOBUF, PROTOCOL_HTTP_JSON, PROTOCOL_GRPC };
enum config_compression { COMPRESSION_UNSET, COMPRESSION_NONE, COMPRESSION_GZIP };

/* What the log tells: warnings and the counters at the end are all that there is. */
enum config_level {
	LEVEL_NONE,
	LEVEL_FATAL,
	LEVEL_ERROR,
	LEVEL_WARN,
	LEVEL_INFO,
	LEVEL_DEBUG,
	LEVEL_TRACE,
};

enum config_sampler {
	SAMPLER_ALWAYS_ON,
	SAMPLER_ALWAYS_OFF,
	SAMPLER_TRACEIDRATIO,
	SAMPLER_PROBABILITY,
	SAMPLER_JAEGER_REMOTE,
	SAMPLER_PARENTBASED = 8, /* or-ed with one of the above */
};

enum config_propagator {
	PROPAGATOR_TRACECONTEXT = 1,
	PROPAGATOR_BAGGAGE,
	PROPAGATOR_B3, /* from here on: other formats than the W3C's */
	PROPAGATOR_B3MULTI,
	PROPAGATOR_JAEGER,
	PROPAGATOR_XRAY,
	PROPAGATOR_OTTRACE,
};

#define CONFIG_UNSET UINT32_MAX
#define CONFIG_TEXTS_BYTES 16384

typedef bool config_enabled;
typedef bool config_flag;
typedef struct bytes config_text;
typedef uint32_t config_duration;
typedef uint32_t config_timeout;
typedef uint32_t config_count;
typedef uint32_t config_limit;
typedef uint32_t config_answer;
typedef uint32_t config_exporters;
typedef enum config_protocol config_protocol;
typedef enum config_compression config_compression;
typedef uint32_t config_sampler;
typedef enum config_level config_level;

typedef struct config_propagators {
	uint32_t order; /* four bits for each, the first one lowest; 0 ends */
	uint32_t set;   /* 1 << each */
} config_propagators;

#define CONFIG_REFUSED_MAX 8u /* more of them are only counted */

struct config_refused {
	uint32_t row; /* of config.def */
	struct bytes value;
};

struct config {
#define VAR(field, name, type, fallback, help) config_##type field;
#include "config.def"
#undef VAR
	uint32_t invalid; /* variables whose value was refused */
	struct config_refused refused[CONFIG_REFUSED_MAX];
	bool has_sampler; /* one that somebody has chosen */
	bool truncated;   /* texts did not fit in our copy: those settings keep their default */
	size_t texts_len;
	char texts[CONFIG_TEXTS_BYTES]; /* what the text fields point into: not to be copied */
};

extern HIDDEN struct config config;

static inline bool config_propagates(enum config_propagator p)
{
	return config.propagators.set >> p & 1;
}

/* Any format but the W3C's? */
static inline bool config_has_others(void)
{
	return config.propagators.set >> PROPAGATOR_B3;
}

/* Those of them that have headers of any name, for items of baggage? */
static inline bool config_has_items(void)
{
	return config_propagates(PROPAGATOR_JAEGER) || config_propagates(PROPAGATOR_OTTRACE);
}

/* tracecontext and baggage, in this order: as nearly always. */
static inline bool config_has_usual(void)
{
	return config.propagators.order == (PROPAGATOR_TRACECONTEXT | PROPAGATOR_BAGGAGE << 4);
}

/*
 * Reads envp, once per process; signal-safe, no allocation.  Called by load.c before any other
 * thread of ours can exist.  The only place where the environment is looked at.
 */
void config_load(char *const *envp);

/* Writes to the log what was refused, and why nothing else is told (E3, E4, E10).  Once. */
void config_tell(void);

/* Into ret instead of the global one, for tests and for the exporter's own. */
void config_parse(struct config *ret, char *const *envp);

#endif
