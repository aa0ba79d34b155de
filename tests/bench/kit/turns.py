# SPDX-License-Identifier: Apache-2.0
"""Variants that take turns: the machine's noise meets all of them alike."""
import sys
import time

from kit import stats, variants
from kit.subject import Subject, queue_holds
from support.progs import Lab

STARTS = 5  # pairs of starts, at most


def say(text):
    print(text, file=sys.stderr, flush=True)


def skip(raw, name, why):
    raw.add("skip", bench=name, why=why)
    say(f"SKIPPED: {name}: {why}")


def variants_of(bench, raw, old):
    """Those of its kind; what cannot be had is told."""
    if old:
        return variants.compared(old, "none" if bench.kind == "opaque" else "all")
    if bench.kind != "usual":
        return {"opaque": variants.opaque, "edge": variants.edge}[bench.kind]()
    found = variants.usual(bench.keeps)
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
        self.lab = Lab(bare=True).__enter__()
        leaf = self.lab.nginx(9, location='location = /leaf { return 200 "0123456789abcdef"; }',
                              traced=False)
        return leaf.port

    def __exit__(self, *_):
        self.lab.__exit__()


def starts(bench, kinds, raw, upstream, count):
    """Each one alone on the machine: its start, and its memory after the same work."""
    for number in range(count):
        for at in stats.turns(len(kinds), number):
            subject = Subject(bench, kinds[at], upstream)
            try:
                subject.send(bench.warm)
                memory = subject.memory_kib()
            finally:
                subject.finish()
            raw.add("start", bench=bench.name, variant=kinds[at].name, round=number,
                    start_ms=subject.start_ms, start_cpu_ms=subject.start_cpu_ms, pss_kib=memory)


def rounds(bench, kinds, raw, upstream, pairs):
    subjects = []
    try:
        for kind in kinds:
            subjects.append(Subject(bench, kind, upstream))
            subjects[-1].send(bench.warm)
        for number in range(pairs):
            for at in stats.turns(len(subjects), number):
                raw.add("round", bench=bench.name, variant=kinds[at].name, round=number,
                        **subjects[at].turn())
    except BaseException:
        for subject in subjects:
            subject.lab.__exit__()
        raise
    for kind, subject in zip(kinds, subjects):
        raw.add("sum", bench=bench.name, variant=kind.name, **subject.finish())


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
            alone = [kind for kind in kinds if kind.name not in ("1 %", "unsampled", "collector down")]
            starts(bench, alone, raw, upstream, min(pairs, STARTS))
        rounds(bench, kinds, raw, upstream, pairs)
    say(f"{bench.name}: {time.monotonic() - began:.0f} s")
