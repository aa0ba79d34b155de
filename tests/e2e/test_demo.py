# SPDX-License-Identifier: Apache-2.0
"""The demo's own judge: it takes the right tree and no other."""
import copy
import importlib.util
import os

from support.case import Case
from support.progs import ROOT


def load_demo():
    spec = importlib.util.spec_from_file_location("demo", os.path.join(ROOT, "scripts", "demo.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Demo(Case):
    def setUp(self):
        self.demo = load_demo()
        self.trace = {"traceId": "t", "late": False, "spans": [
            {"service": service, "kind": kind, "name": "GET", "spanId": str(n),
             "parentSpanId": str(n - 1) if n else "", "startUnixNano": n,
             "attributes": {"url.path": "/stock/7" if n == 5 else "/orders/7"}}
            for n, (service, kind) in enumerate(self.demo.CHAIN)]}

    def test_judge_of_the_demo_takes_the_tree(self):
        self.assertEqual(self.demo.check_trace(self.trace), 7)

    def assert_refused(self, why, change):
        trace = copy.deepcopy(self.trace)
        change(trace)
        with self.assertRaises(self.demo.Failed, msg=why):
            self.demo.check_trace(trace)

    def test_judge_of_the_demo_refuses_every_other(self):
        for number in range(1, 6):
            for parent in "", "2", "9":
                if parent != str(number - 1):
                    self.assert_refused("wrong parent", lambda t, n=number, p=parent: t[
                        "spans"][n].update(parentSpanId=p))
        for number in range(6):
            self.assert_refused("a span less", lambda t, n=number: t["spans"].pop(n))
        self.assert_refused("a span more", lambda t: t["spans"].append(
            dict(t["spans"][5], spanId="6", parentSpanId="5")))
        self.assert_refused("a foreign request", lambda t: t["spans"][5].update(
            attributes={"url.path": "/stock/8"}))
        self.assert_refused("a wrong kind", lambda t: t["spans"][2].update(kind="SERVER"))
        self.assert_refused("spans that came late", lambda t: t.update(late=True))
