#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coverage.py BUILD: lines that the unit tests of BUILD, compiled with --coverage, have run, file by file.

Fails where the parsers, what edits the wire, or the exporter have less than LEAST percent of theirs.
With FILE.c after it: the lines of that file that none has run.
"""
import glob
import json
import os
import subprocess
import sys

LEAST = 90.0
EDITS = [f"hooks/conn/{name}.c" for name in
         ("write", "inject", "lines", "segment", "boundary", "ahead", "head", "tag")]
PARTS = {"parsers": lambda f: f.startswith("hooks/proto/"),
         "edits": lambda f: f in EDITS,
         "exporter": lambda f: f.startswith("exporter/")}
ROOMS = ("hooks/", "preload/", "exporter/", "tools/")


def lines_of(build):
    """{file: {line: times}}; a file that several objects hold is their sum."""
    files = {}
    data = glob.glob(os.path.join(build, "obj", "**", "*.gcno"), recursive=True)
    for note in sorted(data):
        done = subprocess.run(["gcov", "--json-format", "--stdout", os.path.abspath(note)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        for told in done.stdout.splitlines():
            for one in json.loads(told)["files"]:
                name = os.path.relpath(os.path.normpath(one["file"]))
                if name.startswith(ROOMS) and name.endswith(".c"):
                    lines = files.setdefault(name, {})
                    for line in one["lines"]:
                        at = line["line_number"]
                        lines[at] = lines.get(at, 0) + line["count"]
    return files


def share(run, of):
    return 100.0 * run / of if of else 100.0


def table(files):
    """True: enough."""
    sums = dict.fromkeys(PARTS, (0, 0))
    for name in sorted(files):
        run, of = sum(n > 0 for n in files[name].values()), len(files[name])
        part = next((p for p, holds in PARTS.items() if holds(name)), "")
        print(f"{name:34} {run:5} of {of:5}  {share(run, of):5.1f} %  {part}")
        if part:
            sums[part] = sums[part][0] + run, sums[part][1] + of
    enough = True
    for part, (run, of) in sums.items():
        print(f"{part + ', all':34} {run:5} of {of:5}  {share(run, of):5.1f} %  wanted: {LEAST:.0f} %")
        enough = enough and of > 0 and share(run, of) >= LEAST
    return enough


def main():
    files = lines_of(sys.argv[1])
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as f:
            for at, text in enumerate(f, 1):
                if files[sys.argv[2]].get(at) == 0:
                    print(f"{at:5} {text}", end="")
        return
    sys.exit(0 if table(files) else 1)


if __name__ == "__main__":
    main()
