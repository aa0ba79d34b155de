# SPDX-License-Identifier: Apache-2.0
"""Where in a program a call was made: code.* of CLIENT spans that failed or took long (D117)."""
import os
import re
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


class Where(Stacks):
    """One program, in the ways in which programs are built."""
    ways = {
        "plain": ("gcc", "-O2"), "debug": ("gcc", "-O2", "-g"),
        "dwarf4": ("gcc", "-O2", "-gdwarf-4", "-no-pie"), "stripped": ("gcc", "-O2", "-s"),
        "inlined": ("gcc", "-O2", "-g", "-DINLINED"),
        "pointers": ("gcc", "-O0", "-g", "-fno-omit-frame-pointer"),
        "cxx": ("g++", "-x", "c++", "-O2", "-g"),
    }

    def test_every_way_to_build(self):
        with open(f"{HERE}/caller.c", encoding="utf-8") as f:
            lines = f.read().split("\n")
        line, = [i + 1 for i, text in enumerate(lines) if "(n = read(" in text]
        source = f"{HERE}/caller.c"
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        found = {}
        for name, (compiler, *flags) in self.ways.items():
            program = build(name, "caller.c", *flags, compiler=compiler)
            done = lab.run([program, str(second.port), "/status/500"], service=name)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        for span in self.spans(lab, len(self.ways)):
            found[span["service"]] = code(span)
        at = {"file.path": source, "line.number": line}
        expected = {"plain": {"function.name": "ask"}, "stripped": {},
                    "inlined": {"function.name": "main", **at},
                    "cxx": {"function.name": "ask(int, char const*)", **at}}
        for name, told in found.items():
            with self.subTest(way=name):
                trace = told.pop("stacktrace").split("\n")
                self.assertEqual(told, expected.get(name, {"function.name": "ask", **at}))
                self.assert_trace(name, trace, f"at {source}:{line} ")

    def assert_trace(self, name, trace, where):
        path = f"{BUILT.name}/{name}"
        self.assertEqual([line.split(" ")[0] for line in trace],
                         [f"#{i}" for i in range(len(trace))])
        mine = [line for line in trace if path in line]
        if name == "stripped":
            notes = subprocess.run(["readelf", "-n", path], check=True, capture_output=True,
                                   text=True).stdout
            ident = re.search("Build ID: ([0-9a-f]+)", notes)[1]
            for line in mine:
                self.assertRegex(line, rf"^#\d+ {path}\+0x[0-9a-f]+ \(build id {ident}\)$")
            self.assertGreaterEqual(len(mine), 3)
            return
        order = [re.match(r"#\d+ (\w+)", line)[1] for line in mine]
        calls = ["main"] if name == "inlined" else ["ask", "outer", "main"]
        self.assertEqual(order[:len(calls)], calls)
        if name != "plain":
            self.assertIn(where, mine[0])
        self.assertTrue(any("__libc_start_main" in line and "libc.so.6" in line
                            for line in trace), trace)

    def test_debug_file_by_build_id(self):
        program = build("apart", "caller.c", "-O2", "-g")
        notes = subprocess.run(["readelf", "-n", program], check=True, capture_output=True,
                               text=True).stdout
        ident = re.search("Build ID: ([0-9a-f]+)", notes)[1]
        directory = f"/usr/lib/debug/.build-id/{ident[:2]}"
        try:
            os.makedirs(directory, exist_ok=True)
            debug = f"{directory}/{ident[2:]}.debug"
            subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("needs to write below /usr/lib/debug")
        self.addCleanup(os.remove, debug)
        subprocess.run(["strip", program], check=True)
        span, = self.call(program, "/status/500")
        self.assertEqual(code(span)["function.name"], "ask")
        self.assertEqual(code(span)["file.path"], f"{HERE}/caller.c")
