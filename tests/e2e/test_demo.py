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
        self.trace = {"traceId": "t", "late": False, "spans": []}
        self.add(self.demo.TREE, "")

    def add(self, node, parent):
        service, kind, name, below = node
        number = len(self.trace["spans"])
        self.trace["spans"].append({
            "service": service, "kind": kind, "name": name, "spanId": str(number),
            "parentSpanId": parent, "startUnixNano": number,
            "status": "ERROR" if service == "stock" else "UNSET",
            "attributes": {"url.path": f"/{service}/7"} if kind == "SERVER" and
                          service in ("prices", "stock") else {"url.path": "/orders/7"}})
        for other in below:
            self.add(other, str(number))
        if any(other[0] == "stock" for other in below):
            self.trace["spans"][number]["status"] = "ERROR"

    def numbers(self, service, kind):
        return [n for n, s in enumerate(self.trace["spans"])
                if (s["service"], s["kind"]) == (service, kind)]

    def test_judge_of_the_demo_takes_the_tree(self):
        self.assertEqual(len(self.trace["spans"]), 19)
        self.assertEqual(self.demo.check_trace(self.trace), 7)

    def assert_refused(self, why, change):
        trace = copy.deepcopy(self.trace)
        change(trace)
        with self.assertRaises(self.demo.Failed, msg=why):
            self.demo.check_trace(trace)

    def test_judge_of_the_demo_refuses_every_other(self):
        stock, = self.numbers("stock", "SERVER")
        count = len(self.trace["spans"])
        for number in range(count):
            for parent in ["", "x", *map(str, range(count))]:
                mine = self.trace["spans"][number]["parentSpanId"]
                # Of calls that are the same, any may have made it.
                if parent != mine and parent != str(number):
                    self.assert_refused("wrong parent", lambda t, n=number, p=parent: t[
                        "spans"][n].update(parentSpanId=p))
            self.assert_refused("a span less", lambda t, n=number: t["spans"].pop(n))
            self.assert_refused("a wrong kind", lambda t, n=number: t["spans"][n].update(
                kind="INTERNAL"))
        self.assert_refused("a span more", lambda t: t["spans"].append(
            dict(t["spans"][stock], spanId="99", parentSpanId=str(stock))))
        self.assert_refused("a foreign request", lambda t: t["spans"][stock].update(
            attributes={"url.path": "/stock/8"}))
        self.assert_refused("a failure less", lambda t: t["spans"][stock].update(status="UNSET"))
        self.assert_refused("a failure more", lambda t: t["spans"][0].update(status="ERROR"))
        self.assert_refused("spans that came late", lambda t: t.update(late=True))

    def test_judge_of_the_demo_wants_the_place(self):
        attributes = {"code.stacktrace": "#0", "code.function.name": "look_up_price(pg_conn*, int)",
                      "code.file.path": "./prices.cpp"}
        self.demo.check_place([{"spans": [{"attributes": {}}, {"attributes": attributes}]}])
        for other in {}, dict(attributes, **{"code.function.name": "serve(int)"}):
            with self.assertRaises(self.demo.Failed):
                self.demo.check_place([{"spans": [{"attributes": other}]}])
