# SPDX-License-Identifier: Apache-2.0
"""Where in a program a call was made: code.* of CLIENT spans that failed or took long (D117)."""
import os
import subprocess
import tempfile

from support.case import Feature

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = tempfile.TemporaryDirectory(prefix="interspan-test-")  # pylint: disable=R1732
NEVER = "3600000"


def build(name, source, *flags, compiler="gcc"):
    path = f"{BUILT.name}/{name}"
    subprocess.run([compiler, *flags, "-o", path, f"{HERE}/{source}"], check=True)
    return path


def code(span):
    return {k[len("code."):]: v for k, v in span["attributes"].items() if k.startswith("code.")}


class Stacks(Feature):
    def call(self, program, *paths, **env):
        """The CLIENT spans of a program that asks for these paths, in that order."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        done = lab.run([program, str(second.port), *paths], service="caller", **env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        spans = sorted(self.spans(lab, len(paths)), key=lambda s: s["start"])
        self.counters = {k: lab.total(k) for k in ("stacks_taken", "stacks_over_limit",
                                                   "stacks_refused")}
        return spans

    def assert_counted(self, taken=0, limited=0, refused=0):
        self.assertEqual(self.counters, {"stacks_taken": taken, "stacks_over_limit": limited,
                                         "stacks_refused": refused})


class When(Stacks):
    @classmethod
    def setUpClass(cls):
        cls.program = build("caller", "caller.c", "-O2")

    def test_calls_that_fail_and_no_others(self):
        spans = self.call(self.program, "/x", "/status/404", "/status/500", "/x",
                          OTEL_INTERSPAN_STACK_THRESHOLD=NEVER)
        self.assertEqual([bool(code(s)) for s in spans], [False, True, True, False])
        self.assert_counted(taken=2)

    def test_calls_that_last_so_long(self):
        spans = self.call(self.program, "/slow/300", "/x", OTEL_INTERSPAN_STACK_THRESHOLD="300")
        self.assertTrue(code(spans[0]))
        self.assertEqual(set(spans[0]["attributes"]) & {"error.type"}, set())

    def test_all_but_ten_a_second(self):
        spans = self.call(self.program, *["/x"] * 40, OTEL_INTERSPAN_STACK_THRESHOLD="0")
        taken = sum(bool(code(s)) for s in spans)
        seconds = {s["end"] // 10**9 for s in spans}
        self.assertGreaterEqual(taken, 10)
        self.assertLessEqual(taken, 10 * (len(seconds) + 1))
        self.assert_counted(taken=taken, limited=40 - taken)

    def test_none_at_all(self):
        spans = self.call(self.program, "/status/500", OTEL_INTERSPAN_STACKS="false",
                          OTEL_INTERSPAN_STACK_THRESHOLD="0")
        self.assertEqual(code(spans[0]), {})
        self.assert_counted()
