# SPDX-License-Identifier: Apache-2.0
"""nginx in front of gunicorn in front of PostgreSQL at a head rate of 1 %, in the mode `production`:
each failed, slow and forced request is kept whole by each process, the others by chance, and all
of it is accounted for."""
import collections
import http.client
import math
import os
import random
import threading

from support import postgres
from support.case import Feature

REQUESTS = int(os.environ.get("SELECTION_REQUESTS", "20000"))
CLIENTS = 12
SHARE = 0.01
SLOW_NS = 300_000_000
ABOVE = {("edge", "SERVER"): ("", ""), ("edge", "CLIENT"): ("edge", "SERVER"),
         ("shop", "SERVER"): ("edge", "CLIENT"), ("shop", "CLIENT"): ("shop", "SERVER")}
SETTINGS = {
    "OTEL_INTERSPAN_MODE": "production",
    "OTEL_INTERSPAN_KEEP": "error,slow>300ms,forced",
    "OTEL_INTERSPAN_FORCE_HEADER": "X-Trace-Me",
    "OTEL_INTERSPAN_KEPT_PER_SECOND": "100000",
}


def kinds(count):
    """What each request will be: 2 % fail, 1 % are slow, 20 are forced; the same every time."""
    rng = random.Random(11)
    plan = ["fail" if n < 0.02 else "slow" if n < 0.03 else "fine"
            for n in (rng.random() for _ in range(count))]
    for number in rng.sample([i for i, kind in enumerate(plan) if kind == "fine"], 20):
        plan[number] = "forced"
    return plan


class Client(threading.Thread):
    """Asks for its part of the plan over one connection, and remembers what came."""

    def __init__(self, port, plan, first):
        super().__init__()
        self.port, self.plan, self.first, self.wrong = port, plan, first, []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for number in range(self.first, len(self.plan), CLIENTS):
            kind = self.plan[number]
            path = f"/{'fine' if kind == 'forced' else kind}/{number}"
            connection.request("GET", path,
                               headers={"X-Trace-Me": "1"} if kind == "forced" else {})
            answer = connection.getresponse()
            got = (answer.status, answer.read())
            if got != (500 if kind == "fail" else 200, str(number + 1).encode()):
                self.wrong.append((path, got))


def number_of(span):
    return int(span["attributes"]["url.path"].rpartition("/")[2])


class Selection(Feature):
    def run_load(self, lab, port):
        plan = kinds(REQUESTS)
        clients = [Client(port, plan, first) for first in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual([wrong for client in clients for wrong in client.wrong], [])
        return plan

    def setUp(self):
        self.need("nginx", "gunicorn", "module:flask", "module:psycopg2")
        if not postgres.programs():
            self.skipTest("needs PostgreSQL")

    def test_what_matters_is_kept_whole(self):
        server = postgres.Shared.get()
        lab = self.lab(**SETTINGS)
        shop = lab.gunicorn("shop_app:app", "gthread", 2, 8, service="shop",
                            DSN=server.dsn("postgres"))
        edge = lab.nginx(shop.port, service="edge")
        plan = self.run_load(lab, edge.port)
        edge.stop()
        shop.stop()
        spans = lab.collector.wait_for(1 << 30, 0.1, 2)
        self.assert_sound(lab.collector)
        self.assert_accounted_for(lab, spans)
        self.assert_whole(spans, plan)

    def assert_accounted_for(self, lab, spans):
        """Each span that was started was delivered or left out, and nothing was lost."""
        for name in ("spans_not_held_full", "spans_dropped_queue_full", "spans_dropped_no_slot",
                     "spans_dropped_export_failed", "spans_dropped_shutdown",
                     "spans_dropped_damaged"):
            self.assertEqual(lab.total(name), 0, name)
        self.assertEqual(lab.total("spans_started"),
                         lab.total("spans_ended") + lab.total("spans_unsampled") +
                         lab.total("spans_discarded"))
        self.assertEqual(lab.total("spans_ended"), len(spans))

    def assert_whole(self, spans, plan):
        traces = collections.defaultdict(list)
        for span in spans:
            traces[span["trace_id"]].append(span)
        kept, by_chance = set(), 0
        for trace in traces.values():
            self.assertIn("SERVER", {s["kind"] for s in trace}, trace)
            number, = {number_of(s) for s in trace if s["kind"] == "SERVER"}
            sampled, = {s["flags"] & 1 for s in trace}
            kept.add(number)
            by_chance += sampled and plan[number] == "fine"
            if sampled or plan[number] != "fine":
                self.assert_tree(trace, plan[number], sampled)
            else:
                self.assert_was_slow(trace)
        self.assertEqual(len(kept), len(traces), "two traces of one request")
        wanted = {number for number, kind in enumerate(plan) if kind != "fine"}
        self.assertEqual(wanted - kept, set(), "not kept")
        fine = plan.count("fine")
        bound = 5 * math.sqrt(fine * SHARE * (1 - SHARE))
        self.assertLess(abs(by_chance - fine * SHARE), bound, by_chance)

    def assert_was_slow(self, trace):
        """On a busy machine a request may have had to wait in the first process alone."""
        for span in trace:
            if span["kind"] == "SERVER":
                self.assertGreater(span["end"] - span["start"], SLOW_NS, span)
                self.assertEqual(span["attributes"]["interspan.selected"], "slow")
        self.assertIn(sorted({s["service"] for s in trace}), (["edge"], ["edge", "shop"]))

    def assert_tree(self, trace, kind, sampled):
        """edge SERVER > edge CLIENT > shop SERVER > each query, and why it is here."""
        by_id = {s["span_id"]: s for s in trace}
        queries = 2 if kind == "slow" else 1
        self.assertEqual(sorted((s["service"], s["kind"]) for s in trace),
                         sorted([("edge", "SERVER"), ("edge", "CLIENT"), ("shop", "SERVER")] +
                                queries * [("shop", "CLIENT")]), trace)
        for span in trace:
            above = by_id.get(span["parent_span_id"], {"service": "", "kind": ""})
            self.assertEqual((above["service"], above["kind"]),
                             ABOVE[span["service"], span["kind"]])
        want = {"forced": "forced", "fine": None}.get(kind)
        if not sampled:
            want = {"fail": "error", "slow": "slow"}[kind]
        self.assertEqual({s["attributes"].get("interspan.selected") for s in trace
                          if (s["service"], s["kind"]) == ("edge", "SERVER")}, {want})
