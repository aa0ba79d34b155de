# SPDX-License-Identifier: Apache-2.0
"""What a statement costs its client: `pgbench -S`, one client, bare and preloaded in turns, with a
collector that must receive every statement.

    pgbench.py [PAIRS [TRANSACTIONS]]    a line for each mode of pgbench: medians of the pairs' ratios
"""
import os
import re
import resource
import statistics
import subprocess
import sys

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
sys.dont_write_bytecode = True

from support.postgres import Shared, programs  # pylint: disable=wrong-import-position
from support.progs import Lab  # pylint: disable=wrong-import-position

MODES = ("simple", "extended", "prepared")


def turn(server, lab, mode, count, is_traced):
    """us of CPU for a transaction, the exporter's thread included, and transactions in a second."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # More may wait than in a batch: the collector is Python, and none of them may be lost.
    done = subprocess.run(
        [server.program("pgbench"), "-S", "-n", "-M", mode, "-t", str(count), "-h", "127.0.0.1", "-p",
         str(server.port), "-U", "postgres", "postgres"], capture_output=True, check=True,
        env=lab.env(traced=is_traced, OTEL_BSP_MAX_QUEUE_SIZE="65536",
                    OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="30000"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(getattr(after, f) - getattr(before, f) for f in ("ru_utime", "ru_stime"))
    return cpu / count * 1e6, float(re.search(rb"tps = ([\d.]+)", done.stdout)[1])


def compare(server, mode, pairs, count):
    bare, ours = [], []
    for _ in range(pairs):
        with Lab(bare=False) as lab:
            bare.append(turn(server, lab, mode, count, False))
            ours.append(turn(server, lab, mode, count, True))
            received = sum(s["name"] == "SELECT pgbench_accounts" for s in
                           lab.collector.wait_for(count, 60, 0.2))
            if received != count:
                sys.exit(f"{mode}: {received} spans of {count} statements")
    cpu = statistics.median(o[0] / b[0] for b, o in zip(bare, ours))
    tps = statistics.median(o[1] / b[1] for b, o in zip(bare, ours))
    print(f"{mode:8} CPU of a transaction: {statistics.median(b[0] for b in bare):.1f} us bare, "
          f"{statistics.median(o[0] for o in ours):.1f} us, x{cpu:.2f}; transactions/s x{tps:.2f}")


def main():
    pairs, count = (int(a) for a in (sys.argv[1:] + ["8", "5000"][len(sys.argv) - 1:])[:2])
    if not programs():
        sys.exit("needs postgresql")
    server = Shared.get()
    subprocess.run([server.program("pgbench"), "-q", "-i", "-h", "127.0.0.1", "-p", str(server.port),
                    "-U", "postgres", "postgres"], check=True, capture_output=True)
    for mode in MODES:
        compare(server, mode, pairs, count)


if __name__ == "__main__":
    main()
