/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "doctor.h"
#include "proc_file.h"

static bool is_word(struct bytes value, const char *word)
{
	return bytes_equal_nocase(bytes_trim(value), bytes_from_str(word));
}

static void switched_off(struct diagnosis *d, struct bytes env)
{
	if (is_word(env_find(env, "OTEL_INTERSPAN_ENABLED"), "false")) {
		diagnose(d, LEVEL_BAD, "switched-off", "it is told to stand down completely");
		diagnosis_seen(d, "OTEL_INTERSPAN_ENABLED=false");
		diagnosis_remedy(d, "take it out of the environment, and start the program again");
	}
	if (is_word(env_find(env, "OTEL_SDK_DISABLED"), "true")) {
		diagnose(d, LEVEL_BAD, "sdk-disabled", "it is told to open no spans");
		diagnosis_seen(d, "OTEL_SDK_DISABLED=true");
		diagnosis_remedy(d, "take it out of the environment, and start the program again");
	}
}

static void exported_elsewhere(struct diagnosis *d, struct bytes env)
{
	struct bytes exporter = env_find(env, "OTEL_TRACES_EXPORTER");

	if (!exporter.len || is_word(exporter, "otlp"))
		return;
	diagnose(d, is_word(exporter, "none") ? LEVEL_BAD : LEVEL_NOTE, "exporter",
		 is_word(exporter, "none") ? "spans are thrown away" :
					     "spans do not go out by OTLP");
	diagnosis_seen(d, "OTEL_TRACES_EXPORTER=%.*s", (int)exporter.len, exporter.ptr);
	diagnosis_remedy(d, "OTEL_TRACES_EXPORTER=otlp, or none of it, sends them");
}

static void sampled_out(struct diagnosis *d, struct bytes env)
{
	struct bytes sampler = env_find(env, "OTEL_TRACES_SAMPLER");
	char share[32];
	bool has_share = env_copy(env, "OTEL_TRACES_SAMPLER_ARG", share, sizeof(share));
	bool is_off = sampler.len && memmem(sampler.ptr, sampler.len, "always_off", 10);
	bool is_ratio = sampler.len && (memmem(sampler.ptr, sampler.len, "ratio", 5) ||
					memmem(sampler.ptr, sampler.len, "probability", 11));
	double ratio = is_ratio && has_share ? strtod(share, NULL) : 1;

	if (!is_off && ratio >= 1)
		return;
	diagnose(d, is_off || ratio <= 0 ? LEVEL_BAD : LEVEL_NOTE, "sampled-out",
		 is_off || ratio <= 0 ? "no trace that begins here is recorded" :
					"only a part of the traces that begin here is recorded");
	diagnosis_seen(d, "OTEL_TRACES_SAMPLER=%.*s OTEL_TRACES_SAMPLER_ARG=%s", (int)sampler.len,
		       sampler.ptr, share);
	diagnosis_remedy(d, "OTEL_TRACES_SAMPLER=parentbased_always_on records all");
}

static void delayed(struct diagnosis *d, struct bytes env)
{
	char delay[32];

	if (!env_copy(env, "OTEL_BSP_SCHEDULE_DELAY", delay, sizeof(delay)) ||
	    strtoul(delay, NULL, 10) <= 30000)
		return;
	diagnose(d, LEVEL_NOTE, "delayed", "spans wait for long before they are sent");
	diagnosis_seen(d, "OTEL_BSP_SCHEDULE_DELAY=%s (milliseconds)", delay);
}

void doctor_settings(struct diagnosis *d, struct bytes env)
{
	switched_off(d, env);
	exported_elsewhere(d, env);
	sampled_out(d, env);
	delayed(d, env);
}
