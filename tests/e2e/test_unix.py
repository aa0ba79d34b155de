# SPDX-License-Identifier: Apache-2.0
"""HTTP over Unix sockets, as between nginx and an application server of the same machine (H79)."""
import socket
import time

from support.case import WAIT, Feature
from support.collector import Collector
from support.progs import free_port


class UnixSockets(Feature):
    def gunicorn(self, lab):
        """Listens on a socket that everybody may connect to; returns its path."""
        path = lab.path("app.sock")
        program = lab.start(["/usr/bin/gunicorn", "-b", f"unix:{path}", "-k", "sync", "-w", "2",
                             "--umask", "0", "contract:app"], "gunicorn", service="app")
        deadline = time.monotonic() + 30
        with socket.socket(socket.AF_UNIX) as probe:
            while probe.connect_ex(path) != 0:
                self.assertTrue(time.monotonic() < deadline, program.text())
                time.sleep(0.02)
        return path

    def assert_unix(self, span, host):
        """Named by Host (H24, H76), on a socket that has no addresses."""
        self.assert_attributes(span, network_transport="unix", server_address=host, server_port=80,
                               network_peer_address=None, network_peer_port=None,
                               http_response_status_code=200)

    def test_gunicorn_behind_nginx_and_asked_by_curl(self):
        self.need("gunicorn")
        lab = self.lab(OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="network.transport")
        path = self.gunicorn(lab)
        front = lab.nginx(free_port(), service="edge",
                          location=f"location /page {{ proxy_pass http://unix:{path}:/page; }}")
        for argv, traced in (([front.url("/page")], False),
                             (["--unix-socket", path, "http://shop.example/page"], True)):
            done = lab.run(["curl", "-sS", *argv], traced=traced, service="curl")
            self.assertEqual((done.stdout, done.stderr), (b"page\n", b""))
        spans = {(s["service"], s["kind"], s["attributes"]["server.address"]): s
                 for s in self.spans(lab, 5)}
        edge = spans["edge", "SERVER", "127.0.0.1"]
        self.assert_attributes(edge, network_transport="tcp", network_peer_address="127.0.0.1")
        for caller, called in ((edge, spans["edge", "CLIENT", "localhost"]),
                               (spans["edge", "CLIENT", "localhost"],
                                spans["app", "SERVER", "localhost"]),
                               (spans["curl", "CLIENT", "shop.example"],
                                spans["app", "SERVER", "shop.example"])):
            self.assertEqual((called["trace_id"], called["parent_span_id"]),
                             (caller["trace_id"], caller["span_id"]))
        for (_, _, host), span in spans.items():
            if span is not edge:
                self.assert_unix(span, host)

    def test_spans_are_sent_to_one(self):
        """OTLP over HTTP; over gRPC: test_grpc."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        for number, protocol in enumerate(("http/protobuf", "http/json")):
            with self.subTest(protocol), Collector(unix=lab.path(f"{number}.sock")) as collector:
                lab.run(["curl", "-sS", second.url("/x")], OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
                span, = collector.wait_for(1, WAIT)
                self.assert_sound(collector)
                self.assertEqual((span["kind"], span["attributes"]["url.full"]), ("CLIENT", second.url("/x")))
                self.assertEqual([(path, headers["Host"]) for path, headers, _ in collector.requests],
                                 [("/v1/traces", "localhost")])
