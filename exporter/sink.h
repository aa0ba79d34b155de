/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINK_H
#define SINK_H
/*
 * One exporter that the user chose.  Of several, each has a batch that is filled and one that is on
 * its way: a receiver that does not answer holds up neither the others nor the queue, it only loses
 * its own spans, which are counted.  A single one is waited for, and the queue waits with it.
 * Exporter thread only.
 */
#include "batch.h"
#include "console.h"
#include "deliver.h"
#include "endpoint.h"
#include "operations.h"
#include "out.h"

/* In the order of the bits of config_exporter. */
enum sink_kind { SINK_OTLP, SINK_ZIPKIN, SINK_STDOUT, SINK_FILE, SINK_CONSOLE, SINKS };

struct sink {
	enum sink_kind kind;
	struct sinks *all;
	struct tally tally;
	struct batch batch[2];
	unsigned int filling; /* which of them; the other is on its way, or empty */
	bool is_due;          /* what is being filled should go as soon as it can */
	bool was_good;        /* of the last batch: delivered at the first attempt */
	uint64_t began_ns;    /* to deliver the one on its way */
	uint64_t logged_ns;   /* when the log was last told that nothing could be written */
	struct transport *transport;
	struct deliver deliver;
	struct out out;
	struct endpoint endpoint;
};

struct sinks {
	struct exporter *x;
	struct resource resource;
	struct otlp_encoder encoder;
	struct operations operations; /* of the first one, for as long as the process */
	size_t n;
	struct sink list[SINKS];
	char line[CONSOLE_LINE_MAX];
};

/*
 * kept: bit n, descriptor n is the host's (isolate.h).  False: no memory; sinks_end() all the same.
 */
MUST_USE bool sinks_begin(struct sinks *all, struct exporter *x, unsigned int kept);
void sinks_end(struct sinks *all);

/* Gives memory back that a usual batch does not need. */
void sinks_trim(struct sinks *all);

/* False: r did not fit into the batch; sink_send() it and take it again, or give it up. */
MUST_USE bool sink_take(struct sink *s, const struct record *r);
void sink_give_up(struct sink *s);

/* A whole batch? */
bool sink_is_full(const struct sink *s);

/* Sends what it holds now; one of several only begins to. */
void sink_send(struct sink *s);

/* What several have under way, without waiting.  False: nothing. */
bool sinks_step(struct sinks *all);

/*
 * Waits until a step may be worth it, or until_ns, or there is something to do (exporter_sleep();
 * that is noticed some milliseconds late while requests are on their way).
 */
void sinks_wait(struct sinks *all, uint64_t until_ns, struct asked seen, uint32_t enough);

/* Sends what all of them hold; with to_the_end it is waited for. */
void sinks_flush(struct sinks *all, bool to_the_end);

#endif
