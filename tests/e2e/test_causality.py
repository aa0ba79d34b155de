# SPDX-License-Identifier: Apache-2.0
"""Which request caused this call?  64 at once, judged by truth of the application: the id in a request
comes back, reversed, in the call that it causes, and the back end notes which header came with it.

right    the call's span is a child of the SERVER span of the request that caused it
missing  the call has no header, its span is a root, or the trace is right but a hop is skipped
wrong    anything else: the trace would tell a lie
"""
import random

from support.case import SETTLE, Case, Feature
from support.load import Backend, run_load

COUNT, CONCURRENCY = 600, 64


class Verdict:
    def __init__(self):
        self.right, self.missing, self.wrong = 0, 0, 0
        self.lies = []

    def __str__(self):
        return f"{self.right}/{self.wrong}/{self.missing}"


def span_of(spans, kind, key):
    return {key(s): s for s in spans if s["kind"] == kind}


def judge(spans, seen, sent):
    """spans of the program between; seen: what the back end saw; sent: what the load sent."""
    servers = span_of(spans, "SERVER", lambda s: s["attributes"]["url.query"].removeprefix("id="))
    clients = span_of(spans, "CLIENT", lambda s: s["span_id"])
    verdict = Verdict()
    for ident, calls in seen.items():
        for headers in calls:
            word = judge_call(headers, servers.get(ident), clients, sent.get(ident))
            setattr(verdict, word, getattr(verdict, word) + 1)
            if word == "wrong":
                verdict.lies.append(f"{ident}: {headers}")
    return verdict


def judge_call(headers, server, clients, sent):
    """sent: (trace, span) that the load sent with this request, if it did."""
    if not headers:
        return "missing"
    if len(headers) > 1 or headers[0].count("-") != 3:
        return "wrong"
    _, trace, span, _ = headers[0].split("-")
    client = clients.get(span)
    if client is None:  # passed on: as the load sent it, or with the header tag of a span that ended
        own = server and (server["trace_id"], server["span_id"])
        return "missing" if (trace, span) in (sent, own) else "wrong"
    parent = client["parent_span_id"]
    if client["trace_id"] != trace:
        return "wrong"
    if server and (trace, parent) == (server["trace_id"], server["span_id"]):
        return "right"
    return "missing" if parent == "" or (trace, parent) == sent else "wrong"


class Judge(Case):
    def test_judge_tells_right_wrong_and_missing(self):
        server = {"trace_id": "t1", "span_id": "s1"}
        clients = {"c1": {"trace_id": "t1", "parent_span_id": "s1"},
                   "c2": {"trace_id": "t1", "parent_span_id": "s2"},
                   "c3": {"trace_id": "t3", "parent_span_id": ""},
                   "c4": {"trace_id": "t1", "parent_span_id": "p1"}}
        for headers, word in (([], "missing"), (["00-t1-c1-01"], "right"),
                              (["00-t1-c2-01"], "wrong"), (["00-t3-c3-01"], "missing"),
                              (["00-t2-c1-01"], "wrong"), (["00-t1-c4-01"], "missing"),
                              (["00-t1-p1-01"], "missing"), (["00-t1-p2-01"], "wrong"),
                              (["00-t1-s1-01"], "missing"), (["00-t1-s2-01"], "wrong"),
                              (["00-t1-c1-01"] * 2, "wrong"), (["junk"], "wrong")):
            self.assertEqual(judge_call(headers, server, clients, ("t1", "p1")), word, headers)


