# SPDX-License-Identifier: Apache-2.0
"""What the preload costs.  Each bench asserts its own work: no figure for spans that did not arrive.

    bench.py [--pairs N] [--old OBJECT] [NAME,...]

Names: those of basics.py, servers.py and commands.py, or parts of them, and "instructions"; without
one, all.  --old sets another build beside this one, instead of all the ways in which one can be run.
"""
import argparse
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import basics
import commands
import instructions
import servers
from kit import procfs, raw, report, stats, turns
from support.progs import BUILD, OBJECT, ROOT

COMPARED = ("nginx static", "nginx https", "nginx proxy", "nginx proxy, edge", "haproxy", "redis", "/bin/true")
START_S = {"java": 12, "gunicorn + flask": 5, "node": 5}  # a round of starts; what is not here: 2


def output(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    except OSError:
        return ""
    return done.stdout + done.stderr


def programs():
    """Versions of what is measured."""
    asked = {"nginx": ["/usr/sbin/nginx", "-v"], "haproxy": ["/usr/sbin/haproxy", "-v"],
             "node": ["node", "--version"], "java": ["java", "-version"],
             "python": ["/usr/bin/python3", "--version"],
             "redis": [servers.redis_server(), "--version"], "gcc": ["gcc", "--version"]}
    found = {name: re.search(r"\d+\.\d+(\.\d+)*", output(*argv)) for name, argv in asked.items()}
    return {name: match[0] for name, match in found.items() if match}


def chosen(word, names):
    """What a word means: the bench of that name, or else all that have it in theirs."""
    exact = [name for name in names if name == word]
    found = exact or [name for name in names if word in name]
    if not found:
        sys.exit(f"{word}: no such bench; there are {', '.join(names)}")
    return found


class Plan:
    """What was asked for."""

    def __init__(self, words, pairs, old):
        self.pairs, self.old = pairs, old
        names = list(COMPARED) + ["instructions"] if old else self.all_names()
        wanted = {name for word in words for name in chosen(word, names)} or set(names) - basics.BY_NAME
        self.basics = [name for name in basics.BASICS if name in wanted and not old]
        self.servers = [b for b in servers.SERVERS if b.name in wanted]
        self.commands = [b for b in commands.COMMANDS if b.name in wanted]
        self.counts = [b for b in servers.SERVERS if b.name in instructions.COUNTED
                       and "instructions" in wanted]

    @staticmethod
    def all_names():
        return [*basics.BASICS, *(b.name for b in servers.SERVERS + commands.COMMANDS), "instructions"]

    def seconds(self):
        """About, on a machine that has nothing else to do."""
        s = sum(basics.BASICS[name][1] for name in self.basics)
        for b in self.servers:
            count = {"usual": 6 + bool(b.agent) + b.keeps, "opaque": 3, "edge": 2}[b.kind]
            count += bool(b.writes)
            processes, rounds = b.lives(self.pairs)
            s += ((5 if self.old else count) + bool(b.rounds)) * processes * (rounds * b.turn_s() + 0.15)
            if b.starts and not self.old:
                s += min(self.pairs, turns.STARTS) * START_S.get(b.name, 2)
        s += sum((5 if self.old else 4) * self.pairs * b.turn_s() for b in self.commands)
        return s + 12 * len(self.counts)


def run_commands(plan, data):
    with tempfile.TemporaryDirectory(prefix="interspan-bench-") as directory:
        empty = os.path.join(directory, "empty.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", empty, "-x", "c", "/dev/null"], check=True)
        for command in plan.commands:
            kinds = commands.variants(empty, plan.old)
            runners = [commands.Runner(command, kind) for kind in kinds]
            data.add("bench", bench=command.name, about=command.about,
                     variants=[kind.name for kind in kinds])
            for number in range(plan.pairs):
                for at in stats.turns(len(runners), number):
                    data.add("round", bench=command.name, variant=kinds[at].name, round=number,
                             **runners[at].turn())
            for runner in runners:
                runner.close()


def run_counts(plan, data):
    if not plan.counts:
        return
    if not output("valgrind", "--version"):
        turns.skip(data, "instructions", "valgrind is missing")
        return
    with turns.Upstream() as upstream:
        for bench in plan.counts:
            if not bench.missing():
                instructions.measure(bench, data, upstream, plan.old)


def begin(plan):
    data = raw.Raw(os.path.join(BUILD, "bench"))
    data.add("run", date=time.strftime("%Y-%m-%d", time.gmtime()), pairs=plan.pairs,
             object=hashlib.sha256(pathlib.Path(OBJECT).read_bytes()).hexdigest()[:12],
             version=output("git", "describe", "--always", "--dirty").strip() or "?",
             programs=programs(), **procfs.machine())
    turns.say(f"about {plan.seconds() / 60 + 0.5:.0f} minutes for {plan.pairs} pairs; "
              f"raw data: {data.path}")
    return data


def guarded(data, name, measure, *args):
    """A bench whose work is not as asserted has no figures, and takes none from the others."""
    try:
        measure(*args)
    except (AssertionError, subprocess.SubprocessError) as error:
        data.add("failed", bench=name, why=str(error))
        turns.say(f"FAILED: {name}: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--old")
    parser.add_argument("names", nargs="?", default="")
    args = parser.parse_args()
    for path in filter(None, (OBJECT, args.old)):
        if not os.path.exists(path):
            sys.exit(f"{path} is missing")
    plan = Plan([name.strip() for name in args.names.split(",") if name.strip()], args.pairs, args.old)
    data = begin(plan)
    began = time.monotonic()
    if plan.basics:
        guarded(data, "first figures", basics.run, plan.basics)
    guarded(data, "commands", run_commands, plan, data)
    for bench in plan.servers:
        guarded(data, bench.name, turns.measure, bench, data, args.pairs, args.old)
    guarded(data, "instructions", run_counts, plan, data)
    text = "\n".join(report.summary(data.lines))
    with open(data.path.replace(".jsonl", ".md"), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print(text)
    turns.say(f"{(time.monotonic() - began) / 60:.1f} minutes; raw data: {data.path}")
    failed = [line["bench"] for line in data.lines if line["what"] == "failed"]
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")


if __name__ == "__main__":
    main()
