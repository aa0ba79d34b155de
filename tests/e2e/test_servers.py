# SPDX-License-Identifier: Apache-2.0
"""Every server program against the same contract, bare and preloaded side by side: what it answers is
the same to the byte, what it prints and how it ends, too; and each request has exactly its spans."""
import concurrent.futures
import functools
import re
import urllib.parse

from support.case import SETTLE, WAIT, Feature, Transparency, brief
from support.contract_client import INBOUND, PARENT, TRACE, Client, Recorder, script
from support.progs import Lab
from support.servers import SERVERS

VARYING = re.compile(r"0x[0-9a-f]+|[0-9]+|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2}")


class Run:
    """One instance of a server, asked for everything."""

    contexts = None, None  # to speak TLS with, to the server and as its back end

    def __init__(self, server, bare):
        self.steps = script(server.asks, server.kind == "app")
        # What of it reaches the back end.
        self.below = {"proxy": self.steps, "files": []}.get(
            server.kind, [step for step in self.steps if step.path == "/work"])
        with Lab(bare) as lab, Recorder(self.contexts[1]) as backend:
            program = server.start(lab, backend.port)
            with Client(program.port, self.contexts[0]) as client:
                self.replies = [client.ask(step) for step in self.steps]
            lab.collector.wait_for(0 if bare else len(self.steps) + len(self.below), WAIT, SETTLE)
            self.status = program.stop()
            text = program.text().replace(lab.directory, "LAB")
            self.said = sorted(VARYING.sub("#", text).splitlines())
            self.spans, self.errors = list(lab.collector.spans), list(lab.collector.errors)
            self.hooked, self.asked = lab.total("hooks_on_tracked"), backend.asked


@functools.lru_cache(None)
def runs(name, bare):
    """The bare run of this server, and the preloaded one."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(lambda b: Run(SERVERS[name], b), (True, bare)))


def one_for_each(cls):
    """A test method for each server."""
    for name in cls.servers:
        def method(self, name=name):
            self.need(*self.servers[name].needs)
            self.check(name, *self.runs(name, self.is_bare()))
        setattr(cls, "test_" + re.sub(r"\W+", "_", name).lower(), method)
    return cls


class CheckBytes(Transparency):
    def check(self, _, bare, traced):
        for step, reply, other in zip(bare.steps, bare.replies, traced.replies):
            what = f"{step.method} {step.path}"
            self.assertEqual(other.told(), reply.told(), what)
            self.assertEqual(other.status, step.status, what)
            if step.answer is not None:
                self.assertTrue(other.body == step.answer, f"{what}: another body")
        self.assertEqual(traced.said, bare.said)
        self.assertEqual(traced.status, bare.status)
        self.assertEqual([call[:2] for call in traced.asked], [call[:2] for call in bare.asked])
        if not self.is_bare():
            self.assertTrue(traced.hooked or traced.spans, "not loaded")


@one_for_each
class SameBytes(CheckBytes):
    servers, runs = SERVERS, staticmethod(runs)


def of_kind(spans, kind):
    return sorted((s for s in spans if s["kind"] == kind), key=lambda s: s["start"])


def told(span):
    a = span["attributes"]
    path = a.get("url.path") or urllib.parse.urlsplit(a["url.full"]).path
    return a["http.request.method"], path, a.get("http.response.status_code")


class CheckSpans(Feature):
    servers = {}

    def check(self, name, _, run):
        server = self.servers[name]
        self.assertEqual(run.errors, [])
        servers, clients = of_kind(run.spans, "SERVER"), of_kind(run.spans, "CLIENT")
        self.assertEqual([told(s) for s in servers],
                         [(s.method, s.path, s.status) for s in run.steps], brief(run.spans))
        for step, span in zip(run.steps, servers):
            if step.headers == INBOUND:
                self.assertEqual((span["trace_id"], span["parent_span_id"]), (TRACE, PARENT))
            else:
                self.assertEqual(span["parent_span_id"], "")
        causes = [span for step, span in zip(run.steps, servers) if step in run.below]
        self.check_calls(server, run, clients, causes)

    def check_calls(self, server, run, clients, causes):
        """One traceparent each, the CLIENT span's; its parent is the request, or, where it cannot be
        known, none: then a header that came in may pass as it was.  Ids of ours are random (C24)."""
        clients = {f"00-{s['trace_id']}-{s['span_id']}-{'01' if s['trace_id'] == TRACE else '03'}": s
                   for s in clients}
        self.assertEqual(len(run.asked), len(run.below))
        for step, (_, path, headers), cause in zip(run.below, run.asked, causes):
            self.assertEqual(len(headers), 1, (path, headers))
            if not server.is_exact and step.headers == INBOUND and headers[0] in INBOUND:
                continue
            span = clients.pop(headers[0])
            self.assertEqual(told(span), ("POST" if path == "/leaf" else step.method, path,
                                          step.status))
            context = span["trace_id"], span["parent_span_id"]
            if context != (cause["trace_id"], cause["span_id"]):
                self.assertFalse(server.is_exact, brief(run.spans))
                self.assertEqual(context[1], "")
        self.assertEqual(clients, {}, "spans of calls that nobody got")


@one_for_each
class Spans(CheckSpans):
    servers, runs = SERVERS, staticmethod(runs)
