# SPDX-License-Identifier: Apache-2.0
"""What a request has called, told by its own span: interspan.calls.* (README)."""
import os
import subprocess
import tempfile

from support.case import Feature
from support.progs import free_port

HERE = os.path.dirname(os.path.abspath(__file__))

TOLD = ("count", "duration_us", "other", "repeated.count", "repeated.duration_us", "repeated.mode",
        "repeated.peer", "repeated.operation", "repeated.summary")


def told(span):
    """interspan.calls.* without that prefix; times are only looked at."""
    found = {k[len("interspan.calls."):]: v for k, v in span["attributes"].items()
             if k.startswith("interspan.calls.")}
    assert set(found) <= set(TOLD), found
    for key in [k for k in found if k.endswith("duration_us")]:
        assert found.pop(key) > 0, key
    return found


class Calls(Feature):
    def flask(self, lab, **env):
        return lab.gunicorn("flask_app:app", service="shop", BACKEND=self.second.url(""), **env)

    def ask(self, path, spans, start=flask, **env):
        """The SERVER span of the application, and those of its calls."""
        lab = self.lab()
        self.second = lab.python_server("second.py", service="stock", traced=False)
        shop = start(self, lab, **env)
        done = lab.run(["curl", "-sS", "-f", shop.url(path)], traced=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.spans(lab, spans)
        server, = [s for s in found if s["kind"] == "SERVER"]
        calls = [s for s in found if s["kind"] == "CLIENT"]
        self.assertEqual({s["parent_span_id"] for s in calls}, {server["span_id"]} if calls else
                         set())
        for span in calls:
            self.assertEqual(told(span), {})
        return server, calls

    def test_thirty_one_after_another(self):
        server, calls = self.ask("/many/30", 31)
        took = server["attributes"]["interspan.calls.duration_us"]
        self.assertEqual(told(server), {
            "count": 30, "repeated.count": 30, "repeated.mode": "serial",
            "repeated.peer": f"127.0.0.1:{self.second.port}", "repeated.operation": "GET",
            "repeated.summary": "/item/*"})
        # Each span's time is rounded to the nanosecond, the sum to the microsecond.
        spent = sum(s["end"] - s["start"] for s in calls)
        self.assertLessEqual(abs(spent - took * 1000), 1000)

    def test_more_than_a_request_may_have(self):
        """The first ones have spans of their own, the others one together."""
        _, calls = self.ask("/many/30", 12, OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST="10")
        folded, = [s["attributes"] for s in calls if "interspan.folded.count" in s["attributes"]]
        self.assertEqual((folded["interspan.folded.count"], folded["interspan.folded.summary"],
                          folded["interspan.folded.peer"]),
                         (20, "/item/*", f"127.0.0.1:{self.second.port}"))
        self.assertGreaterEqual(folded["interspan.folded.duration_us"],
                                folded["interspan.folded.slowest_us"])

    def test_fan_out_of_one_thread(self):
        self.assert_fan_out(self.ask("/fan/8", 9)[0])

    def test_fan_out_of_threads(self):
        def start(_, lab, **env):
            port = free_port()
            return lab.start([f"{built}/fan", str(port), str(self.second.port), "8"], "fan", port,
                             service="shop", **env)

        with tempfile.TemporaryDirectory(prefix="interspan-test-") as built:
            subprocess.run(["gcc", "-O2", "-pthread", "-o", f"{built}/fan", f"{HERE}/fan.c"],
                           check=True)
            server, _ = self.ask("/", 9, start, OTEL_INTERSPAN_INHERIT_THREADS="true",
                                 OTEL_INTERSPAN_HTTP_ROUTES="/meet/{size}/{number}")
            self.assert_fan_out(server, "/meet/{size}/{number}")

    def assert_fan_out(self, server, summary="/meet/*/*"):
        self.assertEqual(told(server), {
            "count": 8, "repeated.count": 8, "repeated.mode": "overlapped",
            "repeated.peer": f"127.0.0.1:{self.second.port}", "repeated.operation": "GET",
            "repeated.summary": summary})

    def test_two_different(self):
        server, _ = self.ask("/twice", 3)
        self.assertEqual(told(server), {"count": 2})

    def test_none(self):
        server, _ = self.ask("/status/200", 1)
        self.assertEqual(told(server), {})
