# SPDX-License-Identifier: Apache-2.0
"""Lines of the cache and pages that one request touches in our object, and its functions in the order
in which they are reached: what preload/hot.ld is made from.

    footprint.py NAME [VARIANT]          a bench of servers.py whose program waits by epoll_wait()
    footprint.py pgbench MODE            a statement of pgbench's: simple, extended, prepared

Variant: one of those that instructions.py counts; "100 %" without one.  valgrind's lackey tells every
access between two waits; those with more than usual are left out, since our thread was at work, too.
"""
import bisect
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import instructions
import pgbench
import servers
from kit import turns
from kit.subject import Subject
from support import progs
from support.progs import OBJECT

REQUESTS = 40
LINE, PAGE = 6, 12  # bits of an address that are within one
LACKEY = ["-q", "--tool=lackey", "--trace-mem=yes", "--basic-counts=no"]


def symbols():
    told = subprocess.run(["nm", OBJECT], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in told.splitlines()]
    return sorted((int(s[0], 16), s[2]) for s in found if len(s) == 3 and s[1] in "tT")


def accesses(path):
    """(is it an instruction?, address)"""
    with open(path, encoding="ascii", errors="replace") as f:
        for line in f:
            match = re.match(r"(I | [SLM]) ([0-9a-f]+),\d+$", line)
            if match:
                yield match[1] == "I ", int(match[2], 16)


def requests(path, low, high, begins):
    """Of each one, between two waits, what our code touched: lists of (is code?, offset, all)."""
    found, current, is_ours = [], None, False
    for is_code, at in accesses(path):
        if is_code:
            is_ours = low <= at < high
            if at == low + begins:
                current = []
                found.append(current)
        if is_ours and current is not None:
            current.append((is_code, at - low))
    return found[1:-1]


def trace(bench, variant, upstream):
    """One worker's; returns where the object is mapped, and what each request touched."""
    under = instructions.Under(bench, LACKEY, "--log-file")
    under.delay_ms = 200  # at its end it would be too slow to send what is left
    subject = Subject(under, variant, upstream)
    subject.load(REQUESTS)
    subject.drain(0, 60)
    worker = max(subject.pids())
    with open(f"/proc/{worker}/maps", encoding="ascii") as f:
        ours = [line.split()[0].split("-") for line in f if OBJECT in line or "libinterspan.so" in line]
    low, high = int(ours[0][0], 16), int(ours[0][1], 16)
    begins = next(at for at, name in symbols() if name == "epoll_wait")
    subject.end()
    found = requests(subject.lab.path(f"valgrind.{worker}"), low, high, begins)
    subject.finish()
    return sorted(found, key=len)[len(found) // 4]


def libpq(mode):
    """The same of pgbench, which waits by ppoll() and is told of when it waits for its server."""
    server = pgbench.Shared.get()
    subprocess.run([server.program("pgbench"), "-q", "-i", *server_of(server)], check=True,
                   capture_output=True)
    with pgbench.Sink(bare=False, OTEL_BSP_SCHEDULE_DELAY="600000") as lab:
        argv = ["valgrind", *LACKEY, f"--log-file={lab.path('valgrind.%p')}", server.program("pgbench"),
                "-S", "-n", "-M", mode, "-t", str(4 * REQUESTS), *server_of(server)]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=lab.env(**pgbench.ENV)) as running:
            low = high = 0
            while not high and running.poll() is None:
                low, high = mapped(running.pid)
        begins = next(at for at, name in symbols() if name == "ppoll")
        found = requests(lab.path(f"valgrind.{running.pid}"), low, high, begins)
    return sorted(found, key=len)[len(found) // 4]


def server_of(server):
    return ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "postgres"]


def mapped(pid):
    """Where the object is, once libpq, too, is there: (0, 0) before."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        lines = f.read().splitlines()
    ours = [line.split()[0].split("-") for line in lines if "libinterspan.so" in line]
    if not ours or not any("libpq" in line for line in lines):
        return 0, 0
    return int(ours[0][0], 16), int(ours[-1][1], 16)


def of_a_server():
    bench = next(b for b in servers.SERVERS if b.name == sys.argv[1])
    name = sys.argv[2] if len(sys.argv) > 2 else "100 %"
    variant = next(v for v in instructions.kinds(bench) if v.name == name)
    with turns.Upstream() as upstream:
        return trace(bench, variant, upstream)


def main():
    touched = libpq(sys.argv[2]) if sys.argv[1] == "pgbench" else of_a_server()
    for what, wanted in (("code", True), ("data", False)):
        at = {offset for is_code, offset in touched if is_code == wanted}
        print(f"{what}: {len({a >> LINE for a in at})} lines, {len({a >> PAGE for a in at})} pages")
    named = symbols()
    starts = [at for at, _ in named]
    order = dict.fromkeys(named[bisect.bisect_right(starts, at) - 1][1]
                          for is_code, at in touched if is_code)
    print("\n".join(order))


if __name__ == "__main__":
    main()
