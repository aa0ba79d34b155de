# SPDX-License-Identifier: Apache-2.0
"""Programs that close whatever is open, as daemons do, while the exporter is at work: its sockets are not
theirs (exporter isolation: H5).  And those that are in a root of their own before the first span (H12).  By
host_closes.c, which also looks whether its files hold what it has written."""
import os
import re
import shutil
import subprocess
import unittest

from support.case import Feature
from support.progs import BUILD, OBJECT
from test_process import WithServer, run_with

HOST = os.path.join(BUILD, "tests", "host_closes")
WAYS = ["closefrom", "loop", "loop-raw", "range", "range-raw", "dup2"]
ROUNDS = 12


class Delivered(WithServer, Feature):
    def test_all_is_closed_while_spans_are_sent(self):
        for way in WAYS:
            with self.subTest(way):
                lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1", OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="60000")
                lab.collector.delay = 0.001
                done = lab.run([HOST, str(self.server().port), way, str(ROUNDS)])
                self.assertEqual((done.returncode, done.stdout.decode(), done.stderr),
                                 (0, f"answered {ROUNDS} bad 0\n", b""))
                self.spans(lab, ROUNDS, settle=0.0)
                self.assertEqual(lab.collector.connections, 1)

    def test_in_a_root_without_anything(self):
        """No /proc, no /dev, no /etc: nothing but the program and its libraries."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        lab = self.lab()
        root = lab.path("root")
        listed = subprocess.run(["ldd", HOST, OBJECT], capture_output=True, check=True, text=True).stdout
        for path in {HOST, OBJECT, *re.findall(r"(/\S+) \(0x", listed)}:
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, root + path)
        done = run_with(lab, "" if lab.bare else OBJECT,
                        ["chroot", root, HOST, str(self.server().port), "none", "2"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"answered 2 bad 0\n", b""))
        spans = self.spans(lab, 2, settle=0.0)
        self.assertNotIn("process.executable.name", spans[0]["resource"])


if __name__ == "__main__":
    unittest.main()
