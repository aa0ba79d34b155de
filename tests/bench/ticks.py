# SPDX-License-Identifier: Apache-2.0
"""How long our own code is at work in a request, by the processor's clock around it (include/ticks.h),
beside the CPU time of the same requests in the same process.

    ticks.py NAME,... [ROUNDS [OBJECT ...]]     benches of servers.py whose programs have one thread

OBJECT: builds with -DWITH_TICKS, in turns; this one's without any."""
import os
import re
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import servers
from kit import stats, turns, variants
from kit.subject import Subject
from support.progs import OBJECT

TURNS = 10  # of a process, so that what comes before them, which is in the sum, is little
COUNTED = ("unsampled", "1 %, kept", "100 %")


def ticks_of_us():
    """The kernel's own measure of it: two loops a tick."""
    with open("/proc/cpuinfo", encoding="ascii") as f:
        return float(re.search(r"^bogomips\s*:\s*([\d.]+)", f.read(), re.M)[1]) / 2


def kinds(bench, path):
    found = variants.edge() if bench.kind == "edge" else variants.usual(True)
    found = [v for v in found if v.name in COUNTED]
    for variant in found:
        variant.preload = path
    return found


def one(bench, variant, upstream, is_paced):
    """us of ours, and us of CPU, of a request."""
    subject = Subject(bench, variant, upstream)
    subject.warm()
    count, period = (bench.count, bench.period_us) if is_paced else (bench.burst, 0)
    cpu = [subject.measured(count, period)[1] for _ in range(TURNS)]
    counted = subject.asked
    subject.finish()
    ticks, torn = (sum(int(line.get(name, 0)) for line in subject.told)
                   for name in ("ticks", "ticks_torn"))
    assert ticks, "not built with -DWITH_TICKS"
    assert torn * 100 < counted, f"{torn} times of {counted} requests' were too long to be ours"
    return ticks / ticks_of_us() / counted, statistics.median(cpu)


def rows(bench, paths, rounds, upstream):
    found = {}
    for number in range(rounds):
        for at in stats.turns(len(paths), number):
            for variant in kinds(bench, paths[at]):
                for is_paced in (True, False):
                    key = (variant.name, not is_paced, at)
                    found.setdefault(key, []).append(one(bench, variant, upstream, is_paced))
    for (name, is_burst, at), told in sorted(found.items()):
        ours = statistics.median(a for a, _ in told)
        cpu = statistics.median(b for _, b in told)
        ratio = statistics.median(b / (b - a) for a, b in told)
        yield (f"| {bench.name} | {name} | {'burst' if is_burst else 'fixed rate'} | "
               f"{ours:.2f} | {cpu:.1f} | {ratio:.3f} |" + (f" {paths[at]} |" if at else ""))


def main():
    names, rounds = sys.argv[1].split(","), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    paths = sys.argv[3:] or [OBJECT]
    print("| Bench | Variant | | ours, us | CPU, us | with us to without |\n|---|---|---|---|---|---|")
    with turns.Upstream() as upstream:
        for bench in servers.SERVERS:
            if bench.name in names:
                for row in rows(bench, paths, rounds, upstream):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
