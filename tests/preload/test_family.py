# SPDX-License-Identifier: Apache-2.0
"""Each kind of child, at the worst moment for each: none hangs, and every span is delivered once.
What was done is counted by the host (host_family.c) and by the server, what was delivered by the
collector.  FAMILY_CHILDREN: how many of each kind; `make life` has 200."""
import os
import re
import unittest

from support.case import Feature, Transparency
from support.progs import BUILD
from test_process import WithServer

HOST = os.path.join(BUILD, "tests", "host_family")
CHILDREN = int(os.environ.get("FAMILY_CHILDREN", "8"))
# In the parent's memory, or a copy of it, and as programs of their own.
FORKS = ["fork", "_Fork", "clone", "clone_call", "double_fork", "daemon", "forkpty"]
STARTS = ["vfork", "posix_spawn", "system", "popen"]
# The exporter is always at work; what is told at an end is told however busy the machine is.
SETTINGS = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "60000"}


def run(case, lab, how, *more):
    """Runs the host; the number of requests that were answered, all told."""
    server = case.server()
    done = lab.run([HOST, str(server.port), how, str(CHILDREN), *more], timeout=300)
    found = re.fullmatch(r"children (\d+) parent (\d+)\n", done.stdout.decode())
    case.assertTrue(found, done)
    case.assertEqual((done.returncode, done.stderr), (0, b""))
    case.assertEqual((int(found[1]), int(found[2])), (CHILDREN, CHILDREN))
    case.assertEqual(len(server.paths), 2 * CHILDREN)
    return 2 * CHILDREN


class Delivered(WithServer, Feature):
    def check(self, hows, delay, *more):
        for how in hows:
            with self.subTest(how):
                lab = self.lab(**SETTINGS)
                lab.collector.delay = delay
                spans = self.spans(lab, run(self, lab, how, *more), settle=0.0)
                self.assertEqual(len({s["span_id"] for s in spans}), len(spans))
                self.assertEqual({s["parent_span_id"] for s in spans}, {""})
                pids = {s["resource"]["process.pid"] for s in spans}
                self.assertEqual(len(pids), CHILDREN + 1)

    def test_idle_exporter(self):
        self.check(FORKS + STARTS, 0.0)

    def test_exporter_in_a_slow_request(self):
        self.check(FORKS + STARTS, 0.05)

    def test_malloc_storm(self):
        self.check(FORKS + STARTS, 0.0, "storm")


class Same(WithServer, Transparency):
    def test_resolver_at_work(self):
        """There is no such collector: the exporter looks for it all the time, and nobody hangs."""
        for how in FORKS:
            with self.subTest(how):
                lab = self.lab(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.invalid:4318",
                               OTEL_BSP_SCHEDULE_DELAY="1")
                run(self, lab, how)
                self.assert_loaded(lab, "host_family", 1 + CHILDREN)


if __name__ == "__main__":
    unittest.main()
