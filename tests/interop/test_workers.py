# SPDX-License-Identifier: Apache-2.0
"""A server with 64 forked workers: one of them delivers for all, and each takes little more than bare."""
import os
import re
import statistics
import subprocess
import unittest

from support.case import Feature
from support.progs import Lab, session_pids

WORKERS, REQUESTS = 64, 6400


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss:\s*(\d+)", f.read(), re.M)[1])


class Workers(Feature):
    def measure(self, lab):
        """The median PSS of a worker, and the threads that are no worker's own."""
        front = lab.nginx(9, workers=WORKERS, location="return 200 hello;")
        done = subprocess.run(["curl", "-sS", "--no-progress-meter", "-f", "-o", "/dev/null", "--parallel", "--parallel-max", "64",
                               f"{front.url('/')}[1-{REQUESTS}]"], check=False, capture_output=True,
                              env={"PATH": os.environ["PATH"], "no_proxy": "*"})
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        workers = [pid for pid in session_pids(front.pid) if pid != front.pid]
        self.assertEqual(len(workers), WORKERS)
        if not lab.bare:
            self.spans(lab, REQUESTS)
        threads = sum(len(os.listdir(f"/proc/{pid}/task")) - 1 for pid in [*workers, front.pid])
        return statistics.median(map(pss_kib, workers)), threads

    def test_one_delivers_for_all(self):
        self.need("nginx", "curl")
        with Lab(bare=True) as lab:
            bare, threads = self.measure(lab)
            self.assertEqual(threads, 0)
        lab = self.lab(OTEL_BSP_MAX_QUEUE_SIZE="8192")
        ours, threads = self.measure(lab)
        print(f"{WORKERS} workers: {lab.collector.connections} connections, {threads} threads, "
              f"{ours - bare:.0f} KiB more PSS each")
        self.assertEqual(threads, 1)
        self.assertLessEqual(lab.collector.connections, 2)  # a second one where the first was idle for too long
        self.assertLess(ours - bare, 200)


if __name__ == "__main__":
    unittest.main()
