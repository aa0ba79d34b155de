# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of pairs; no measuring here."""
import math
import statistics


def turns(count, number):
    """In which order count variants take their turns in round number: the rounds rotate, and every
    other one runs backwards, so that each has been before and behind each other equally often."""
    order = [(at + number // 2) % count for at in range(count)]
    return order if number % 2 == 0 else order[::-1]


def interval(values, level=0.95):
    """An interval of order statistics that holds the median with at least that probability, whatever
    the distribution; (min, max) where there are too few values for that (fewer than six for 95 %)."""
    ordered = sorted(values)
    count = len(ordered)
    cut, below = 0, 0.5 ** count  # below: probability that the median lies before ordered[cut]
    while cut + 1 < count // 2 and 2 * (below + math.comb(count, cut + 1) * 0.5 ** count) <= 1 - level:
        cut += 1
        below += math.comb(count, cut) * 0.5 ** count
    return ordered[cut], ordered[-1 - cut]


def quartiles(values):
    """First and third, by linear interpolation between the values."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def nine_of_ten(values):
    """Where nine of ten of them lie: the 5th and the 95th percentile, as quartiles()."""
    if len(values) < 2:
        return values[0], values[0]
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return cuts[0], cuts[-1]


def ratios(base, other):
    """Of pairs: the dictionaries map (process, round) to values; what one of them lacks is no pair."""
    return {key: other[key] / base[key] for key in base.keys() & other.keys() if base[key] > 0}


def of_processes(values):
    """(process, round): value.  Where there are several processes, the median of each: which pages and
    which lines of the caches it came to lie in, it keeps until its end, so that rounds of one process
    agree with each other better than with the truth."""
    processes = sorted({process for process, _ in values})
    if len(processes) < 2:
        return [values[key] for key in sorted(values)]
    return [statistics.median(v for (p, _), v in values.items() if p == process)
            for process in processes]


class Ratio:
    """The median of the pairs' ratios, a pair of processes each, and its interval."""

    def __init__(self, base, other):
        self.all = of_processes(ratios(base, other))
        self.median = statistics.median(self.all) if self.all else None
        self.low, self.high = interval(self.all) if self.all else (None, None)

    def __str__(self):
        if self.median is None:
            return ""
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"
