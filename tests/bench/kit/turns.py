# SPDX-License-Identifier: Apache-2.0
"""Variants that take turns: the machine's noise meets all of them alike."""
import os
import subprocess
import sys
import time

from kit import stats, variants
from kit.subject import Subject, pin, processors, queue_holds
from support import progs

STARTS = 4  # pairs of starts, at most


def say(text):
    print(text, file=sys.stderr, flush=True)


def skip(raw, name, why):
    raw.add("skip", bench=name, why=why)
    say(f"SKIPPED: {name}: {why}")


def variants_of(bench, raw, old):
    """Those of its kind; what cannot be had is told."""
    if old:
        found = variants.compared(old, "none" if bench.kind == "opaque" else "all")
    elif bench.kind != "usual":
        found = {"opaque": variants.opaque, "edge": variants.edge}[bench.kind]()
    else:
        found = variants.usual(bench.keeps)
    if bench.rounds:
        found.insert(1, variants.again())
    if bench.writes and not old:
        found.insert(2, variants.later(bench.writes))
    if old or bench.kind != "usual":
        return found
    if not any(v.name == "1 %" for v in found):
        skip(raw, f"{bench.name}, 1 %", "this build knows no OTEL_TRACES_SAMPLER")
    if bench.agent:
        missing = bench.agent_missing()
        if missing:
            skip(raw, f"{bench.name}, {variants.agent().name}", missing)
        else:
            found.append(variants.agent())
    return found


class Upstream:
    """What proxies and applications call: always bare."""

    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(progs.BUILD, "bench", "bench_leaf")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pin([self.process.pid], processors()[0])
        return int(self.process.stdout.readline())

    def __exit__(self, *_):
        self.process.communicate()


def starts(bench, kinds, raw, upstream, count):
    """Each one alone on the machine: its start, and its memory after the same work."""
    for number in range(count):
        for at in stats.turns(len(kinds), number):
            subject = Subject(bench, kinds[at], upstream)
            try:
                subject.warm()
                memory = subject.memory_kib()
                subject.finish()
            except BaseException:
                subject.stack.close()
                raise
            raw.add("start", bench=bench.name, variant=kinds[at].name, round=number,
                    start_ms=subject.start_ms, start_cpu_ms=subject.start_cpu_ms, pss_kib=memory)


class Totals:
    """What came of all processes of a variant."""

    def __init__(self):
        self.requests = self.received = 0
        self.counters = {}

    def add(self, told):
        self.requests += told["requests"]
        self.received += told["received"]
        for name, value in told["counters"].items():
            self.counters[name] = self.counters.get(name, 0) + value


def life(bench, kinds, raw, upstream, process, rounds):
    """Processes of all variants, from their start to their end, in turns meanwhile; what they told."""
    subjects = {}
    try:
        for at in stats.turns(len(kinds), process):
            subjects[at] = Subject(bench, kinds[at], upstream)
            subjects[at].warm()
        for number in range(rounds):
            order = stats.turns(len(kinds), number)
            found = {at: subjects[at].paced() for at in order}
            for at in order:
                found[at].update(subjects[at].saturated())
            for at in order:
                raw.add("round", bench=bench.name, variant=kinds[at].name, process=process,
                        round=number, **found[at])
        return [subjects[at].finish() for at in range(len(kinds))]
    except BaseException:
        for subject in subjects.values():
            subject.stack.close()
        raise


def lives(bench, kinds, raw, upstream, pairs):
    totals = [Totals() for _ in kinds]
    processes, rounds = bench.lives(pairs)
    for process in range(processes):
        for total, told in zip(totals, life(bench, kinds, raw, upstream, process, rounds)):
            total.add(told)
    for kind, total in zip(kinds, totals):
        raw.add("sum", bench=bench.name, variant=kind.name, **vars(total))


def measure(bench, raw, pairs, old=None):
    missing = bench.missing()
    if missing:
        skip(raw, bench.name, missing)
        return
    assert queue_holds(bench), bench.name
    kinds = variants_of(bench, raw, old)
    raw.add("bench", bench=bench.name, about=bench.about, variants=[kind.name for kind in kinds])
    began = time.monotonic()
    with Upstream() as upstream:
        if bench.starts and not old:
            # What does not change how it starts need not be started alone.
            alone = [kind for kind in kinds
                     if kind.name not in ("bare, again", variants.LATER, "1 %", "unsampled",
                                          "collector down")]
            starts(bench, alone, raw, upstream, min(pairs, STARTS))
        lives(bench, kinds, raw, upstream, pairs)
    say(f"{bench.name}: {time.monotonic() - began:.0f} s")
