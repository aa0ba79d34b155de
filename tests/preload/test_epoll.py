# SPDX-License-Identifier: Apache-2.0
"""A wait by an epoll instance that a request has made for one connection of ours is part of its work;
by one that may have others in it is not (epoll_set.h).  By host_epoll.c."""
import os
import unittest

from support.case import Feature, Transparency, brief
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_epoll")
ALONE = ["one", "size", "another"]
SEVERAL = ["two", "was two", "copied", "forked", "not ours", "number"]


class Same(Transparency):
    def test_every_case(self):
        lab = self.lab()
        for case in ALONE + SEVERAL:
            with self.subTest(case=case):
                done = lab.run([HOST, case])
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b"ok\n"))
        self.assert_loaded(lab, "host_epoll", len(ALONE + SEVERAL), hooked=True)


class Parents(Feature):
    def is_child(self, case):
        lab = self.lab()
        lab.run([HOST, case])
        spans = self.spans(lab, 4, settle=0)
        by = {(s["kind"], s["attributes"].get("url.path") or "inner"): s for s in spans
              if s["kind"] == "SERVER" or "/inner" in s["attributes"]["url.full"]}
        inner, outer = by["CLIENT", "inner"], by["SERVER", "/outer"]
        self.assertIn(inner["parent_span_id"], ("", outer["span_id"]), brief(spans))
        return inner["parent_span_id"] == outer["span_id"]

    def test_of_one_connection(self):
        self.assertEqual([c for c in ALONE if self.is_child(c)], ALONE)

    def test_of_what_may_be_more(self):
        self.assertEqual([c for c in SEVERAL if self.is_child(c)], [])


if __name__ == "__main__":
    unittest.main()
