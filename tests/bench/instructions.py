# SPDX-License-Identifier: Apache-2.0
"""Instructions of a request outside the kernel, by callgrind: no noise, so no pairs.  Two runs that
differ in the number of requests alone, so that starts and ends cancel out; one connection, so that
each request is waited for by itself, as it is under a low load."""
import glob
import os
import re

from kit import variants
from kit.subject import Subject
from support import progs
from support.progs import OBJECT

FEW, MANY = 500, 2500
COUNTED = ("nginx static", "nginx https", "nginx proxy", "nginx proxy, edge", "haproxy", "redis")


class Under:
    """A bench whose program runs under a tool of valgrind, which writes into valgrind.PID."""
    connections = 1

    def __init__(self, bench, tool, out):
        self.bench, self.tool, self.out = bench, tool, out

    def __getattr__(self, name):
        return getattr(self.bench, name)

    def start(self, lab, upstream, variant):
        prefix = ["valgrind", *self.tool, f"{self.out}={lab.path('valgrind.%p')}"]

        class Program(progs.Program):
            def __init__(self, argv, *args, **more):
                super().__init__([*prefix, *argv], *args, **more)

        plain, progs.Program = progs.Program, Program
        os.chmod(lab.directory, 0o777)  # workers that gave up root write there, too
        try:
            return self.bench.start(lab, upstream, variant)
        finally:
            progs.Program = plain


CALLGRIND = ["-q", "--tool=callgrind", "--separate-threads=yes"]


def by_thread(directory):
    """Instructions of (first threads, others), all processes together."""
    first = others = 0
    for path in glob.glob(os.path.join(directory, "valgrind.*-*")):
        with open(path, encoding="utf-8", errors="replace") as f:
            spent = int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M)[1])
        if path.endswith("-01"):
            first += spent
        else:
            others += spent
    return first, others


def total(bench, variant, upstream, count):
    subject = Subject(Under(bench, CALLGRIND, "--callgrind-out-file"), variant, upstream)
    subject.load(count)
    subject.end()
    spent = by_thread(subject.lab.directory)
    subject.finish()
    return spent


def of_request(bench, variant, upstream):
    few, many = (total(bench, variant, upstream, count) for count in (FEW, MANY))
    return [round((b - a) / (MANY - FEW)) for a, b in zip(few, many)]


def kinds(bench, old=None):
    if bench.kind == "opaque":
        return [variants.bare(), variants.Variant("on", preload=OBJECT)]
    found = [v for v in variants.usual(bench.keeps)
             if v.name in ("bare", "off", "unsampled", "1 %, kept", "100 %")]
    if bench.kind == "edge":
        found = variants.edge()
    if old:
        found = variants.compared(old)
    return found


def measure(bench, raw, upstream, old=None):
    found = kinds(bench, old)
    if not any(line["what"] == "bench" and line["bench"] == bench.name for line in raw.lines):
        raw.add("bench", bench=bench.name, about=bench.about, variants=[v.name for v in found])
    for variant in found:
        first, others = of_request(bench, variant, upstream)
        raw.add("count", bench=bench.name, variant=variant.name, instructions=first,
                other_threads=others)
