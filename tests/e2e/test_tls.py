# SPDX-License-Identifier: Apache-2.0
"""TLS: the plaintext that a library decrypts and encrypts is parsed as that of a socket is.  More
programs, and more ways to write: tests/interop/test_https.py."""
import json
import socket
import threading

from support import certificates, servers_tls
from support.case import Feature, Transparency, brief

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INBOUND = f"traceparent: 00-{TRACE}-{PARENT}-01"


def by_kind(spans):
    return {kind: sorted((s for s in spans if s["kind"] == kind), key=lambda s: s["start"])
            for kind in ("SERVER", "CLIENT")}


class Https(Feature):
    """curl and Python, each with a libssl that it has come by differently: linked, and RTLD_LOCAL."""

    def start(self, **env):
        lab = self.lab()
        ca = certificates.make()
        server = lab.python_server("second.py", service="second", CERTIFICATE=ca.both, **env)
        return lab, server, f"https://localhost:{server.port}"

    def curl(self, lab, *args, **env):
        done = lab.run(["curl", "-sS", *args], **certificates.make().trusted, **env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_requests_on_one_connection(self):
        lab, _, url = self.start()
        out = self.curl(lab, "-H", INBOUND, f"{url}/a?q=1", f"{url}/b", traced=False)
        self.assertEqual(out.count(b'"headers"'), 2)
        spans = by_kind(self.spans(lab, 2))
        for span, path in zip(spans["SERVER"], ("/a", "/b")):
            self.assertEqual((span["trace_id"], span["parent_span_id"]), (TRACE, PARENT))
            self.assert_attributes(span, url_scheme="https", url_path=path,
                                   server_address="localhost", http_request_method="GET",
                                   http_response_status_code=200, network_protocol_version="1.1",
                                   network_peer_address="127.0.0.1")
        self.assert_attributes(spans["SERVER"][0], url_query="q=1")

    def test_client_is_told_of(self):
        """Opt-in attributes of TLS, and the handshake's end on the first request."""
        lab, server, url = self.start(traced=False)
        self.curl(lab, "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384",
                  f"{url}/a", f"{url}/b", service="shell", OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="*")
        spans = by_kind(self.spans(lab, 2))
        events = [[name for name, _ in s["events"]] for s in spans["CLIENT"]]
        self.assertEqual(events, [
            ["connection.opened", "tls.established", "response.first_byte"],
            ["connection.reused", "response.first_byte"]])
        for span in spans["CLIENT"]:
            self.assert_attributes(span, tls_protocol_name="tls", tls_protocol_version="1.2",
                                   tls_cipher="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                                   url_scheme="https")
        for span, path in zip(spans["CLIENT"], ("/a", "/b")):
            self.assert_attributes(span, url_full=f"{url}{path}", server_address="localhost",
                                   server_port=server.port, http_response_status_code=200)
        self.assertEqual(lab.total("connections_tls"), 1)

    def test_all_the_way(self):
        """curl, nginx with TLS on both sides, Python: one trace, and each is told of its caller."""
        self.need("nginx")
        lab, server, _ = self.start()
        edge = servers_tls.nginx(lab, server.port, service="edge")
        out = self.curl(lab, "--data-binary", "body", *[f"https://localhost:{edge.port}/x"] * 2,
                        service="shell")
        spans = self.spans(lab, 8)
        told = [dict(answer["headers"])["traceparent"]
                for answer in map(json.loads, out.replace(b"}{", b"}\n{").splitlines())]
        lines = {s["span_id"]: s for s in spans}
        bottom = by_kind(s for s in spans if s["service"] == "second")["SERVER"]
        self.assertEqual(told, [f"00-{s['trace_id']}-{s['span_id']}-03" for s in bottom])
        for span in bottom:
            line = []
            while span:
                line.append((span["service"], span["kind"], span["attributes"].get("url.scheme")))
                span = lines.get(span["parent_span_id"])
            self.assertEqual(line, [("second", "SERVER", "https"), ("edge", "CLIENT", None),
                                    ("edge", "SERVER", "https"), ("shell", "CLIENT", None)],
                             brief(spans))


class Failed(Feature):
    """More ways to fail, and programs: tests/interop/test_handshakes.py."""

    def check(self, why, port, **env):
        lab = self.lab()
        done = lab.run(["curl", "-sS", f"https://localhost:{port}/"], **env)
        self.assertNotEqual(done.returncode, 0)
        span, = self.spans(lab, 1)
        self.assertEqual((span["kind"], span["name"], span["status"], span["parent_span_id"]),
                         ("CLIENT", "TLS handshake", "ERROR", ""))
        self.assert_attributes(span, error_type=why, server_address="localhost", server_port=port,
                               network_peer_address="127.0.0.1", network_peer_port=port)

    def test_not_trusted(self):
        lab = self.lab()
        server = lab.python_server("second.py", traced=False, CERTIFICATE=certificates.make().both)
        self.check("certificate_verify_failed.untrusted", server.port)

    def test_peer_ends(self):
        """One span, though the call of the library fails, and the connection ends unfinished."""
        def end():
            sock, _ = listener.accept()
            sock.recv(65536)
            sock.close()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=end, daemon=True)
            thread.start()
            self.check("closed_by_peer", listener.getsockname()[1], **certificates.make().trusted)
            thread.join(20)


class SameBytes(Transparency):
    def test_what_comes_back(self):
        """The same as bare, but for the header tag."""
        lab, ca = self.lab(), certificates.make()
        server = lab.python_server("second.py", CERTIFICATE=ca.both)
        done = lab.run(["curl", "-sS", "-i", f"https://localhost:{server.port}/x"], **ca.trusted)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn("headers", json.loads(body))
        self.assert_loaded(lab, "curl", hooked=True)
