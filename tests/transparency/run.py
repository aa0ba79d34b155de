# SPDX-License-Identifier: Apache-2.0
"""Runs test suites that other people wrote, bare and preloaded, and compares test by test.

    run.py [--mode MODE]... [--set short|all] [SUITE[:PART]...]
    run.py --freeze [SUITE...]      three bare runs: what differs between them is flaky from now on

Each run has a network namespace of its own, with nothing but loopback in it, so that bare and all modes
run at the same time, and one bare run serves them all.  A suite is a file of suites/ with

    SHORT, ALL      parts of it: the names that command() takes; the short ones are in `make check`
    missing()       what must be installed, as text; None: it is all there
    command(part)   (argv, env, directory): runs that part
    results(part, directory, output)   {test: "ok" | "failed" | "skipped"}
    AT_ONCE         how many runs may go on at a time, where that is not all: they share the file system

Modes: no collector, a collector, OTEL_SDK_DISABLED=true.

Law 1 allows a header of ours in a request.  No list says which tests may fail for it: what differs runs
twice more, and is excused if it fails again, and does not where the header alone is turned off.
"""
import argparse
import concurrent.futures
import fcntl
import importlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

from support.collector import Collector  # noqa: E402  pylint: disable=wrong-import-position
from support.progs import OBJECT  # noqa: E402  pylint: disable=wrong-import-position

MODES = ("silent", "collector", "disabled")
# The last is no mode to ask for: all but the header.
SETTINGS = {"disabled": {"OTEL_SDK_DISABLED": "true"},
            "no header": {"OTEL_INTERSPAN_PROPAGATE_TO": "nobody.invalid"}}
LIMIT = 1800


# --- inside the namespace ---

def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, name))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))   # SIOCSIFFLAGS, IFF_UP


def environment(mode, log, collector, extra):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("OTEL_") and name != "LD_PRELOAD"}
    env.update(extra)
    if mode == "bare":
        return env
    # A copy: a suite that gives up root could not read ours.
    ours = shutil.copy(OBJECT, os.path.dirname(log))
    env.update({"LD_PRELOAD": ours, "OTEL_INTERSPAN_LOG": log,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint if collector else
                "http://127.0.0.1:1"})
    env.update(SETTINGS.get(mode, {}))
    return env


def counters(log):
    """Over all processes: with the object, names that were called through its hooks, calls that were
    on connections of ours, headers that were written."""
    names = ("loaded", "hook_names", "hooks_on_tracked", "headers_injected")
    told = dict.fromkeys(names, 0)
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as f:
            for line in f:
                words = dict(w.split("=", 1) for w in line.split()[1:] if "=" in w)
                for name in names:
                    told[name] += int(words.get(name, 0))
    return told


def inner(suite, part, mode, directory):
    raise_loopback()
    log = os.path.join(directory, "interspan.log")
    work = os.path.join(directory, "work")
    os.chmod(directory, 0o755)
    os.mkdir(work)
    with open(log, "wb"):
        os.chmod(log, 0o666)
    collector = Collector().__enter__() if mode in ("collector", "no header") else None
    argv, extra, where = suite.command(part, work)
    out = os.path.join(directory, "output")
    with open(out, "wb") as f:
        process = subprocess.Popen(argv, cwd=where, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                   env=environment(mode, log, collector, extra),
                                   start_new_session=True)
    try:
        status = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        status = "no end"
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    with open(out, encoding="utf-8", errors="replace") as f:
        results = suite.results(part, work, f.read())
    results["(its end)"] = status if isinstance(status, str) else (
        f"signal {-status}" if status < 0 else "failed" if status else "ok")
    print(json.dumps({"results": results, "proof": counters(log)}))


# --- outside ---

UNSHARE = ["unshare", *([] if os.getuid() == 0 else ["-r"]), "-n"]


