# SPDX-License-Identifier: Apache-2.0
"""Raw data to tables.

    report.py RAW [DOCUMENT]    prints them, or puts them between the marks of the document
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from kit import raw  # pylint: disable=wrong-import-position
from kit.stats import Ratio, of_processes, quartiles  # pylint: disable=wrong-import-position

BEGIN, END = "<!-- overhead -->", "<!-- /overhead -->"


def number(value):
    """Three digits that count, at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Bench:
    """The lines of one bench."""

    def __init__(self, lines, name):
        mine = [line for line in lines if line.get("bench") == name]
        begin = next(line for line in mine if line["what"] == "bench")
        self.name, self.about, self.variants = name, begin["about"], begin["variants"]
        self.rounds = [line for line in mine if line["what"] == "round"]
        self.starts = [line for line in mine if line["what"] == "start"]
        self.counts = {line["variant"]: line for line in mine if line["what"] == "count"}
        self.sums = {line["variant"]: line for line in mine if line["what"] == "sum"}

    def series(self, variant, field, lines=None):
        """(process, round): value."""
        return {(line.get("process", line["round"]), line["round"]): line[field] for line in (self.rounds if lines is None else lines)
                if line["variant"] == variant and field in line}

    def has(self, field):
        return any(field in line for line in self.rounds + self.starts)

    def median(self, variant, field, divisor=1, lines=None):
        values = self.series(variant, field, lines).values()
        return number(statistics.median(values) / divisor) if values else ""

    def spread(self, variant, field):
        values = of_processes(self.series(variant, field))
        if not values:
            return ""
        low, high = quartiles(values)
        return f"{number(statistics.median(values))} ({number(low)}–{number(high)})"

    def ratio(self, variant, field, base="bare"):
        if variant == base:
            return ""
        return str(Ratio(self.series(base, field), self.series(variant, field)))


# What a column is: its head, and its text for a variant of a bench.
TURNS = [
    ("CPU of a request, us", lambda b, v: b.spread(v, "cpu_us")),
    ("to bare", lambda b, v: b.ratio(v, "cpu_us")),
    ("our thread, us", lambda b, v: b.median(v, "exporter_us")),
    ("in a burst, us", lambda b, v: b.median(v, "burst_cpu_us")),
    ("to bare", lambda b, v: b.ratio(v, "burst_cpu_us")),
    ("requests/s", lambda b, v: b.median(v, "rps")),
    ("to bare", lambda b, v: b.ratio(v, "rps")),
    ("p50, us", lambda b, v: b.median(v, "p50_us")),
    ("p99, us", lambda b, v: b.median(v, "p99_us")),
]
STARTS = [
    ("start, ms", lambda b, v: b.median(v, "start_ms", lines=b.starts)),
    ("CPU of it, ms", lambda b, v: b.median(v, "start_cpu_ms", lines=b.starts)),
    ("PSS, MiB", lambda b, v: b.median(v, "pss_kib", 1024, lines=b.starts)),
]
RUNS = [
    ("CPU, us", lambda b, v: b.spread(v, "cpu_us")),
    ("to bare", lambda b, v: b.ratio(v, "cpu_us")),
    ("to an empty preload", lambda b, v: b.ratio(v, "cpu_us", "empty preload")
     if v != "bare" else ""),
    ("time, us", lambda b, v: b.spread(v, "wall_us")),
    ("to an empty preload", lambda b, v: b.ratio(v, "wall_us", "empty preload")
     if v != "bare" else ""),
]
COUNTS = [
    ("instructions", lambda b, v: f"{b.counts[v]['instructions']:,}"),
    ("to bare", lambda b, v: f"{b.counts[v]['instructions'] / b.counts['bare']['instructions']:.3f}"),
    ("our thread", lambda b, v: f"{b.counts[v]['other_threads']:,}"),
]
OLD_NEW = ("new to old, CPU", lambda b, v: b.ratio(v, "cpu_us", v.replace("new", "old"))
           if v.startswith("new") else "")


def table(first, rows, columns):
    """rows: (text, bench, variant)"""
    lines = ["| " + " | ".join([first] + [head for head, _ in columns]) + " |",
             "|---" * (len(columns) + 1) + "|"]
    lines += ["| " + " | ".join([text] + [of(bench, variant) for _, of in columns]) + " |"
              for text, bench, variant in rows]
    return lines


def of_bench(bench):
    lines = ["", f"### {bench.name}", "", f"{bench.about[0].upper()}{bench.about[1:]}.", ""]
    columns = RUNS if bench.has("wall_us") else TURNS
    if any(variant == "old" for variant in bench.variants):
        columns = columns + [OLD_NEW]
    if bench.rounds:
        lines += table("", [(v, bench, v) for v in bench.variants], columns)
    received = {v: s for v, s in bench.sums.items() if s["received"]}
    if received:
        lines += ["", "Spans that arrived: " + ", ".join(
            f"{v} {s['received']:,} of {s['requests']:,} requests" for v, s in received.items())
            + "."]
    return lines


def summary(lines):
    """All tables, as lines of Markdown."""
    run = next(line for line in lines if line["what"] == "run")
    failed = [line["bench"] for line in lines if line["what"] == "failed"]
    benches = [Bench(lines, line["bench"]) for line in lines
               if line["what"] == "bench" and line["bench"] not in failed]
    text = [f"{run['date']}, version {run['version']}. {run['cores']} cores of {run['cpu']}, "
            f"{run['memory_mib'] / 1024:.0f} GiB, {run['system']}, Linux {run['kernel']}; "
            f"load average at the beginning {run['load']:.1f}. {run['pairs']} pairs."]
    text += ["", "Programs: " + ", ".join(f"{n} {v}" for n, v in run["programs"].items()) + "."]
    for bench in benches:
        if bench.rounds:
            text += of_bench(bench)
    started = [(f"{b.name}, {v}", b, v) for b in benches for v in b.variants
               if b.series(v, "start_ms", b.starts)]
    if started:
        text += ["", "### Starts and memory", "", "From the start of a program, alone on the machine, "
                 "to its first answer; memory after the same work.", ""]
        text += table("", started, STARTS)
    counted = [(f"{b.name}, {v}", b, v) for b in benches for v in b.counts]
    if counted:
        text += ["", "### Instructions of a request outside the kernel", ""]
        text += table("", counted, COUNTS)
    if failed:
        text += ["", f"**Failed, and without figures: {', '.join(failed)}.**"]
    skips = [line for line in lines if line["what"] == "skip"]
    if skips:
        text += ["", "Not measured: " + "; ".join(f"{s['bench']} ({s['why']})" for s in skips) + "."]
    return text


def put(document, text):
    """Between the marks of a document, which has the rest by hand."""
    with open(document, encoding="utf-8") as f:
        before, _, rest = f.read().partition(BEGIN)
    after = rest.partition(END)[2]
    assert after, f"{document}: no {BEGIN} or no {END}"
    with open(document, "w", encoding="utf-8") as f:
        f.write(before + "\n".join([BEGIN, *text, END]) + after)


def main():
    text = summary(raw.read(sys.argv[1]))
    if len(sys.argv) > 2:
        put(sys.argv[2], text)
    else:
        print("\n".join(text))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
