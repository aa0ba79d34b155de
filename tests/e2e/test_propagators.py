# SPDX-License-Identifier: Apache-2.0
"""OTEL_PROPAGATORS (E23, E26-E33, C50-C94), end to end: what is read of a request that comes in, and
what goes out, with each format; the values' own tables: tests/unit/test_format.c."""
import json
import re

from support.case import Feature

TRACE, PARENT = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
OTHER = "0af7651916cd43dd8448eb211c80319c"
LOW = TRACE[16:]

# What is sent with sampled told; a pattern for what goes on, S for the id of the sender's span.
FORMATS = {
    "tracecontext": ({"traceparent": f"00-{TRACE}-{PARENT}-01"},
                     {"traceparent": f"00-{TRACE}-S-01"}),
    "b3": ({"b3": f"{TRACE}-{PARENT}-1"}, {"b3": f"{TRACE}-S-1"}),
    "b3multi": ({"X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "1",
                 "X-B3-ParentSpanId": "05e3ac9a4f6e3b90"},
                {"X-B3-TraceId": TRACE, "X-B3-SpanId": "S", "X-B3-Sampled": "1"}),
    "jaeger": ({"uber-trace-id": f"{TRACE}:{PARENT}:0:1"}, {"uber-trace-id": f"{TRACE}:S:0:1"}),
    "xray": ({"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"},
             {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent=S;Sampled=1"}),
    "ottrace": ({"ot-tracer-traceid": TRACE, "ot-tracer-spanid": PARENT,
                 "ot-tracer-sampled": "true"},
                {"ot-tracer-traceid": LOW, "ot-tracer-spanid": "S", "ot-tracer-sampled": "true"}),
}
KNOWN = {name.lower() for sent, _ in FORMATS.values() for name in sent} | {
    "tracestate", "baggage", "x-b3-flags"}  # of which none comes twice; nor do items of baggage


def as_options(headers):
    return [f"-H{name}: {value}" for name, value in headers.items()]


def trace_headers(done):
    """Those that came to the end of the chain, in their order; a name twice is an error."""
    came = [(k, v) for k, v in json.loads(done.stdout)["headers"]
            if k.lower() in KNOWN or k.lower().startswith("uberctx-")]
    assert len({k.lower() for k, _ in came}) == len(came), came
    told = [(k, v) for k, v in came if k.lower() in KNOWN]
    return dict(told)


class Propagators(Feature):
    def chain(self, propagators, headers, front, count, **settings):
        """curl, not traced, asks a proxy that is, which asks a server that is not."""
        lab = self.lab(OTEL_PROPAGATORS=propagators, **settings)
        second = lab.python_server("second.py", traced=False)
        proxy = getattr(lab, front)(second.port, service="edge")
        done = lab.run(["curl", "-s", *as_options(headers), proxy.url("/")], traced=False)
        spans = {s["kind"]: s for s in self.spans(lab, count)}
        return trace_headers(done), spans, lab

    def assert_goes_on(self, told, spans, want):
        """The trace goes on, from the caller through both spans, and the headers say so."""
        server, client = spans["SERVER"], spans["CLIENT"]
        self.assertEqual((server["trace_id"], server["parent_span_id"]), (TRACE, PARENT))
        self.assertEqual((client["trace_id"], client["parent_span_id"]),
                         (TRACE, server["span_id"]))
        want = {k: re.sub(r"\bS\b", client["span_id"], v) for k, v in want.items()}
        self.assertEqual(told, want)

    def test_each_format_goes_through_a_proxy(self):
        """What nginx copies is replaced, and nothing is there twice (C53)."""
        self.need("nginx")
        for name, (sent, want) in FORMATS.items():
            with self.subTest(name):
                told, spans, _ = self.chain(name, sent, "nginx", 2)
                self.assert_goes_on(told, spans, want)

    def test_baggage_of_other_formats(self):
        """C87, C92, C93: a header for each item, in by any of the formats, out by each of them; that
        of OpenTracing behind valid ids alone."""
        rows = (("jaeger,baggage", {"uberctx-User": "al%20ice", "uberctx-plan": "a,b",
                                    "jaeger-baggage": "x=1, y=2", "baggage": "k=v;p"},
                 {"uberctx-k": "v", "uberctx-user": "al%20ice", "uberctx-plan": "a%2Cb",
                  "uberctx-x": "1", "uberctx-y": "2",
                  "baggage": "k=v;p,user=al%20ice,plan=a%2Cb,x=1,y=2"}, True),
                ("ottrace", {"ot-baggage-user": "7"}, {"ot-baggage-user": "7"}, False))
        for names, items, want, is_alone in rows:
            lab = self.lab(OTEL_PROPAGATORS=names)
            second = lab.python_server("second.py", traced=False)
            shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=second.url(""))
            for has_ids in (True, False):
                with self.subTest(names, has_ids=has_ids):
                    sent = {**(FORMATS[names.partition(",")[0]][0] if has_ids else {}), **items}
                    done = lab.run(["curl", "-s", *as_options(sent), shop.url("/users/7")],
                                   traced=False)
                    got = {k.lower(): v for k, v in json.loads(done.stdout)["headers"]
                           if "baggage" in k.lower() or k.lower().startswith("uberctx-")}
                    self.assertEqual(got, want if has_ids or is_alone else {})
            self.spans(lab, 4)

    def test_baggage_that_a_proxy_copies(self):
        """C53: not a second time."""
        self.need("nginx")
        told, spans, _ = self.chain("jaeger", {**FORMATS["jaeger"][0], "uberctx-user": "7"}, "nginx", 2)
        self.assert_goes_on(told, spans, FORMATS["jaeger"][1])

    def test_formats_go_through_a_scheduler(self):
        """haproxy: by the caller's own id alone, which it copies."""
        self.need("haproxy")
        for name in ("b3multi", "xray"):
            with self.subTest(name):
                sent, want = FORMATS[name]
                told, spans, _ = self.chain(name, sent, "haproxy", 2)
                self.assert_goes_on(told, spans, want)

    def test_several_formats_in_their_order(self):
        """C50: all are written, in the configured order; the first valid one that comes counts."""
        self.need("nginx")
        sent = dict(FORMATS["b3"][0], traceparent=f"00-{OTHER}-{PARENT}-01",
                    **FORMATS["jaeger"][0])
        told, spans, _ = self.chain("b3,tracecontext,b3,jaeger", sent, "nginx", 2)
        self.assertEqual(spans["SERVER"]["trace_id"], TRACE)
        span_id = spans["CLIENT"]["span_id"]
        self.assertEqual(told, {"b3": f"{TRACE}-{span_id}-1",
                                "traceparent": f"00-{TRACE}-{span_id}-01",
                                "uber-trace-id": f"{TRACE}:{span_id}:0:1"})
        told, spans, _ = self.chain("tracecontext,b3", sent, "nginx", 2)
        self.assertEqual(spans["SERVER"]["trace_id"], OTHER)
        span_id = spans["CLIENT"]["span_id"]
        # jaeger's is nobody's of ours: it goes on as it came
        self.assertEqual(told, dict(FORMATS["jaeger"][0], traceparent=f"00-{OTHER}-{span_id}-01",
                                    b3=f"{OTHER}-{span_id}-1"))

    def test_order_on_the_wire(self):
        lab = self.lab(OTEL_PROPAGATORS="xray, B3 ,tracecontext")
        second = lab.python_server("second.py", traced=False)
        done = lab.run(["curl", "-s", second.url("/")], service="shop")
        self.assertEqual(list(trace_headers(done)), ["X-Amzn-Trace-Id", "b3", "traceparent"])
        self.spans(lab, 1)

    def test_malformed_is_as_if_none_had_come(self):
        """C11, C122: a trace of ours, whose header takes the place of the other."""
        self.need("nginx")
        told, spans, lab = self.chain("b3", {"b3": f"{TRACE}-{PARENT}-9"}, "nginx", 2)
        self.assertNotEqual(spans["SERVER"]["trace_id"], TRACE)
        self.assertEqual(told, {"b3": "{trace_id}-{span_id}-1".format(**spans["CLIENT"])})
        lab.programs[1].stop()
        self.assertEqual(lab.total("traceparent_invalid"), 1)

    def test_decision_of_the_caller(self):
        """C75-C83: denied, debug, and left to us."""
        self.need("nginx")
        told, _, _ = self.chain("b3", {"b3": f"{TRACE}-{PARENT}-0"}, "nginx", 0)
        self.assertRegex(told["b3"], f"^{TRACE}-[0-9a-f]{{16}}-0$")
        told, spans, _ = self.chain("b3multi", {"b3": f"{TRACE}-{PARENT}-d"}, "nginx", 2)
        self.assertEqual(told, {"X-B3-TraceId": TRACE, "X-B3-SpanId": spans["CLIENT"]["span_id"],
                                "X-B3-Flags": "1"})
        told, spans, _ = self.chain("b3", {"b3": f"{TRACE}-{PARENT}"}, "nginx", 2)
        self.assert_goes_on(told, spans, {"b3": f"{TRACE}-S-1"})
        told, _, _ = self.chain("b3", {"b3": f"{TRACE}-{PARENT}"}, "nginx", 0,
                                OTEL_TRACES_SAMPLER="parentbased_always_off")
        self.assertRegex(told["b3"], f"^{TRACE}-[0-9a-f]{{16}}-0$")

    def test_none_and_baggage_alone(self):
        """E33, C51, C70: what the application passes on stays; nothing is read and written."""
        self.need("nginx")
        sent = dict(FORMATS["tracecontext"][0], baggage="a=1", **FORMATS["b3"][0])
        for name in ("none", "baggage"):
            with self.subTest(name):
                told, spans, _ = self.chain(name, sent, "nginx", 2)
                self.assertEqual(told, sent)
                self.assertNotEqual(spans["SERVER"]["trace_id"], TRACE)

    def test_somebody_elses_header_stays(self):
        """C26: the application traces on its own."""
        lab = self.lab(OTEL_PROPAGATORS="b3")
        second = lab.python_server("second.py", traced=False)
        done = lab.run(["curl", "-s", *as_options(FORMATS["b3"][0]), second.url("/")],
                       service="shop")
        self.assertEqual(trace_headers(done), FORMATS["b3"][0])
        self.spans(lab, 0)
        self.assertEqual(lab.total("connections_client"), 1)

    def test_signed_header_stays(self):
        """C90: a signature covers it."""
        self.need("nginx")
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;"
                  "x-amzn-trace-id, Signature=0"}
        sent = FORMATS["xray"][0]
        told, spans, _ = self.chain("xray", dict(sent, **signed), "nginx", 1)
        self.assertEqual(told, sent)
        self.assertEqual(spans["SERVER"]["parent_span_id"], PARENT)

    def test_disabled_sdk_passes_on_what_came(self):
        """E18, C57: into a request that has none, since nginx was told to drop it, and as it is."""
        self.need("nginx")
        lab = self.lab(OTEL_PROPAGATORS="b3", OTEL_SDK_DISABLED="true")
        second = lab.python_server("second.py", traced=False)
        front = lab.nginx(second.port, location=f"""location /dropped {{
            proxy_pass http://127.0.0.1:{second.port};
            proxy_set_header b3 "";
        }}""")
        sent = FORMATS["b3"][0]
        for path in ("/dropped", "/"):
            done = lab.run(["curl", "-s", *as_options(sent), front.url(path)], traced=False)
            self.assertEqual(trace_headers(done), sent)
        self.spans(lab, 0)
