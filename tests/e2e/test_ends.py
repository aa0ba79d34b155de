# SPDX-License-Identifier: Apache-2.0
"""When a span ends: with the last byte of the response (a stream's, however long it takes), or, where
an answer turns the connection into a tunnel (101, a websocket, CONNECT), with the head of that answer.
The tests hold the other end open until the spans are there, or are seen not to be."""
import socket

from framing_rows import request, response
from support import rawhttp
from support.case import SETTLE, WAIT, Feature
from test_framing import TRACEPARENT, strip_ours

ASK = request(headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                      b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
SWITCH = response(b"101 Switching Protocols",
                  b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", b"")
GREETING = b"\x81\x05hello"  # the first frame of the server, in one piece with the head
FRAME = b"\x81\x8a\x01\x02\x03\x04" + b"GET / HTTP/1.1\r\n\r\n"  # what is in it looks like HTTP
LOCATION = "location /item/ {{ proxy_pass http://backend; proxy_http_version 1.1; {} }}"
TUNNELS = LOCATION.format(
    "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;")
STREAMS = LOCATION.format('proxy_set_header Connection ""; proxy_buffering off;')


class Held:
    """A bare server of one connection, which answers in pieces when it is told to."""

    def __init__(self):
        self.listener = rawhttp.listen()
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        self.listener.settimeout(30)
        return self.listener.accept()[0]


def peer(sock):
    sock.settimeout(30)
    return rawhttp.Peer(sock)


class Ends(Feature):
    def pair(self, ask, location):
        """nginx between a bare client, which has sent ask, and a bare server, which has got it."""
        lab = self.lab()
        held = self.enterContext(Held())
        nginx = lab.nginx(held.port, service="edge", location=location)
        client = peer(self.enterContext(socket.create_connection(("127.0.0.1", nginx.port))))
        client.step("send", ask)
        server = peer(self.enterContext(held.accept()))
        server.step("head", 0, 65536)
        return lab, client, server

    def chain(self, lab):
        """The two spans of nginx, now."""
        spans = {s["kind"]: s for s in lab.collector.wait_for(2, WAIT, SETTLE)}
        self.assert_sound(lab.collector)
        self.assertEqual(sorted(spans), ["CLIENT", "SERVER"])
        self.assertEqual(spans["CLIENT"]["parent_span_id"], spans["SERVER"]["span_id"])
        return spans["SERVER"], spans["CLIENT"]

    def test_websocket_ends_with_its_101(self):
        """H87: 101 is no error.  What comes behind it goes both ways, is nobody's span, and gets no line
        of ours."""
        for greeting in (b"", GREETING):
            with self.subTest(greeting=greeting):
                self.websocket(greeting)

    def websocket(self, greeting):
        lab, client, server = self.pair(ASK, TUNNELS)
        server.step("send", SWITCH + greeting)
        client.step("head", len(greeting), 65536)
        for span in self.chain(lab):
            self.assertEqual((span["attributes"]["http.response.status_code"], span["status"]),
                             (101, "UNSET"))
        self.assertEqual(len(TRACEPARENT.findall(server.received)), 1)
        asked = len(server.received)
        for _ in range(3):
            client.step("send", FRAME)
            server.step("read", len(FRAME), 65536)
            server.step("send", response(b"500 Fake"))
            client.step("read", len(response(b"500 Fake")), 65536)
        self.assertEqual(server.received[asked:], FRAME * 3)
        self.assertTrue(client.received.endswith(greeting + response(b"500 Fake") * 3))
        self.assertEqual(len(lab.collector.wait_for(3, SETTLE)), 2)

    def test_upgrade_that_is_refused_stays_http(self):
        lab, client, server = self.pair(ASK, TUNNELS)
        server.step("send", response(b"426 Upgrade Required"))
        client.step("head", 2, 65536)
        self.chain(lab)
        client.step("send", request())
        server.step("head", 0, 65536)
        server.step("send", response())
        client.step("head", 2, 65536)
        spans = lab.collector.wait_for(4, WAIT, SETTLE)
        self.assertEqual(sorted(s["attributes"]["http.response.status_code"] for s in spans),
                         [200, 200, 426, 426])

    def test_stream_lasts_as_long_as_it_streams(self):
        """Neither span is there before the last chunk; both are while the connections stay."""
        lab, client, server = self.pair(request(), STREAMS)
        self.assertEqual(strip_ours(server.received).count(b"\r\n\r\n"), 1)
        server.step("send", response(headers=b"Transfer-Encoding: chunked\r\n",
                                     body=b"5\r\ndata:\r\n"))
        client.step("head", 10, 65536)
        self.assertEqual(lab.collector.wait_for(1, SETTLE), [])
        rawhttp.time.sleep(0.2)
        server.step("send", b"0\r\n\r\n")
        client.step("read", 5, 65536)
        for span in self.chain(lab):
            self.assertGreater(span["end"] - span["start"], 200_000_000)

    def test_connect_ends_with_its_200(self):
        """As nginx knows no CONNECT: a client of its own, whose tunnel stays open."""
        lab = self.lab()
        held = self.enterContext(Held())
        program = lab.start(["curl", "-sS", "-p", "-x", f"http://127.0.0.1:{held.port}",
                             "http://db.example:8080/inside"], "curl", service="curl",
                            NO_PROXY="", no_proxy="")
        server = peer(self.enterContext(held.accept()))
        server.step("head", 0, 65536)
        self.assertTrue(server.received.startswith(b"CONNECT db.example:8080 HTTP/1.1\r\n"))
        server.step("send", b"HTTP/1.1 200 Established\r\n\r\n")
        server.step("head", 0, 65536)
        span, = self.spans(lab, 1)
        self.assert_attributes(span, http_request_method="CONNECT", http_response_status_code=200)
        server.step("send", response())
        self.assertEqual(program.process.wait(30), 0)
        self.assertEqual(program.text(), "ok")
