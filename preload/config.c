/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdatomic.h>
#include <stddef.h>

#include "compiler.h"
#include "log.h"

#define NUMBER_MAX 2147483647u /* E6 */

struct config config;

enum type {
	TYPE_enabled,
	TYPE_flag,
	TYPE_text,
	TYPE_duration,
	TYPE_timeout,
	TYPE_count,
	TYPE_limit,
	TYPE_exporters,
	TYPE_protocol,
	TYPE_answer,
	TYPE_compression,
	TYPE_sampler,
	TYPE_level,
	TYPE_propagators,
};

/* Names and defaults, not pointers to them: those would be relocated in every process. */
static const struct texts {
#define VAR(field, name, type, fallback, help) \
	char field##_name[sizeof(name)];       \
	char field##_fallback[sizeof(fallback)];
#include "config.def"
#undef VAR
} texts = {
#define VAR(field, name, type, fallback, help) name, fallback,
#include "config.def"
#undef VAR
};

/* A piece of texts. */
struct piece {
	uint16_t at;
	uint16_t len;
};

struct row {
	struct piece name;
	struct piece fallback;
	uint16_t type;  /* enum type */
	uint16_t field; /* offset in struct config */
};

static const struct row rows[] = {
#define PIECE(member)                                                    \
	{                                                                \
		offsetof(struct texts, member), sizeof(texts.member) - 1 \
	}
#define VAR(field, name, type, fallback, help)                       \
	{ PIECE(field##_name), PIECE(field##_fallback), TYPE_##type, \
	  offsetof(struct config, field) },
#include "config.def"
#undef VAR
#undef PIECE
};

static struct bytes piece_text(struct piece p)
{
	return (struct bytes){ (const char *)&texts + p.at, p.len };
}

/* A bit for each variable. */
struct seen {
	uint64_t bits[(ARRAY_LEN(rows) + 63) / 64];
};

/* Digits and nothing else: no sign, no blank, no unit (E4, E7). */
static bool number_parse(struct bytes value, uint32_t min, uint32_t *ret)
{
	uint64_t n = 0;

	if (value.len == 0)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(value.ptr[i] - '0');
		if (n > NUMBER_MAX) /* out of range is refused, not clamped (E5) */
			return false;
	}
	if (n < min)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* A word that is neither is taken as `otherwise`, and told of as refused (E2, E3). */
static bool bool_parse(struct bytes value, bool otherwise, bool *ret)
{
	bool is_true = bytes_equal_nocase(value, BYTES("true"));
	bool is_false = bytes_equal_nocase(value, BYTES("false"));

	*ret = is_true || (!is_false && otherwise);
	return is_true || is_false;
}

/*
 * E9, E10: the place of value among n names that take width bytes each, plus 1; false: not there.
 */
static bool word_parse(struct bytes value, const char *names, size_t width, size_t n, void *ret)
{
	for (uint32_t i = 0; i < n; i++)
		if (bytes_equal_nocase(value, bytes_from_str(names + i * width))) {
			i++;
			memcpy(ret, &i, sizeof(i));
			return true;
		}
	return false;
}

static bool answer_parse(struct bytes value, uint32_t *ret)
{
	bool is_true;
	bool is_good = bool_parse(value, false, &is_true);

	*ret = is_true;
	return is_good;
}

static bool protocol_parse(struct bytes value, enum config_protocol *ret)
{
	static const char names[][16] = { "http/protobuf", "http/json", "grpc" };

	return word_parse(value, names[0], sizeof(names[0]), ARRAY_LEN(names), ret);
}

static bool compression_parse(struct bytes value, enum config_compression *ret)
{
	static const char names[][8] = { "none", "gzip" };

	return word_parse(value, names[0], sizeof(names[0]), ARRAY_LEN(names), ret);
}

/* E117; a name that is not known spoils nothing but itself, and is told of. */
static bool exporters_parse(struct bytes list, uint32_t *ret)
{
	static const char names[][16] = { "otlp", "zipkin", "otlp/stdout", "otlp/file", "console" };
	bool is_understood = true, is_none = false;
	uint32_t set = 0;

	while (list.ptr) {
		struct bytes word = bytes_trim(bytes_split(&list, ','));
		uint32_t place = 0;

		is_none |= bytes_equal_nocase(word, BYTES("none"));
		if (word_parse(word, names[0], sizeof(names[0]), ARRAY_LEN(names), &place))
			set |= 1u << (place - 1);
		else
			is_understood &= !word.len || bytes_equal_nocase(word, BYTES("none"));
	}
	if (set || is_none)
		*ret = set;
	return is_understood && !(set && is_none);
}

/* E9, E34-E41 */
static bool sampler_parse(struct bytes value, uint32_t *ret)
{
	static const char names[][16] = { "always_on", "always_off", "traceidratio", "probability",
					  "jaeger_remote" };
	struct bytes prefix = BYTES("parentbased_");
	uint32_t is_parentbased = 0, place = 0;

	if (value.len > prefix.len &&
	    bytes_equal_nocase((struct bytes){ value.ptr, prefix.len }, prefix)) {
		value = bytes_skip(value, prefix.len);
		is_parentbased = SAMPLER_PARENTBASED;
	}
	if (!word_parse(value, names[0], sizeof(names[0]), ARRAY_LEN(names), &place))
		return false;
	*ret = (place - 1) | is_parentbased;
	return true;
}

/* E22: the specification has no list of them. */
static bool level_parse(struct bytes value, enum config_level *ret)
{
	static const char names[][8] = {
		"none", "fatal", "error", "warn", "info", "debug", "trace"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (bytes_equal_nocase(value, bytes_from_str(names[i]))) {
			*ret = (enum config_level)i;
			return true;
		}
	if (!bytes_equal_nocase(value, BYTES("off")))
		return false;
	*ret = LEVEL_NONE;
	return true;
}

static uint32_t propagator_of(struct bytes name)
{
	static const char names[][16] = { [PROPAGATOR_TRACECONTEXT] = "tracecontext",
					  [PROPAGATOR_BAGGAGE] = "baggage",
					  [PROPAGATOR_B3] = "b3",
					  [PROPAGATOR_B3MULTI] = "b3multi",
					  [PROPAGATOR_JAEGER] = "jaeger",
					  [PROPAGATOR_XRAY] = "xray",
					  [PROPAGATOR_OTTRACE] = "ottrace" };

	for (uint32_t i = 1; i < ARRAY_LEN(names); i++)
		if (bytes_equal_nocase(name, bytes_from_str(names[i])))
			return i;
	return 0;
}

/*
 * E23, C51: what is unknown is left out, and told of; only where nothing is left the default stays.
 */
static bool propagators_parse(struct bytes list, struct config_propagators *ret)
{
	struct config_propagators got = { 0, 0 };
	bool is_understood = true, is_none = false;
	unsigned n = 0;

	while (list.ptr) {
		struct bytes word = bytes_trim(bytes_split(&list, ','));
		uint32_t p = propagator_of(word);

		is_none |= bytes_equal_nocase(word, BYTES("none"));
		is_understood &= p || !word.len || bytes_equal_nocase(word, BYTES("none"));
		if (!p || got.set >> p & 1)
			continue;
		got.order |= p << 4 * n++;
		got.set |= 1u << p;
	}
	if (is_none)
		got = (struct config_propagators){ 0, 0 };
	if (is_none || n)
		*ret = got;
	return is_understood;
}

/* False: refused; the field keeps what it had, which for the two booleans is the safe value. */
static bool field_parse(const struct row *row, struct bytes value, void *field)
{
	switch ((enum type)row->type) {
	case TYPE_enabled:
		return bool_parse(value, true, field);
	case TYPE_flag:
		return bool_parse(value, false, field);
	case TYPE_text:
		*(struct bytes *)field = value;
		return true;
	case TYPE_duration:
	case TYPE_timeout:
	case TYPE_limit:
		return number_parse(value, 0, field);
	case TYPE_count:
		return number_parse(value, 1, field);
	case TYPE_exporters:
		return exporters_parse(value, field);
	case TYPE_answer:
		return answer_parse(value, field);
	case TYPE_protocol:
		return protocol_parse(value, field);
	case TYPE_compression:
		return compression_parse(value, field);
	case TYPE_sampler:
		return sampler_parse(value, field);
	case TYPE_level:
		return level_parse(value, field);
	case TYPE_propagators:
		return propagators_parse(value, field);
	}
	return false;
}

static void fallback_set(struct config *c, const struct row *row)
{
	void *field = (char *)c + row->field;

	/* Without a default a number says so; only timeouts and limits have none. */
	if (row->type == TYPE_timeout || row->type == TYPE_limit || row->type == TYPE_answer)
		*(uint32_t *)field = CONFIG_UNSET;
	if (row->type == TYPE_protocol || row->type == TYPE_compression)
		*(uint32_t *)field = 0;
	if (row->fallback.len || row->type == TYPE_text)
		(void)field_parse(row, piece_text(row->fallback), field);
}

/* Our own copy, with a NUL behind it; what does not fit is unset and told of, never cut. */
static bool text_keep(struct config *c, struct bytes *value)
{
	char *to = c->texts + c->texts_len;

	if (value->len >= sizeof(c->texts) - c->texts_len) {
		c->truncated = true;
		return false;
	}
	memcpy(to, value->ptr, value->len);
	to[value->len] = '\0';
	c->texts_len += value->len + 1;
	value->ptr = to;
	return true;
}

static void row_set(struct config *c, const struct row *row, struct bytes value)
{
	if (value.len == 0) /* E1 */
		return;
	if (row->type == TYPE_text && !text_keep(c, &value))
		return;
	if (field_parse(row, value, (char *)c + row->field)) {
		c->has_sampler |= row->type == TYPE_sampler;
		return;
	}
	if (c->invalid < CONFIG_REFUSED_MAX && text_keep(c, &value))
		c->refused[c->invalid] = (struct config_refused){ (uint32_t)(row - rows), value };
	else if (c->invalid < CONFIG_REFUSED_MAX)
		c->refused[c->invalid] =
			(struct config_refused){ (uint32_t)(row - rows), BYTES("") };
	c->invalid++;
}

/* One string of the environment.  The first of two with the same name wins, as in getenv(). */
static void entry_set(struct config *c, struct bytes entry, struct seen *seen)
{
	struct bytes value = entry;
	struct bytes name = bytes_split(&value, '=');

	if (!value.ptr)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!bytes_equal(name, piece_text(rows[i].name)))
			continue;
		if (!(seen->bits[i / 64] >> i % 64 & 1))
			row_set(c, &rows[i], value);
		seen->bits[i / 64] |= 1ull << i % 64;
		return;
	}
}

