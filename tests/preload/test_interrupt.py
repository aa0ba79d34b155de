# SPDX-License-Identifier: Apache-2.0
"""A signal ends a call that waits, as the host asked for: no hook makes the call again.  By
host_interrupt.c."""
import os
import unittest

from support.case import Transparency
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_interrupt")
EINTR = " = -1, errno 4"
CALLS = 2 + 2 * (9 + 9 + 8)  # accept(), accept4(); of both ends: reads, waits, writes


class Same(Transparency):
    def test_every_call_that_waits(self):
        lab = self.lab()
        done = lab.run([HOST], timeout=120)
        lines = done.stdout.decode().splitlines()
        self.assertEqual((done.returncode, done.stderr), (0, b""), lines)
        self.assertEqual([line for line in lines if not line.endswith(EINTR)], [])
        self.assertEqual(len(lines), CALLS)
        self.assert_loaded(lab, "host_interrupt", hooked=True)


if __name__ == "__main__":
    unittest.main()
