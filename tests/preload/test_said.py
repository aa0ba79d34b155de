# SPDX-License-Identifier: Apache-2.0
"""What a program says of itself by interspan.h (host_said.c), and by ctypes from Python."""
import os
import subprocess
import tempfile

from support.case import Feature, Transparency, brief
from support.progs import BUILD, ROOT, free_port

HOST = os.path.join(BUILD, "tests", "host_said")
SOURCE = os.path.join(ROOT, "tests", "preload", "host_said.c")
NOTHING = b"0 <> <>\n0 0 0\n0\n"
PYTHON = """
import ctypes
said = ctypes.CDLL(None)
said.interspan_start_span.restype = ctypes.c_uint64
said.interspan_end_span.argtypes = [ctypes.c_uint64]
span = said.interspan_start_span(b"import")
said.interspan_set_attribute(b"file", b"orders.csv")
said.interspan_end_span(span)
"""
PHP = """
$said = FFI::cdef('uint64_t interspan_start_span(const char *); void interspan_end_span(uint64_t);
                   void interspan_set_attribute(const char *, const char *);');
$span = $said->interspan_start_span('import');
$said->interspan_set_attribute('file', 'orders.csv');
$said->interspan_end_span($span);
"""


class Bare(Transparency):
    def test_nothing_without_the_object(self):
        """C and C++, built in the usual ways, static too: nothing is needed, all answers are 0."""
        lab = self.lab()
        with tempfile.TemporaryDirectory(prefix="interspan-test-") as at:
            for how in (["gcc"], ["gcc", "-no-pie"], ["gcc", "-fno-pie", "-no-pie"],
                        ["gcc", "-static"], ["g++", "-x", "c++", "-std=c++98", "-w"],
                        ["g++", "-x", "c++", "-std=c++20", "-w"]):
                exe = os.path.join(at, "said")
                subprocess.run([*how, "-O2", "-o", exe, SOURCE], check=True)
                done = lab.run([exe], traced=False)
                self.assertEqual((done.returncode, done.stdout), (0, NOTHING), how)


