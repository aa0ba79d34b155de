# SPDX-License-Identifier: Apache-2.0
"""Raw data: one JSON object a line, as it is measured.

    {"what": "run", ...}     first: machine, number of pairs, versions
    {"what": "bench", ...}   a bench begins: its name, what it does, its variants
    {"what": "round", ...}   one turn of one variant; process: its number, if there were several
    {"what": "start", ...}   one start of one variant
    {"what": "count", ...}   instructions of a request
    {"what": "sum", ...}     a variant's end: what it was asked, what arrived, what was dropped
    {"what": "skip", ...}    what could not be measured, and why
    {"what": "failed", ...}  what did not do the work that it should: none of its figures counts
"""
import json
import os
import time


class Raw:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, time.strftime("%Y%m%dT%H%M%SZ.jsonl", time.gmtime()))
        self.lines = []

    def add(self, what, **fields):
        line = {"what": what, **fields}
        self.lines.append(line)
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(line) + "\n")


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]
