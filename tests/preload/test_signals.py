# SPDX-License-Identifier: Apache-2.0
"""Handlers on small stacks, and programs that block all signals, by host_signals.c.  The rest of what
signals do: host_alarm.c (handlers at 5 kHz), host_interrupt.c (EINTR), host_longjmp.c, host_differ_*.c
(cancellation)."""
import os
import re
import unittest

from support.case import Feature, Transparency
from support.progs import BARE, BUILD
from test_process import WithServer

HOST = os.path.join(BUILD, "tests", "host_signals")
ROOM = 2048  # of stack, that a hook may use (design 7)


class Same(WithServer, Transparency):
    def used(self, bare):
        lab = self.lab()
        lab.bare = bare
        done = lab.run([HOST, str(self.server().port), "stack"])
        found = re.fullmatch(r"good 2 used (\d+)\n", done.stdout.decode())
        self.assertTrue(found and (done.returncode, done.stderr) == (0, b""), done)
        if not bare:
            self.assertEqual(lab.total("spans_started"), 2, lab.counters())
        return int(found[1])

    def test_handler_on_a_stack_of_its_own(self):
        """Two whole requests in it need no more than 2 KiB beyond what they need bare."""
        self.assertLessEqual(self.used(BARE), self.used(True) + ROOM)


class Delivered(WithServer, Feature):
    def test_all_signals_are_blocked(self):
        """By the next call that no handler would make, and at the end."""
        lab = self.lab()
        done = lab.run([HOST, str(self.server().port), "blocked"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"204\n204\n", b""))
        self.spans(lab, 2, settle=0.0)

    def test_all_signals_are_blocked_and_it_lives_on(self):
        lab = self.lab()
        host = lab.start([HOST, str(self.server().port), "blocked", "stay"], "blocked")
        self.addCleanup(host.process.kill)  # before the lab, which would ask it to end
        self.spans(lab, 2, settle=0.0)


if __name__ == "__main__":
    unittest.main()
