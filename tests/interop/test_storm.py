# SPDX-License-Identifier: Apache-2.0
"""Too much of everything: all requests fail, and one request makes 100,000 calls.  Memory stays bounded,
the limit of kept traces is held, and every span is accounted for, against what the load itself counted."""
import os
import re
import socket
import subprocess
import tempfile
import threading
import time

from support.case import Feature
from support.progs import free_port, session_pids

HERE = os.path.dirname(os.path.abspath(__file__))
REQUESTS, CLIENTS, LIMIT = 20000, 8, 10
CALLS, OWN = 100000, 1000  # OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST
MIB = 1 << 10  # in KiB
ANSWER = re.compile(rb"HTTP/1.1 (\d+) .*?\r\nContent-Length: (\d+)\r\n.*?\r\n\r\n", re.S)


def private_kib(pid):
    """What a process has for itself, or as one of those that share the store."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M)[1])


def ask(port, count, wrong):
    """count requests on one connection, each of which must fail with 503."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        for number in range(count):
            s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
            got = b""
            while not (head := ANSWER.match(got)) or len(got) < head.end() + int(head[2]):
                data = s.recv(65536)
                if not data:
                    wrong.append("closed")
                    return
                got += data
            if head[1] != b"503":
                wrong.append(head[1])


class Storm(Feature):
    def assert_nothing_lost(self, lab):
        for name in ("spans_dropped_no_slot", "spans_dropped_queue_full", "spans_dropped_damaged",
                     "spans_dropped_export_failed", "spans_dropped_shutdown"):
            self.assertEqual(lab.total(name), 0, name)

    def test_all_requests_fail(self):
        self.need("nginx")
        lab = self.lab(OTEL_TRACES_SAMPLER="parentbased_always_off", OTEL_INTERSPAN_KEEP="error",
                       OTEL_INTERSPAN_KEPT_PER_SECOND=str(LIMIT))
        edge = lab.nginx(9, service="edge", location="location ~ . { return 503; }")
        wrong = []
        began = time.monotonic()
        ask(edge.port, 200, wrong)
        before = sum(private_kib(pid) for pid in session_pids(edge.pid))
        clients = [threading.Thread(target=ask, args=(edge.port, REQUESTS // CLIENTS, wrong))
                   for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        took = time.monotonic() - began
        after = sum(private_kib(pid) for pid in session_pids(edge.pid))
        edge.stop(60)
        self.assertEqual(wrong, [])
        kept, left_out = lab.total("selected_by_error"), lab.total("over_keep_limit_error")
        self.assertEqual(kept + left_out, REQUESTS + 200)
        # Those of the first second at once, and then as time goes by.
        self.assertLessEqual(kept, LIMIT * (took + 1) + 1)
        self.assertGreaterEqual(kept, LIMIT)
        spans = self.spans(lab, kept)
        self.assertEqual({(s["kind"], s["status"], s["attributes"]["interspan.selected"])
                          for s in spans}, {("SERVER", "ERROR", "error")})
        self.assertEqual((lab.total("spans_started"), lab.total("spans_ended"),
                          lab.total("spans_unsampled")), (REQUESTS + 200, kept, left_out))
        self.assert_nothing_lost(lab)
        self.assertLess(after - before, 4 * MIB)

    def calls(self, path, **settings):
        """(lab, answer) of one request that makes CALLS calls; bare: the same without us."""
        lab = self.lab(**settings)
        backend = lab.nginx(9, traced=False, location="location ~ . { return 204; }"
                                                      "keepalive_requests 1000000;")
        with tempfile.TemporaryDirectory(prefix="interspan-test-") as built:
            subprocess.run(["gcc", "-O2", "-o", f"{built}/calls", f"{HERE}/calls.c"], check=True)
            kib = {}
            for is_traced in (False, True):
                port = free_port()
                host = lab.start([f"{built}/calls", str(port), str(backend.port), str(CALLS)],
                                 "calls", port, service="shop", traced=is_traced)
                done = lab.run(["curl", "-sS", host.url(path)], traced=False, timeout=120)
                count, kib[is_traced] = map(int, done.stdout.split())
                self.assertEqual(count, CALLS)
                host.stop(60)
        self.assertLess(kib[True] - kib[False], 16 * MIB)
        return lab

    def assert_folded(self, spans):
        """As many as may be have spans of their own, and the rest one that tells of all of them."""
        server, = [s for s in spans if s["kind"] == "SERVER"]
        calls = [s for s in spans if s["kind"] == "CLIENT"]
        self.assertEqual({s["parent_span_id"] for s in calls}, {server["span_id"]})
        folded = [s["attributes"] for s in calls if "interspan.folded.count" in s["attributes"]]
        self.assertEqual([f["interspan.folded.count"] for f in folded], [CALLS - OWN])
        self.assertEqual(len(calls), OWN + 1)
        self.assertEqual(folded[0]["interspan.folded.summary"], "/item/*")
        self.assertGreaterEqual(folded[0]["interspan.folded.duration_us"],
                                folded[0]["interspan.folded.slowest_us"])
        self.assertEqual(server["attributes"]["interspan.calls.count"], CALLS)
        return server

    def test_request_with_100000_calls(self):
        self.need("nginx")
        lab = self.calls("/200")
        self.assert_folded(self.spans(lab, OWN + 2))
        self.assert_nothing_lost(lab)

    def test_failed_request_with_100000_calls_that_is_only_recorded(self):
        self.need("nginx")
        lab = self.calls("/500", OTEL_TRACES_SAMPLER="always_off", OTEL_INTERSPAN_KEEP="error")
        server = self.assert_folded(self.spans(lab, OWN + 2))
        self.assert_attributes(server, interspan_selected="error")
        self.assert_nothing_lost(lab)
