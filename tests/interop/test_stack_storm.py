# SPDX-License-Identifier: Apache-2.0
"""Stacks in programs that load and unload libraries, fork, and call from sixteen threads, all at
once: it goes on as without us, and what is told of libraries that are gone is right."""
import os
import re
import subprocess
import tempfile

from support.case import Feature, Transparency

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = tempfile.TemporaryDirectory(prefix="interspan-test-")  # pylint: disable=R1732
NAMES = ("through_a", "through_b", "through_c")
THREADS, CALLS, CHILDREN = 16, 60, 40


def setUpModule():  # pylint: disable=invalid-name
    subprocess.run(["gcc", "-O2", "-g", "-pthread", "-o", f"{BUILT.name}/storm",
                    f"{HERE}/apps/storm.c"], check=True)
    for i, name in enumerate(NAMES):
        subprocess.run(["gcc", "-O2", "-g", "-shared", "-fPIC", f"-DNAME={name}",
                        f"-DROOM={1000 * (i + 1)}", "-o", f"{BUILT.name}/lib{name}.so",
                        f"{HERE}/apps/plugin.c"], check=True)


def storm(lab, second, threads=THREADS, calls=CALLS, children=CHILDREN, **env):
    libraries = [f"{BUILT.name}/lib{name}.so" for name in NAMES]
    return lab.run([f"{BUILT.name}/storm", str(second.port), str(threads), str(calls),
                    str(children), *libraries], service="storm", timeout=120, **env)


class Storm(Transparency):
    def test_ends_well(self):
        for round_ in range(3):
            with self.subTest(round=round_):
                lab = self.lab(OTEL_INTERSPAN_STACK_THRESHOLD="0")
                second = lab.python_server("second.py", traced=False)
                done = storm(lab, second, ALL_FAIL="1")
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertGreaterEqual(int(done.stdout), THREADS * CALLS + CHILDREN)
                self.assert_loaded(lab, "storm", hooked=True)


class Told(Feature):
    def test_stacks_through_libraries_that_are_gone(self):
        lab = self.lab(OTEL_INTERSPAN_STACK_THRESHOLD="3600000")
        second = lab.python_server("second.py", traced=False)
        done = storm(lab, second, threads=2, calls=50, children=0)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        spans = self.spans(lab, int(done.stdout))
        traces = [s["attributes"]["code.stacktrace"] for s in spans
                  if "code.stacktrace" in s["attributes"]]
        self.assertGreaterEqual(len(traces), 10)
        for trace in traces:
            self.assertRegex(trace, r"^#0 ask\+0x")
            name = re.match(r"#1 (through_[abc])\+0x[0-9a-f]+ at (\S+):\d+ \((\S+)\)",
                            trace.split("\n")[1])
            self.assertTrue(name, trace)
            self.assertEqual(name[3], f"{BUILT.name}/lib{name[1]}.so")
            self.assertRegex(trace, r"\n#2 entry\+.*\n#3 load_and_unload\+.*\n.*libc\.so\.6")