void config_parse(struct config *ret, char *const *envp)
{
	struct seen seen = { { 0 } };

	ret->invalid = 0;
	ret->truncated = ret->has_sampler = false;
	ret->texts_len = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		fallback_set(ret, &rows[i]);
	for (; envp && *envp; envp++)
		/*
		 * Every process of the system runs this: most entries fall here, by a byte or two.
		 */
		if (((*envp)[0] == 'O' && (*envp)[1] == 'T' && (*envp)[2] == 'E') ||
		    ((*envp)[0] == 'K' && (*envp)[1] == '8'))
			entry_set(ret, bytes_from_str(*envp), &seen);
	/* TRACEPARENT in the environment is tracecontext's, too (C51, C100). */
	if (!(ret->propagators.set >> PROPAGATOR_TRACECONTEXT & 1))
		ret->propagate_env = false;
}

void config_tell(void)
{
	for (uint32_t i = 0; i < config.invalid && i < CONFIG_REFUSED_MAX; i++)
		LOG(piece_text(rows[config.refused[i].row].name),
		    BYTES(" is not understood, and ignored: "), config.refused[i].value);
	if (config.truncated)
		LOG(BYTES("the settings are too long: some of them are ignored"));
	if (config.bsp_batch_size > config.bsp_queue_size) /* E83 */
		LOG(BYTES("OTEL_BSP_MAX_EXPORT_BATCH_SIZE is more than may wait: "
			  "batches are as large as OTEL_BSP_MAX_QUEUE_SIZE"));
}

void config_load(char *const *envp)
{
	static atomic_flag is_loaded = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&is_loaded))
		config_parse(&config, envp);
}
