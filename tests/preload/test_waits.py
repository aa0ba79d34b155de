# SPDX-License-Identifier: Apache-2.0
"""A request that is read after a wait for its connection alone is known to be what the thread works on;
after a wait for several it is not (context.h).  By host_waits.c, with a non-blocking descriptor."""
import os
import unittest

from support.case import Feature, Transparency, brief
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_waits")
ALONE = [
    ["select", "r0"], ["select", "r27"], ["select", "r63"], ["select", "r64"], ["select", "r65"],
    ["select", "r1023"], ["select", "r70", "w70", "e70"], ["select", "r70", "x71"],
    ["select", "r63", "x64"], ["select", "r70", "x1500"], ["pselect", "r64"], ["pselect", "r1023"],
    ["poll", "r27"], ["ppoll", "r27"], ["__poll_chk", "r27"], ["__ppoll_chk", "r27"],
]
SEVERAL = [
    ["select", "r70", "r71"], ["select", "r70", "w71"], ["select", "r70", "e25"],
    ["select", "r25", "r1023"], ["select", "r63", "r64"], ["select", "r70", "w1023"],
    ["select", "r70", "r1500"], ["pselect", "r70", "w71"], ["poll", "r27", "r28"],
    ["ppoll", "r27", "r28"], ["__poll_chk", "r27", "r28"], ["__ppoll_chk", "r27", "r28"],
    ["epoll_wait", "r27"], ["epoll_pwait", "r27"], ["epoll_pwait2", "r27"],
]


class Same(Transparency):
    def test_every_wait(self):
        lab = self.lab()
        for args in ALONE + SEVERAL:
            with self.subTest(args=args):
                done = lab.run([HOST, *args])
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"ok\n", b""))
        self.assert_loaded(lab, "host_waits", len(ALONE + SEVERAL), hooked=True)


class Parents(Feature):
    def parents(self, rows):
        """Of each row's inner call: is it the request's child?"""
        found = []
        for args in rows:
            lab = self.lab()
            lab.run([HOST, *args])
            spans = self.spans(lab, 4, settle=0)
            by = {(s["kind"], s["attributes"].get("url.path") or "inner"): s for s in spans
                  if s["kind"] == "SERVER" or "/inner" in s["attributes"]["url.full"]}
            inner, outer = by["CLIENT", "inner"], by["SERVER", "/outer"]
            self.assertIn(inner["parent_span_id"], ("", outer["span_id"]), brief(spans))
            found.append((*args, inner["parent_span_id"] == outer["span_id"]))
        return found

    def test_wait_for_one(self):
        self.assertEqual(self.parents(ALONE), [(*args, True) for args in ALONE])

    def test_wait_for_several(self):
        self.assertEqual(self.parents(SEVERAL), [(*args, False) for args in SEVERAL])


if __name__ == "__main__":
    unittest.main()
