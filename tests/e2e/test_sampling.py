# SPDX-License-Identifier: Apache-2.0
"""Samplers (E34-E63), rules and the limit, end to end: what is told of a request, and what the next
one in the chain is told of it."""
import json

from support.case import Feature

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Sampling(Feature):
    def chain(self, count, paths=("/",), headers=(), **settings):
        """curl, traced, asks a server that is not: the headers that came there, and the spans."""
        lab = self.lab(**settings)
        second = lab.python_server("second.py", traced=False)
        told = []
        for path in paths:
            done = lab.run(["curl", "-s", *[f"-H{h}" for h in headers], second.url(path)],
                           service="shop")
            told.append({k.lower(): v for k, v in json.loads(done.stdout)["headers"]})
        return told, self.spans(lab, count), lab

    def test_unsampled_request_still_carries_its_trace(self):
        """E44, C16, C18: flag 00 but for the random bit."""
        for sampler in ("always_off", "parentbased_always_off"):
            with self.subTest(sampler):
                (told,), _, lab = self.chain(0, OTEL_TRACES_SAMPLER=sampler)
                self.assertRegex(told["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-02$")
                self.assertEqual(lab.total("spans_unsampled"), 1)

    def test_probability_is_told(self):
        """E53, E56, O: in tracestate on the wire, and in the span."""
        (told,), (span,), _ = self.chain(1, OTEL_TRACES_SAMPLER="probability")
        self.assertRegex(told["traceparent"], r"-03$")
        self.assertEqual((told["tracestate"], span["trace_state"]), ("ot=th:0", "ot=th:0"))

    def test_rules_and_limit(self):
        told, spans, lab = self.chain(
            2, ("/health", "/x", "/y", "/z"), OTEL_TRACES_SAMPLER="always_off",
            OTEL_INTERSPAN_SAMPLING_RULES="other: *=1; GET /health*=0; /x=1; shop: GET /y*=5/s")
        self.assertEqual([t["traceparent"][-2:] for t in told], ["02", "03", "03", "02"])
        self.assertEqual([t.get("tracestate") for t in told], [None, "ot=th:0", None, None])
        self.assertEqual([s["attributes"]["url.full"][-2:] for s in spans], ["/x", "/y"])

    def test_server_by_its_own_sampler(self):
        """traceidratio 0 whatever the parent says (E36); parentbased_ as the parent says (E43)."""
        for sampler, flags, count in (("traceidratio", "01", 0), ("parentbased_always_off", "01", 1),
                                      ("parentbased_always_on", "00", 0), ("always_on", "00", 1)):
            with self.subTest(sampler):
                lab = self.lab(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0")
                server = lab.python_server("second.py", service="shop")
                done = lab.run(["curl", "-s", f"-Htraceparent: 00-{TRACE}-{PARENT}-{flags}",
                                server.url("/")], traced=False)
                self.assertEqual(json.loads(done.stdout)["path"], "/")
                for span in self.spans(lab, count):
                    self.assertEqual((span["trace_id"], span["parent_span_id"]), (TRACE, PARENT))
                server.stop()
                self.assertEqual(lab.total("hooks_on_tracked") > 0, True)

    def test_state_that_a_proxy_copies(self):
        """E46, E52, C42: what nginx copies of it is replaced, with all members of others."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        front = lab.nginx(second.port, service="edge", OTEL_TRACES_SAMPLER="probability")
        done = lab.run(["curl", "-s", f"-Htraceparent: 00-{TRACE}-{PARENT}-01",
                        "-Htracestate: a=1,ot=th:c;rv:ffffffffffffff,b=2", front.url("/")],
                       traced=False)
        spans = self.spans(lab, 2)
        want = "ot=th:0;rv:ffffffffffffff,a=1,b=2"
        self.assertEqual([s["trace_state"] for s in spans], [want] * 2)
        states = [v for k, v in json.loads(done.stdout)["headers"] if k.lower() == "tracestate"]
        self.assertEqual(states, [want])
