# SPDX-License-Identifier: Apache-2.0
"""A server that shuts the way out has told when its response ends: then, and not when it closes, which
for a poller is later by as long as that sleeps (Tomcat's: a second)."""
import unittest

from support.case import Feature, Transparency
from test_sockets import both, run, told

LATER = both("/later")
# What there is but for /later; it has ended when that begins.
CASES = {
    "after_a_reset": ["CLIENT /1", "SERVER /1 ECONNRESET"],
    "one_way": ["CLIENT /1", "SERVER /1 no_response"],
    "both_ways": ["CLIENT /1", "SERVER /1 no_response"],
    "after_a_body": both("/1", status=200),
    "in_a_body": ["CLIENT /1", "SERVER /1 200 no_response"],
    "beside_a_child": both("/1", status=200),
    # What has been sent nobody knows: no status, and no error either.
    "unseen_answer": ["CLIENT /1 204", "SERVER /1"],
}
# Its answer comes after that.
GOES_ON = {"not_the_way_out": both("/1"), "by_the_client": both("/1")}


class Same(Transparency):
    def test_each_way(self):
        for case in {**CASES, **GOES_ON}:
            with self.subTest(case):
                lab, done = run(self, "host_shut", case)
                self.assertEqual((done.returncode, done.stdout.decode(), done.stderr),
                                 (0, f"{case}: ok\n", b""))
                self.assert_loaded(lab, "host_shut", 1, hooked=True)


class Spans(Feature):
    def check(self, case, expected, ends_before):
        lab, _ = run(self, "host_shut", case)
        spans = self.spans(lab, len(LATER + expected), settle=0.1)
        self.assertEqual(sorted(map(told, spans)), sorted(LATER + expected))
        server = next(s for s in spans if told(s).startswith("SERVER /1"))
        begun = min(s["start"] for s in spans if "/later" in told(s))
        self.assertEqual(server["end"] <= begun, ends_before)


def add_cases():
    def test_of(*row):
        return lambda self: self.check(*row)

    for cases, ends_before in ((CASES, True), (GOES_ON, False)):
        for case, expected in cases.items():
            setattr(Spans, "test_" + case, test_of(case, expected, ends_before))


add_cases()
if __name__ == "__main__":
    unittest.main()
