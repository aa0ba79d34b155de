# SPDX-License-Identifier: Apache-2.0
"""Two kinds of tests of a preload, and what each must prove.

Feature        asserts what only the preload brings: it must fail without.
Transparency   asserts what the preload must not change: it must hold without, too.

`run.py --bare` runs everything without the preload and turns the first kind's verdict around.  Both
kinds assert, through assert_loaded(), that the object was in the process and saw its calls.
"""
import unittest

from support.progs import BARE, Lab, have

WAIT = 0.1 if BARE else 20.0  # for spans that must come, on however busy a machine
SETTLE = 0.02 if BARE else 0.4  # for spans that must not


class Case(unittest.TestCase):
    maxDiff = 4000

    def lab(self, **settings):
        lab = Lab(**settings).__enter__()
        self.addCleanup(lab.__exit__)
        return lab

    @staticmethod
    def is_bare():
        return BARE

    def need(self, *names):
        if not have(*names):
            self.skipTest(f"needs {' and '.join(names)}")

    def assert_sound(self, collector):
        self.assertEqual(collector.errors, [], "malformed exports")


class Feature(Case):
    is_feature = True

    def spans(self, lab, count, settle=SETTLE):
        """Exactly count spans, well formed."""
        spans = lab.collector.wait_for(count, WAIT, settle)
        self.assert_sound(lab.collector)
        if len(spans) != count:  # what became of the others
            self.fail(f"{len(spans)} != {count} : {brief(spans)}\nby {lab.collector.connections} "
                      f"connections of {lab.log_text()}")
        return spans

    def assert_attributes(self, span, **expected):
        """expected: attribute names with _ for the dots; None: must not be there."""
        names = {name.replace(".", "_"): name for name in span["attributes"]}
        for name, value in expected.items():
            got = span["attributes"].get(names.get(name, name))
            self.assertEqual((type(got), got), (type(value), value), f"{name} of {one(span)}")


class Transparency(Case):
    is_feature = False

    def assert_loaded(self, lab, exe, count=1, hooked=False):
        """The object ran in so many processes of this program at least (its forks count, too), and
        if hooked it saw calls on sockets that it watches.  Nothing to prove without it."""
        if BARE:
            return
        lines = [c for c in lab.counters() if c.get("exe", "").rpartition("/")[2] == exe]
        loaded = sum(int(c.get("loaded", 0)) for c in lines)
        told = f"processes of {exe} with the object: {lab.counters()}"
        self.assertGreaterEqual(loaded, count, told)
        if hooked:
            self.assertGreater(sum(int(c.get("hooks_on_tracked", 0)) for c in lines), 0, told)


def one(span):
    return (f"{span['service']} {span['kind']} {span['name']} {span['span_id'][:4]}"
            f"<{span['parent_span_id'][:4] or 'root'} of {span['trace_id'][:4]} {span['status']}"
            f" {span['attributes']}")


def brief(spans):
    return "spans:\n" + "\n".join("  " + one(s) for s in sorted(spans, key=lambda s: s["start"]))
