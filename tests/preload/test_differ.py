# SPDX-License-Identifier: Apache-2.0
"""Every hooked function with every flag, error and odd argument, by the host_differ_*.c: what each
call returns, errno, the bytes on both ends, every system call, and at the end environment,
descriptors, threads and signals are as bare, but for the table in differ_law.py."""
import concurrent.futures
import os
import re
import subprocess
import unittest

import differ_law
from differ_trace import ARGS, Trace
from support.case import Transparency
from support.progs import BARE, BUILD, ROOT

DIRECTORY = os.path.join(BUILD, "tests")
HOSTS = sorted(name[:-2] for name in os.listdir(os.path.join(ROOT, "tests", "preload"))
               if re.fullmatch(r"host_differ_\w+\.c", name))
MODES = {
    "collector": {"OTEL_INTERSPAN_INHERIT_THREADS": "true"},
    "none": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    "disabled": {"OTEL_SDK_DISABLED": "true"},
}


def hook_rows():
    with open(os.path.join(ROOT, "hooks", "hooks.def"), encoding="utf-8") as f:
        return re.findall(r"^HOOK\((\w+)\)", f.read(), re.M)


def can_trace():
    try:
        done = subprocess.run([*ARGS, "-o", "/dev/null", "true"], capture_output=True, timeout=30,
                              check=False)
    except FileNotFoundError:
        return "strace is not there"
    return "" if done.returncode == 0 else f"ptrace is refused: {done.stderr.decode().strip()}"


def lines(output):
    """Without what the runner itself has put into the environment."""
    return [line for line in output.decode().splitlines()
            if not line.startswith(("environ LD_PRELOAD=", "environ OTEL_", "environ PWD="))]


class Run:
    """One host, in one mode ("" is bare)."""

    def __init__(self, case, host, mode, is_traced):
        lab = case.lab()
        lab.bare = BARE or not mode
        argv = [os.path.join(DIRECTORY, host)]
        if is_traced:
            where = lab.path("trace")
            os.mkdir(where)
            argv = [*ARGS, "-o", os.path.join(where, "t"), *argv]
        env = lab.env(**MODES.get(mode, {}))
        env.setdefault("LD_PRELOAD", "")
        if is_traced:  # not of strace itself
            preload = env.pop("LD_PRELOAD")
            argv[1:1] = ["-E", f"LD_PRELOAD={preload}"] if preload else []
        # A file, which never makes anybody wait.
        with open(lab.path("said"), "w+b") as said:
            done = subprocess.run(argv, env=env, cwd=lab.directory, stdin=subprocess.DEVNULL,
                                  stdout=said, stderr=subprocess.PIPE, timeout=120, check=False)
            said.seek(0)
            self.said = lines(said.read())
        # What it cannot read of a call's arguments strace tells on its standard error, too.
        self.end = (done.returncode, "".join(
            line for line in done.stderr.decode().splitlines(True)
            if not (is_traced and line.startswith("strace: umoven: "))))
        self.trace = Trace(where, lab.log) if is_traced else None
        self.lab = lab


class Same(Transparency):
    def runs(self, is_traced, *modes):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = {(host, mode): pool.submit(Run, self, host, mode, is_traced)
                     for mode in ("", *modes) for host in HOSTS}
        return {key: run.result() for key, run in found.items()}

    def check(self, runs, *modes):
        for host in HOSTS:
            bare = runs[host, ""]
            self.assertEqual(bare.end, (0, ""), host)
            for line in bare.said:
                if line.startswith("SKIPPED"):
                    print(f"     {host}: {line}")
            for mode in modes:
                self.same(host, mode, bare, runs[host, mode])

    def same(self, host, mode, bare, run):
        found = differ_law.compare_said(bare.said, run.said, mode)
        if run.trace:
            was, now = bare.trace.calls, run.trace.calls
            for name in sorted(was):
                found += differ_law.compare_calls(was[name], now.get(name, []), mode, name)
            self.assertEqual(set(now) - set(was), set(), "threads and processes")
        if found:
            self.fail(f"{host}, {mode}: " + "\n".join(found))
        self.assertEqual(run.end, bare.end, f"{host}, {mode}")
        self.assert_loaded(run.lab, host)

    def test_what_is_said(self):
        runs = self.runs(False, *MODES)
        self.check(runs, *MODES)
        called = {line.partition("(")[0] for host in HOSTS for line in runs[host, ""].said}
        self.assertEqual([row for row in hook_rows() if row not in called], [],
                         "hooks that no host_differ_*.c calls")

    def test_system_calls(self):
        why_not = can_trace()
        if why_not:
            self.skipTest(why_not)
        self.check(self.runs(True, *MODES), *MODES)
        if not BARE:
            self.assertEqual([row.name for row in differ_law.LAW if not row.seen], [],
                             "excuses that nothing needs")


if __name__ == "__main__":
    unittest.main()