class Said(Feature):
    def serve(self, **env):
        lab = self.lab(**env)
        self.backend = lab.python_server("second.py", traced=False)
        port = free_port()
        host = lab.start([HOST, str(port), str(self.backend.port)], "said", port, service="shop")
        return lab, host

    def ask(self, lab, host, path, *args):
        done = lab.run(["curl", "-sS", *args, host.url(path)], traced=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().split(" ")

    def test_outside_of_requests(self):
        lab = self.lab()
        self.assertEqual(lab.run([HOST]).stdout, b"0 <> <>\n1 32 16\n0\n")
        span, = self.spans(lab, 1)
        self.assertEqual((span["name"], span["kind"], span["parent_span_id"], span["attributes"]),
                         ("batch", "INTERNAL", "", {"rows": "12"}))

    def test_request(self):
        lab, host = self.serve()
        trace, span_id = self.ask(lab, host, "/say")
        span, = self.spans(lab, 1)
        self.assertEqual((span["trace_id"], span["span_id"], span["kind"]),
                         (trace, span_id, "SERVER"))
        self.assertEqual(span["attributes"]["shop.order"], "7")
        self.assertNotIn("", span["attributes"])
        self.assertEqual((span["attributes"]["shop.items"], span["attributes"]["shop.price"]),
                         (-3, 0.1))
        self.assertEqual([(name, told) for (name, _), told
                          in zip(span["events"], span["event_attributes"])][-2:],
                         [("paid", {}), ("packed", {"item": "pen", "note": ""})])
        told = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
                "flags": 0x301, "dropped": 0}
        self.assertEqual(span["links"],
                         [dict(told, trace_state="a=1", attributes={"item": "book"}),
                          dict(told, trace_state="", attributes={})])
        at, = [time for name, time in span["events"] if name == "paid"]
        self.assertTrue(span["start"] <= at <= span["end"], (span, at))

    def test_limits_of_what_has_attributes(self):
        lab, host = self.serve(OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT="1",
                               OTEL_LINK_ATTRIBUTE_COUNT_LIMIT="0", OTEL_SPAN_LINK_COUNT_LIMIT="1")
        self.ask(lab, host, "/say")
        span, = self.spans(lab, 1)
        self.assertEqual((span["event_attributes"][-1], span["event_dropped_attributes"][-1]),
                         ({"item": "pen"}, 1))
        self.assertEqual([(kept["attributes"], kept["dropped"]) for kept in span["links"]],
                         [({}, 1)])
        self.assertEqual(span["dropped_links"], 1)

    def test_error(self):
        lab, host = self.serve()
        self.ask(lab, host, "/fail")
        span, = self.spans(lab, 1)
        self.assertEqual((span["status"], span["attributes"]["error.type"],
                          span["attributes"]["http.response.status_code"]),
                         ("ERROR", "out_of_stock", 200))

    def test_spans_within_spans(self):
        lab, host = self.serve()
        _, server_id = self.ask(lab, host, "/nest")
        spans = self.spans(lab, 9)
        own = {s["name"]: s for s in spans if s["kind"] == "INTERNAL"}
        calls = {s["attributes"]["url.full"].rpartition("/")[2]: s["parent_span_id"]
                 for s in spans if s["kind"] == "CLIENT"}
        self.assertEqual(set(own), {"outer", "inner", "ends with outer"}, brief(spans))
        outer, inner, lost = (own[n]["span_id"] for n in ("outer", "inner", "ends with outer"))
        self.assertEqual(calls, {"before": server_id, "in-outer": outer, "in-inner": inner,
                                 "in-lost": lost, "after": server_id})
        self.assertEqual([own[n]["parent_span_id"] for n in own],
                         [{"outer": server_id}.get(n, outer) for n in own])
        self.assertEqual(own["inner"]["attributes"], {"depth": "2"})
        self.assertEqual([name for name, _ in own["outer"]["events"]], ["half way"])
        # The calls are summed up on the request all the same.
        server, = [s for s in spans if s["kind"] == "SERVER"]
        self.assertEqual(server["attributes"]["interspan.calls.count"], 5)

    def test_span_that_never_ends_is_nobody_elses(self):
        """The next request of the same thread is not below what the last one has left."""
        lab, host = self.serve()
        self.ask(lab, host, "/stray")
        _, server_id = self.ask(lab, host, "/nest")
        spans = self.spans(lab, 10)
        outer, = [s for s in spans if s["name"] == "outer"]
        self.assertEqual(outer["parent_span_id"], server_id)
        self.assertNotIn("never ended", [s["name"] for s in spans])
        lab.run(["curl", "-s", host.url("/quit")], traced=False)
        host.process.wait(10)
        self.assertEqual(lab.total("spans_discarded"), 1)

    def test_force(self):
        """Kept although the sampler said no; without OTEL_INTERSPAN_KEEP it is not even recorded."""
        for keep, count in (("forced", 1), ("", 0)):
            lab, host = self.serve(OTEL_TRACES_SAMPLER="always_off", OTEL_INTERSPAN_KEEP=keep)
            self.ask(lab, host, "/say")
            self.ask(lab, host, "/force")
            for span in self.spans(lab, count):
                self.assertEqual((span["attributes"]["url.path"],
                                  span["attributes"]["interspan.selected"]), ("/force", "forced"))

    def test_python_by_ctypes(self):
        lab = self.lab()
        done = lab.run(["/usr/bin/python3", "-c", PYTHON], service="job")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        span, = self.spans(lab, 1)
        self.assertEqual((span["name"], span["attributes"]), ("import", {"file": "orders.csv"}))

    def test_php_by_ffi(self):
        self.need("php")
        lab = self.lab()
        done = lab.run(["php", "-d", "ffi.enable=1", "-r", PHP], service="job")
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        span, = self.spans(lab, 1)
        self.assertEqual((span["name"], span["attributes"]), ("import", {"file": "orders.csv"}))
