# SPDX-License-Identifier: Apache-2.0
"""What a statement costs its client: `pgbench -S`, one client, bare and preloaded in turns, with a
collector that must receive every statement.

    pgbench.py [PAIRS [TRANSACTIONS]]    a line for each mode of pgbench: medians of the pairs' ratios,
                                         of the threads of pgbench alone, and with the exporter's
"""
import os
import re
import statistics
import subprocess
import sys
import time

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                os.path.dirname(os.path.abspath(__file__))]
sys.dont_write_bytecode = True

from kit import procfs  # pylint: disable=wrong-import-position
from support import otlp_wire  # pylint: disable=wrong-import-position
from support.postgres import Shared, programs  # pylint: disable=wrong-import-position
from support.progs import Lab  # pylint: disable=wrong-import-position

MODES = ("simple", "extended", "prepared")
# More may wait than in a batch: the collector is Python, and none of them may be lost.
ENV = {"OTEL_BSP_MAX_QUEUE_SIZE": "65536", "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "30000"}
LOOK = 0.002  # a thread's time is gone with it: seconds between two looks


class Sink(Lab):
    """Its collector answers, and leaves it for later to look at what it got."""

    def __enter__(self):
        super().__enter__()
        self.collector.take = lambda *_: None
        return self

    def received(self):
        with self.collector.changed:
            return sum(span["name"] == "SELECT pgbench_accounts" for _, _, body in
                       self.collector.requests for span in otlp_wire.decode(body))


def run(server, lab, mode, count, is_traced):
    """CPU time in us of pgbench's own threads, of the exporter's; transactions a second."""
    argv = [server.program("pgbench"), "-S", "-n", "-M", mode, "-t", str(count), "-h", "127.0.0.1",
            "-p", str(server.port), "-U", "postgres", "postgres"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=lab.env(traced=is_traced, **ENV)) as done:
        ours = 0
        while not os.waitid(os.P_PID, done.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            ours = max(ours, procfs.threads_ns(done.pid)[0])
            time.sleep(LOOK)
        total = procfs.process_ns(done.pid)
        out = done.stdout.read()
    return (total - ours) / 1e3, ours / 1e3, float(re.search(rb"tps = ([\d.]+)", out)[1])


def turn(server, lab, mode, count, is_traced):
    """The same of one transaction more: what the start and the end of the process cost is left out."""
    few, many = (run(server, lab, mode, n, is_traced) for n in (count // 5, count))
    return *((b - a) / (count - count // 5) for a, b in zip(few[:2], many[:2])), many[2]


def compare(server, mode, pairs, count):
    bare, ours = [], []
    for _ in range(pairs):
        with Sink(bare=False) as lab:
            bare.append(turn(server, lab, mode, count, False))
            ours.append(turn(server, lab, mode, count, True))
            received = lab.received()
            if received != count + count // 5:
                sys.exit(f"{mode}: {received} spans of {count + count // 5} statements")
    own, exporter, _ = map(statistics.median, zip(*ours))
    alone = statistics.median(o[0] / b[0] for b, o in zip(bare, ours))
    cpu = statistics.median((o[0] + o[1]) / b[0] for b, o in zip(bare, ours))
    tps = statistics.median(o[2] / b[2] for b, o in zip(bare, ours))
    print(f"{mode:8} CPU of a transaction: {statistics.median(b[0] for b in bare):.1f} us bare, "
          f"{own:.1f} us and {exporter:.1f} us of the exporter; x{alone:.2f}, with the exporter "
          f"x{cpu:.2f}; transactions/s x{tps:.2f}", flush=True)


def main():
    pairs, count = (int(a) for a in (sys.argv[1:] + ["8", "20000"][len(sys.argv) - 1:])[:2])
    if not programs():
        sys.exit("needs postgresql")
    server = Shared.get()
    subprocess.run([server.program("pgbench"), "-q", "-i", "-h", "127.0.0.1", "-p", str(server.port),
                    "-U", "postgres", "postgres"], check=True, capture_output=True)
    for mode in MODES:
        compare(server, mode, pairs, count)


if __name__ == "__main__":
    main()