class Causality(Feature):
    def measure(self, name, start, with_header, count=COUNT, **settings):
        """Runs one cell of the table: returns its verdict."""
        sent = {}

        def headers(ident):
            sent[ident] = (f"{random.getrandbits(128) | 1:032x}",
                           f"{random.getrandbits(64) | 1:016x}")
            return "traceparent: 00-%s-%s-01\r\n" % sent[ident]

        lab = self.lab(**settings)
        with Backend() as backend:
            front = start(lab, backend)
            outcome = run_load(front.port, count, CONCURRENCY, headers if with_header else None)
            self.assertEqual(set(outcome.values()), {200})
            self.assertEqual({i: len(c) for i, c in backend.seen.items()},
                             {ident: 1 for ident in outcome}, "truth: each request, one call")
            lab.collector.wait_for(2 * count, 0.1 if self.is_bare() else 2, SETTLE)
            front.stop()
        self.assert_sound(lab.collector)
        spans = list(lab.collector.spans)
        verdict = judge(spans, backend.seen, sent)
        note = "with traceparent" if with_header else "without"
        print(f"     {name}, {note}: right/wrong/missing {verdict}", flush=True)
        self.assertEqual(verdict.wrong, 0, verdict.lies[:5])
        self.assertEqual(sum(s["kind"] == "SERVER" for s in spans), count)
        for line in lab.counters():
            lost = {k: v for k, v in line.items() if k.startswith("spans_dropped") and v != "0"}
            self.assertEqual(lost, {}, line)
        return verdict

    def both(self, name, start, is_exact):
        for with_header in (False, True):
            with self.subTest(with_header=with_header):
                verdict = self.measure(name, start, with_header)
                if is_exact:
                    self.assertEqual(verdict.right, COUNT, str(verdict))


class Exact(Causality):
    """Shapes that are proven: every call has its parent."""

    def test_nginx(self):
        self.both("nginx", lambda lab, backend: lab.nginx(backend.port), True)

    def test_gunicorn_sync(self):
        self.both("gunicorn sync", lambda lab, backend: lab.gunicorn(
            "flask_app:app", "sync", 4, BACKEND=backend.url()), True)

    def test_gunicorn_threads(self):
        self.both("gunicorn gthread", lambda lab, backend: lab.gunicorn(
            "flask_app:app", "gthread", 2, 16, BACKEND=backend.url()), True)

    def test_thread_for_each_connection(self):
        self.both("ThreadingHTTPServer", lambda lab, backend: lab.python_server(
            "threads.py", backend.url()), True)


    def test_nginx_without_the_header_tag(self):
        verdict = self.measure("nginx, no tag", lambda lab, backend: lab.nginx(backend.port), True,
                               OTEL_INTERSPAN_HEADER_TAG="false")
        self.assertEqual(verdict.right, COUNT, str(verdict))


class Tagged(Causality):
    """Nothing tells which request a call is for, but that they copy the trace headers: right where
    the caller sent some, and none where it did not."""

    def exact(self, name, start):
        self.assertEqual(self.measure(name, start, True).right, COUNT)
        self.assertEqual(self.measure(name, start, False).right, 0)

    def test_haproxy(self):
        self.need("haproxy")
        self.exact("haproxy", lambda lab, backend: lab.haproxy(backend.port))

    def test_haproxy_with_two_threads(self):
        self.need("haproxy")
        self.exact("haproxy, 2 threads", lambda lab, backend: lab.haproxy(
            backend.port, threads=2))

    def test_five_thousand_through_haproxy(self):
        self.need("haproxy")
        verdict = self.measure("haproxy, 2 threads, 5000", lambda lab, backend: lab.haproxy(
            backend.port, threads=2), True, 5000, OTEL_BSP_MAX_QUEUE_SIZE="20000")
        self.assertEqual(verdict.right, 5000)

    def test_pool_of_workers(self):
        self.exact("pool of workers that copy headers", lambda lab, backend: lab.python_server(
            "copier.py", backend.url()))

    def test_haproxy_without_the_header_tag(self):
        self.need("haproxy")
        self.measure("haproxy, no tag", lambda lab, backend: lab.haproxy(backend.port), True,
                     OTEL_INTERSPAN_HEADER_TAG="false")


class NeverWrong(Causality):
    """Shapes that are not: parents may be missing, and none is wrong."""

    def test_node(self):
        self.need("node")
        self.both("node", lambda lab, backend: lab.node(
            "node_app.js", backend.url(), "plain"), False)

    def test_node_timers(self):
        self.need("node")
        self.both("node, setTimeout", lambda lab, backend: lab.node(
            "node_app.js", backend.url(), "timer"), False)

    def test_gevent(self):
        self.need("module:gevent")
        self.both("gevent", lambda lab, backend: lab.python_server(
            "greenlets.py", backend.url()), False)

    def test_aiohttp(self):
        self.need("module:aiohttp")
        self.both("aiohttp", lambda lab, backend: lab.python_server(
            "loop.py", backend.url()), False)
