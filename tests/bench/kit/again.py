# SPDX-License-Identifier: Apache-2.0
"""Two runs of the bench on one version: does the second say what the first one did?

    again.py RAW RAW

A ratio is as before if the second run's median lies where nine of ten pairs of the first one lie; a
pair is one of processes where a bench starts them anew, else of rounds. Fails where one is not, and
where one of the runs has no such ratio: a bench that failed says nothing of the other."""
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from kit import raw
from kit.report import Bench, table
from kit.stats import Ratio, nine_of_ten, quartiles

FIELDS = {"cpu_us": "CPU", "burst_cpu_us": "CPU in a burst", "rps": "requests/s", "wall_us": "time"}


def benches(path):
    lines = raw.read(path)
    failed = {line["bench"] for line in lines if line["what"] == "failed"}
    run = next(line for line in lines if line["what"] == "run")
    return run, {line["bench"]: Bench(lines, line["bench"]) for line in lines
                 if line["what"] == "bench" and line["bench"] not in failed}


def what(run):
    """Which object was measured; runs that do not say so tell by the version."""
    return run.get("object", run["version"].removesuffix("-dirty"))


class Row:
    """One ratio to bare, in both runs; of one that has none the median is None."""

    def __init__(self, field, variant, first, second):
        self.field = field
        self.variant = variant
        self.first, self.second = (Ratio(b.series("bare", field), b.series(variant, field))
                                   for b in (first, second))

    def is_as_before(self, spread=nine_of_ten):
        low, high = spread(self.first.all)
        return low <= self.second.median <= high


def rows_of(first, second):
    for variant in dict.fromkeys(first.variants + second.variants):
        for field in FIELDS if variant != "bare" else ():
            row = Row(field, variant, first, second)
            if row.first.all or row.second.all:
                yield row


def in_one_alone(first, second):
    """Names of what only one of the runs has figures of."""
    return sorted(first.keys() ^ second.keys()) + [
        f"{name}, {row.variant}, {FIELDS[row.field]}" for name in first if name in second
        for row in rows_of(first[name], second[name]) if not (row.first.all and row.second.all)]


def shown(row, spread):
    return "{:.3f}–{:.3f}".format(*spread(row.first.all))


COLUMNS = [
    ("of", lambda _, r: FIELDS[r.field]),
    ("first", lambda _, r: f"{r.first.median:.3f}"),
    ("quartiles", lambda _, r: shown(r, quartiles)),
    ("nine of ten", lambda _, r: shown(r, nine_of_ten)),
    ("second", lambda _, r: f"{r.second.median:.3f}"),
    ("", lambda _, r: "" if r.is_as_before() else "**another**"),
]


def main():
    (run, first), (other, second) = map(benches, sys.argv[1:3])
    if what(run) != what(other):
        sys.exit(f"of two versions: {run['version']}, {other['version']}")
    alone = in_one_alone(first, second)
    if alone or not first:
        sys.exit(f"only one of them has figures of: {'; '.join(alone) or 'nothing'}")
    rows = [(f"{name}, {row.variant}", None, row) for name, bench in first.items()
            if name in second for row in rows_of(bench, second[name])]
    print("\n".join(table("", rows, COLUMNS)))
    all_rows = [row for _, _, row in rows]
    beyond = [text for text, _, row in rows if not row.is_as_before()]
    inner = sum(row.is_as_before(quartiles) for row in all_rows)
    apart = [abs(row.second.median / row.first.median - 1) for row in all_rows]
    print(f"\n{run['version']}: {len(rows)} ratios, {inner} of them between the quartiles of the first "
          f"run's pairs, {len(beyond)} beyond nine of ten; apart by {statistics.median(apart):.3f} "
          f"(median), {max(apart):.3f} (most)")
    sys.exit(1 if beyond else 0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