def no_namespace():
    """Why none can be had, as in a chroot for all but root, or in many a container; None: it can."""
    done = subprocess.run([*UNSHARE, "true"], stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return f"no network namespace can be had here: {done.stderr.strip()}" if done.returncode else None


def run(name, part, mode):
    directory = tempfile.mkdtemp(prefix="interspan-transparency-")
    try:
        done = subprocess.run([*UNSHARE, sys.executable, os.path.abspath(__file__),
                               "--inner", directory, "--mode", mode, name, part],
                              stdout=subprocess.PIPE, timeout=LIMIT + 60, check=True)
        return json.loads(done.stdout)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def flaky_file(name):
    return os.path.join(HERE, "flaky", f"{name}.txt")


def flaky(name):
    if not os.path.exists(flaky_file(name)):
        return set()
    with open(flaky_file(name), encoding="utf-8") as f:
        return {line.strip() for line in f if line.strip() and line[0] != "#"}


def differences(a, b):
    return {t for t in a.keys() | b.keys() if a.get(t) != b.get(t)}


def at_once(name, many):
    suite = importlib.import_module(f"suites.{name}")
    return concurrent.futures.ThreadPoolExecutor(min(many, getattr(suite, "AT_ONCE", many)))


def by_header(name, part, mode, differ, bare, traced):
    """Those of differ that our header causes: they fail once more with it, and not without."""
    if not differ or not traced["proof"]["headers_injected"]:
        return set()
    with at_once(name, 2) as pool:
        again, without = pool.map(lambda m: run(name, part, m)["results"], (mode, "no header"))
    want = ("ok", "failed", "failed", "ok")
    return {t for t in differ
            if (bare.get(t), traced["results"].get(t), again.get(t), without.get(t)) == want}


class Tally:
    """What a suite came to in a mode."""
    def __init__(self):
        self.tests = self.excused = 0
        self.differ = []


def compare(name, part, mode, bare, traced, tally):
    """True: the same."""
    left_out = {line.partition(" ")[2] for line in flaky(name) if line.partition(" ")[0] == part}
    differ = differences(bare, traced["results"]) - left_out
    excused = by_header(name, part, mode, differ, bare, traced)
    differ = sorted(differ - excused)
    proof = traced["proof"]
    count = sum(t not in left_out for t in bare)
    tally.tests += count
    tally.excused += len(excused)
    tally.differ += differ
    told = f", {len(excused)} by our header" if excused else ""
    print(f"{name} {part}, {mode}: {count} tests, {len(differ)} differ{told}; {proof['loaded']} "
          f"processes, {proof['hook_names']} names hooked, {proof['hooks_on_tracked']} calls of ours",
          flush=True)
    for test in differ:
        print(f"     {test}: bare {bare.get(test)}, preloaded {traced['results'].get(test)}")
    if not proof["loaded"] or not proof["hook_names"] or count < 2:
        print("     the object was not there, no hook was called, or nothing ran")
        return False
    return not differ


def measure(name, parts, modes):
    """(held, not held) over parts and modes."""
    tallies = {mode: Tally() for mode in modes}
    good = bad = 0
    for part in parts:
        began = time.monotonic()
        with at_once(name, 4) as pool:
            bare, *traced = pool.map(lambda m, p=part: run(name, p, m), ("bare", *modes))
        for mode, one in zip(modes, traced):
            held = compare(name, part, mode, bare["results"], one, tallies[mode])
            good, bad = good + held, bad + (not held)
            print(f"{'ok  ' if held else 'FAIL'} {name} {part}, {mode} "
                  f"({time.monotonic() - began:.0f} s)", flush=True)
    for mode, tally in tallies.items():
        names = f" ({', '.join(tally.differ)})" if tally.differ else ""
        excused = f", {tally.excused} by our header" if tally.excused else ""
        print(f"{name}, {mode}: {tally.tests} tests, same{excused}, {len(tally.differ)} differ{names}")
    return good, bad


def debian():
    with open("/etc/debian_version", encoding="ascii") as f:
        return f.read().strip()


def freeze(name, suite):
    """Three at the same time, if they may: what shows only on a busy machine is to be found here, too."""
    unsteady = set()
    for part in suite.ALL:
        with at_once(name, 3) as pool:
            runs = [r["results"] for r in pool.map(lambda _: run(name, part, "bare"), range(3))]
        found = set(differences(runs[0], runs[1])) | set(differences(runs[0], runs[2]))
        print(f"{name} {part}: {len(runs[0])} tests, {len(found)} flaky {sorted(found)}", flush=True)
        unsteady |= {f"{part} {t}" for t in found}
    os.makedirs(os.path.dirname(flaky_file(name)), exist_ok=True)
    with open(flaky_file(name), "w", encoding="utf-8") as f:
        f.write("# What differed between three bare runs at the same time: tests/transparency/run.py "
                f"--freeze {name}\n# Debian {debian()}, {time.strftime('%Y-%m-%d')}; "
                f"{len(suite.ALL)} parts\n")
        f.writelines(f"{t}\n" for t in sorted(unsteady))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", action="append", choices=(*MODES, "bare", "no header"))
    parser.add_argument("--set", choices=("short", "all"), default="all")
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--inner")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.inner:
        inner(importlib.import_module(f"suites.{args.names[0]}"), args.names[1], args.mode[0],
              args.inner)
        return
    names = args.names or sorted(f[:-3] for f in os.listdir(os.path.join(HERE, "suites"))
                                 if f.endswith(".py") and f[0] != "_")
    good = bad = skipped = 0
    for name in names:
        name, _, part = name.partition(":")
        suite = importlib.import_module(f"suites.{name}")
        parts = [part] if part else suite.SHORT if args.set == "short" else suite.ALL
        why = suite.missing() or no_namespace()
        if why:
            print(f"SKIP {name}: {why}")
            skipped += 1
        elif args.freeze:
            freeze(name, suite)
        else:
            held, failed = measure(name, parts, args.mode or MODES)
            good, bad = good + held, bad + failed
    print(f"{good} passed, {bad} failed, {skipped} skipped")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
