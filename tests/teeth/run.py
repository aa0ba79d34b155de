# SPDX-License-Identifier: Apache-2.0
"""Proves that tests bite: builds the object deliberately broken, once for each row of teeth.list, and
requires that the test which the row names passes without the break and fails with it.

    run.py [--keep] [-k PATTERN]    builds and runs, in $BUILD/teeth; prints the table
    run.py --check                  only: do all rows still apply, and are their tests there?

A row:

    tooth  what is broken, in one line
    test   unit/test_span test_span_ends_once             a case of a unit test, or
    test   preload/test_process Same.test_syscall         one of tests/preload, of tests/e2e, or
    test   house check-calls                              a check of the house
    file   preload/span.c
    < old text, which stands there exactly once; the next such line is the next line of it
    > new text; none: the old one is taken away

More pairs of old and new text, of this file and of others, may follow, and more tests: all must fail.
"""
import argparse
import ctypes
import dataclasses
import fnmatch
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIST = os.path.join(HERE, "teeth.list")
PYTHON = "/usr/bin/python3"
BUILD = os.path.join(os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build"))), "teeth")
TIMEOUT = 180  # of one program; the slowest takes half a minute
JOBS = str(os.cpu_count() or 1)


@dataclasses.dataclass
class Edit:
    path: str
    old: str = ""
    new: str = ""


@dataclasses.dataclass
class Tooth:
    name: str
    line: int
    tests: list = dataclasses.field(default_factory=list)  # (program or file, case)
    edits: list = dataclasses.field(default_factory=list)


class Malformed(Exception):
    pass


# --- the list ---


def take_line(teeth, number, line):
    word, _, rest = line.partition(" ")
    rest = rest if word in "<>" else rest.strip()
    if word == "tooth":
        teeth.append(Tooth(rest, number))
        return
    edits = teeth[-1].edits
    if word == "test":
        place, case = rest.split()
        teeth[-1].tests.append((place, case))
    elif word == "file":
        edits.append(Edit(rest))
    elif word == "<":
        if edits[-1].new:
            edits.append(Edit(edits[-1].path))
        edits[-1].old += rest + "\n"
    elif word == ">":
        edits[-1].new += rest + "\n"
    else:
        raise ValueError


def read_teeth():
    teeth = []
    with open(LIST, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                take_line(teeth, number, line.rstrip("\n"))
            except (ValueError, IndexError) as e:
                raise Malformed(f"teeth.list:{number}: not understood") from e
    for tooth in teeth:
        # The last line end is the list's, not the text's: a part of a line will do.
        for edit in tooth.edits:
            edit.old, edit.new = edit.old[:-1], edit.new[:-1]
        if not tooth.tests or not all(e.old for e in tooth.edits) or not tooth.edits:
            raise Malformed(f"teeth.list:{tooth.line}: needs a test, a file, and old text")
    return teeth


def applied(tooth, root):
    """{path: text with the tooth's edits}."""
    texts = {}
    for edit in tooth.edits:
        path = os.path.join(root, edit.path)
        if path not in texts:
            with open(path, encoding="utf-8") as f:
                texts[path] = f.read()
        found = texts[path].count(edit.old)
        if found != 1:
            raise Malformed(f"teeth.list:{tooth.line}: {tooth.name}: in {edit.path} there is "
                            f"{found} times, not once: {edit.old!r}")
        texts[path] = texts[path].replace(edit.old, edit.new)
    return texts


def source_of(place, case):
    if place == "house":
        return os.path.join("scripts", case)
    suffix = ".c" if place.startswith("unit/") else ".py"
    return os.path.join("tests", place + suffix)


def has_test(place, case):
    """Is there such a test, or a row that becomes one?"""
    name = case.rpartition(".")[2]
    short = name.removeprefix("test_")
    try:
        with open(os.path.join(ROOT, source_of(place, case)), encoding="utf-8") as f:
            text = f.read()
    except OSError:
        return False
    if place == "house":
        return True
    if place.startswith("unit/"):
        rows = re.findall(r"\bTEST\((\w+)\)", text)
        return re.search(rf"\b{name}\b", text) or any(name.endswith("_" + row) for row in rows)
    return f"def {name}(" in text or f'"{short}"' in text


def check():
    bad = []
    teeth = read_teeth()
    names = [tooth.name for tooth in teeth]
    bad += [f"teeth.list: two teeth of one name: {n}" for n in names if names.count(n) > 1]
    for tooth in teeth:
        try:
            applied(tooth, ROOT)
        except (Malformed, OSError) as e:
            bad.append(str(e))
        bad += [f"teeth.list:{tooth.line}: no test {case} in {source_of(place, case)}"
                for place, case in tooth.tests if not has_test(place, case)]
    print("\n".join(bad) if bad else f"{len(teeth)} teeth apply")
    return 1 if bad else 0


# --- trees ---


def environment(tree):
    """Nothing of a make that runs us: it would build somewhere else, with other flags."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    for name in ("CC", "SAN", "CFLAGS", "CPPFLAGS", "LDFLAGS", "WERROR", "RESULTS"):
        env.pop(name, None)
    return dict(env, BUILD=os.path.join(tree, "build"))


def end_of(p):
    """The status of one whose output is at its end; who goes on for long after that is ended."""
    try:
        return p.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        return p.wait()


PR_SET_CHILD_SUBREAPER = 36


def adopt():
    """What a test that was ended has started is ours to end from now on, in whatever session it is."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
        return [int(pid) for pid in f.read().split()]


def end_what_is_left():
    """Ended parents leave their children to us, until there are none."""
    while left := children():
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)


def run(argv, tree, seconds, is_enough=lambda out: False):
    """(status, output); not to its end if is_enough(output).  The status is None if it was ended."""
    try:
        return run_group(argv, tree, seconds, is_enough)
    finally:
        end_what_is_left()


def run_group(argv, tree, seconds, is_enough):
    with subprocess.Popen(argv, cwd=tree, env=environment(tree), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as p:
        out, until = b"", time.monotonic() + seconds
        while not is_enough(out.decode("utf-8", "replace")):
            left = until - time.monotonic()
            if left <= 0 or not select.select([p.stdout], [], [], left)[0]:
                break
            got = os.read(p.stdout.fileno(), 65536)
            if not got:
                return end_of(p), out.decode("utf-8", "replace")
            out += got
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return None, out.decode("utf-8", "replace")


def targets_of(tests):
    units = {f"build/{place}" for place, _ in tests if place.startswith("unit/")}
    others = {"all"} if any(not p.startswith("unit/") for p, _ in tests) else set()
    hosts = {"hosts"} if any(p.startswith(("preload/", "e2e/")) for p, _ in tests) else set()
    return sorted(units | others | hosts)


def make(tree, tests):
    status, out = run(["make", f"-j{JOBS}", "CC=gcc", "BUILD=build", "WERROR=1", "LTO=",
                       *targets_of(tests)], tree, 1800)
    return None if status == 0 else out


def sync(tree):
    """What changed since the last time, so that make builds that alone."""
    listed = subprocess.run(["scripts/sources", "*"], cwd=ROOT, capture_output=True, check=True)
    names = set(listed.stdout.decode().splitlines())
    for directory, subs, files in os.walk(tree):
        if directory == tree and "build" in subs:
            subs.remove("build")
        for file in files:
            path = os.path.join(directory, file)
            if os.path.relpath(path, tree) not in names:
                os.remove(path)
    for name in names:
        source, target = os.path.join(ROOT, name), os.path.join(tree, name)
        if os.path.exists(target) and read(source) == read(target):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)


def read(path):
    with open(path, "rb") as f:
        return f.read()


# --- tests ---


def command(place, cases):
    if place == "house":
        return ["scripts/" + cases[0]]
    if place.startswith("unit/"):
        return ["build/" + place]
    directory, module = place.split("/")
    patterns = [arg for case in cases for arg in ("-k", f"{module}.{case}")]
    return [PYTHON, f"tests/{directory}/run.py", *patterns, f"tests/{place}.py"]


def says(out, words, case):
    """Does cmocka, or our runner, say one of them of the case, or of a part of it?"""
    name = re.escape(case.rpartition(".")[2])
    return bool(re.search(rf"^(?:\[ +(?:{words}) *\] {name}$|"
                          rf"(?:{words}) +\S+\.{name.removeprefix('test_')} )", out, re.M))


def has_failed(out, case):
    return says(out, "FAILED|ERROR|FAIL", case)


def is_decided(out, case):
    return has_failed(out, case) or says(out, "OK|ok|SKIPPED|SKIP", case)


def has_died_of(out, status, case):
    """Was it the last that began?"""
    began = re.findall(r"^\[ RUN      \] (\w+)$", out, re.M)
    return bool(status and began and began[-1] == case and not is_decided(out, case))


def run_test(tree, place, case):
    """True: it passed, False: it failed, None: neither; and what was printed."""
    status, out = run(command(place, [case]), tree, TIMEOUT, lambda out: is_decided(out, case))
    if place == "house":
        return status == 0, out
    if has_failed(out, case) or has_died_of(out, status, case):
        return False, out
    return True if says(out, "OK|ok", case) else None, out


def verdict(tree, tooth):
    """What became of a tooth: "bites", or why it does not; and what was printed."""
    for path, text in applied(tooth, tree).items():
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    out = make(tree, tooth.tests)
    if out is not None:
        return "DOES NOT BUILD", out
    for place, case in tooth.tests:
        has_passed, out = run_test(tree, place, case)
        if has_passed is not False:
            return "DOES NOT BITE", out
    return "bites", ""


def prove_tests(tree, tests):
    """Without a break they pass: (those that this machine skips, what was printed if one fails)."""
    skipped = set()
    out = make(tree, tests)
    if out is not None:
        return skipped, out
    groups = {}
    for place, case in tests:
        groups.setdefault((place, case if place == "house" else ""), []).append(case)
    for (place, _), cases in groups.items():
        status, out = run(command(place, cases), tree, TIMEOUT,
                          lambda out, cases=cases: all(is_decided(out, case) for case in cases))
        skipped |= {(place, case) for case in cases if says(out, "SKIPPED|SKIP", case)}
        for case in cases:
            has_passed = status == 0 if place == "house" else says(out, "OK|ok", case)
            if (place, case) not in skipped and (not has_passed or has_failed(out, case)):
                return skipped, f"{out}\n{place} {case}: does not pass without a break"
    return skipped, None


def tail(out):
    return "".join(f"    {line}\n" for line in out.rstrip().splitlines()[-30:])


class Table:
    def __init__(self, teeth):
        self.widths = (max(len(t.name) for t in teeth),
                       max(len(f"{p} {c}") for t in teeth for p, c in t.tests))
        self.row("tooth", "test that bites", "result")

    def row(self, *words):
        print(" | ".join(w.ljust(n) for w, n in zip(words, (*self.widths, 0))), flush=True)

    def tooth(self, tooth, result):
        for place, case in tooth.tests:
            self.row(tooth.name, f"{place} {case}", result)


def bite_one(base, work, tooth, table):
    shutil.rmtree(work, ignore_errors=True)
    subprocess.run(["cp", "-a", base, work], check=True)
    since = time.monotonic()
    result, out = verdict(work, tooth)
    table.tooth(tooth, f"{result} ({time.monotonic() - since:.1f} s)")
    print(tail(out), end="")
    return result == "bites"


def bite(teeth, keep):
    began = time.monotonic()
    base, work = os.path.join(BUILD, "base"), os.path.join(BUILD, "work")
    os.makedirs(base, exist_ok=True)
    sync(base)
    skipped, out = prove_tests(base, sorted({test for tooth in teeth for test in tooth.tests}))
    if out is not None:
        print(tail(out), end="")
        return 1
    print(f"tests pass without a break ({time.monotonic() - began:.0f} s)\n")
    table = Table(teeth)
    skips, blunt = 0, 0
    for tooth in teeth:
        if skipped & set(tooth.tests):
            skips += 1
            table.tooth(tooth, "skipped here")
        else:
            blunt += not bite_one(base, work, tooth, table)
    if not keep:
        shutil.rmtree(work, ignore_errors=True)
    print(f"\n{len(teeth)} teeth, {blunt} do not bite, {skips} skipped, "
          f"{time.monotonic() - began:.0f} s")
    return 1 if blunt else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leaves the last broken tree")
    parser.add_argument("-k", dest="patterns", action="append", help="teeth, by a part of the name")
    args = parser.parse_args()
    try:
        if args.check:
            return check()
        teeth = [t for t in read_teeth() if not args.patterns or
                 any(fnmatch.fnmatch(t.name, f"*{p}*") for p in args.patterns)]
        for tooth in teeth:
            applied(tooth, ROOT)
    except (Malformed, OSError) as e:
        print(e)
        return 1
    if not teeth:
        print("no such tooth")
        return 1
    adopt()
    return bite(teeth, args.keep)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
