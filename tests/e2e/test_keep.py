# SPDX-License-Identifier: Apache-2.0
"""Requests that the sampler leaves out, and that are kept for how they end (OTEL_INTERSPAN_KEEP)."""
import json

from support.case import Feature

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UNSAMPLED = f"traceparent: 00-{TRACE}-{PARENT}-00"


class Keep(Feature):
    def chain(self, **settings):
        """nginx asks flask, which asks what nobody watches."""
        lab = self.lab(**settings)
        self.second = lab.python_server("second.py", traced=False)
        self.shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=self.second.url(""))
        return lab, lab.nginx(self.shop.port, service="edge")

    def ask(self, lab, url, *args):
        done = lab.run(["curl", "-s", "-w", "%{http_code}", f"-H{UNSAMPLED}", *args, url],
                       traced=False)
        return done.stdout

    def test_failed_request_is_kept_whole(self):
        lab, edge = self.chain(OTEL_INTERSPAN_KEEP="error")
        for status, times in ((200, 4), (503, 2), (404, 3)):
            for _ in range(times):
                url = f"{edge.url('/call')}?url={self.second.url(f'/status/{status}')}"
                self.assertEqual(self.ask(lab, url)[-3:], str(status).encode())
        spans = self.spans(lab, 2 * 4)
        for span in spans:
            self.assertEqual((span["trace_id"], span["flags"] & 1, span["status"]),
                             (TRACE, 0, "ERROR"))
            want = "error" if span["kind"] == "SERVER" else None
            self.assertEqual(span["attributes"].get("interspan.selected"), want)
            self.assertNotIn("interspan.partial", span["attributes"])
        self.assertEqual(sorted((s["service"], s["kind"]) for s in spans),
                         sorted(2 * [("edge", "SERVER"), ("edge", "CLIENT"), ("shop", "SERVER"),
                                     ("shop", "CLIENT")]))
        by_id = {s["span_id"]: s for s in spans}
        for span in spans:
            if span["parent_span_id"] != PARENT:
                parent = by_id[span["parent_span_id"]]
                self.assertEqual((parent["service"], parent["kind"]),
                                 ("edge", "CLIENT") if span["kind"] == "SERVER" else
                                 (span["service"], "SERVER"))
        edge.stop()
        self.shop.stop()
        self.assertEqual((lab.total("selected_by_error"), lab.total("spans_unsampled")), (4, 28))

    def test_wire_tells_what_the_sampler_said(self):
        lab, edge = self.chain(OTEL_INTERSPAN_KEEP="all")
        url = f"{edge.url('/call')}?url={self.second.url('/')}"
        told = dict(json.loads(self.ask(lab, url)[:-3])["headers"])
        spans = self.spans(lab, 4)
        self.assertRegex(told["traceparent"], f"^00-{TRACE}-[0-9a-f]{{16}}-00$")
        self.assertEqual(sorted(s["attributes"]["interspan.selected"] for s in spans
                                if s["kind"] == "SERVER"), ["rule", "rule"])

    def test_by_route_slowness_and_method(self):
        lab, edge = self.chain(OTEL_INTERSPAN_KEEP="route=/users/{id},slow>0ns,method=PUT")
        self.assertEqual(self.ask(lab, edge.url("/users/7"))[-3:], b"200")
        spans = self.spans(lab, 4)
        self.assertEqual({s["attributes"]["interspan.selected"] for s in spans
                          if s["kind"] == "SERVER"}, {"slow"})
        lab, edge = self.chain(OTEL_INTERSPAN_KEEP="route=/users/{id},method=PUT")
        for path in ("/users/7", "/status/200", "/twice"):
            self.assertEqual(self.ask(lab, edge.url(path))[-3:], b"200")
        spans = self.spans(lab, 4)
        self.assertEqual({s["attributes"]["url.path"] for s in spans if s["kind"] == "SERVER"},
                         {"/users/7"})

    def test_production_keeps_failures(self):
        """Nothing but the mode is set: one request in a hundred by chance, each that fails."""
        lab = self.lab(OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=production",
                       OTEL_TRACES_SAMPLER="")
        second = lab.python_server("second.py", service="shop")
        for _ in range(3):
            lab.run(["curl", "-s", f"-H{UNSAMPLED}", second.url("/status/500")], traced=False)
            lab.run(["curl", "-s", f"-H{UNSAMPLED}", second.url("/status/200")], traced=False)
        spans = self.spans(lab, 3)
        self.assertEqual([s["attributes"]["http.response.status_code"] for s in spans], [500] * 3)

    def test_forced_request(self):
        """By a header, by one with its secret value, by the baggage: sampled, and so told to all."""
        for setting, header in (("FORCE_HEADER=X-Trace-Me", "X-Trace-Me: 1"),
                                ("FORCE_HEADER=X-Trace-Me: s3cret", "x-trace-me: s3cret"),
                                ("FORCE_BAGGAGE=trace-me", "baggage: a=b,trace-me=1")):
            with self.subTest(setting):
                name, _, value = setting.partition("=")
                lab, edge = self.chain(**{f"OTEL_INTERSPAN_{name}": value})
                url = f"{edge.url('/call')}?url={self.second.url('/')}"
                told = json.loads(self.ask(lab, url, "-HX-Trace-Me: wrong")[:-3])["headers"]
                if value == "X-Trace-Me":
                    self.spans(lab, 4)
                    lab.collector.clear()
                else:
                    self.assertRegex(dict(told)["traceparent"], "-00$")
                told = json.loads(self.ask(lab, url, f"-H{header}")[:-3])["headers"]
                spans = self.spans(lab, 4)
                self.assertRegex(dict(told)["traceparent"], f"^00-{TRACE}-[0-9a-f]{{16}}-01$")
                self.assertEqual([s["attributes"].get("interspan.selected") for s in spans
                                  if s["service"] == "edge" and s["kind"] == "SERVER"], ["forced"])
                edge.stop()
                self.shop.stop()
                self.assertGreaterEqual(lab.total("selected_by_force"), 1)

    def test_debug_of_b3_is_force(self):
        """C78: whatever the sampler says."""
        lab = self.lab(OTEL_PROPAGATORS="b3", OTEL_TRACES_SAMPLER="always_off")
        second = lab.python_server("second.py", service="shop")
        lab.run(["curl", "-s", f"-Hb3: {TRACE}-{PARENT}-1", second.url("/")], traced=False)
        lab.run(["curl", "-s", f"-Hb3: {TRACE}-{PARENT}-d", second.url("/")], traced=False)
        span, = self.spans(lab, 1)
        self.assertEqual((span["trace_id"], span["attributes"]["interspan.selected"]),
                         (TRACE, "forced"))
