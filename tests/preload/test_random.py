# SPDX-License-Identifier: Apache-2.0
"""Conversations by calls that are drawn, by host_random.c: each call says what it says bare, and the
bytes are the same but for our line and our digits."""
import os
import unittest

from support.case import Transparency
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_random")
# First and count; then such as have found something: 129373 spoils the version of a traceparent, which
# gets our digits all the same.
SEEDS = (0, 3000), (129373, 1)


class Same(Transparency):
    def said(self, lab, **env):
        said = []
        for first, count in SEEDS:
            done = lab.run([HOST, str(first), str(count)], **env)
            said += [*done.stdout.decode().splitlines(), done.stderr, done.returncode]
        return said

    def check(self, **env):
        bare = self.lab()
        bare.bare = True
        lab = self.lab()
        seed = None
        for want, have in zip(self.said(bare), self.said(lab, **env)):
            seed = want if str(want).startswith("seed") else seed
            self.assertEqual(have, want, seed)
        self.assertEqual(want, 0)
        self.assert_loaded(lab, "host_random", hooked=True)

    def test_all(self):
        self.check()

    def test_without_the_header_tag(self):
        self.check(OTEL_INTERSPAN_HEADER_TAG="false")

    def test_with_the_sdk_disabled(self):
        self.check(OTEL_SDK_DISABLED="true")


if __name__ == "__main__":
    unittest.main()
