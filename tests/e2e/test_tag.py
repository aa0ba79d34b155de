# SPDX-License-Identifier: Apache-2.0
"""The header tag (OTEL_INTERSPAN_HEADER_TAG): what a program reads of a traceparent that comes in is
the id of its own SERVER span, whole, or the caller's, whole; and the trace is right either way."""
import re

from support import rawhttp
from support.case import Feature, Transparency
from test_framing import traced_server

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LINE = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n"
HEAD = f"GET /a HTTP/1.1\r\nHost: h\r\n{LINE}X-After: 1\r\n\r\n".encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SEEN = re.compile(HEAD.replace(PARENT.encode(), b"([0-9a-f]{16})").replace(b".", b"[.]"))


def ids_in(received):
    """The parent-ids that the program saw; an assertion when anything else has changed."""
    ids = SEEN.findall(received)
    assert SEEN.sub(b"", received) == b"", received
    return [i.decode() for i in ids]


class Reads(Feature):
    def servers(self, lab, count):
        spans = self.spans(lab, count)
        for span in spans:  # the caller's span is the parent, whatever the program saw
            self.assertEqual((span["kind"], span["trace_id"], span["parent_span_id"]),
                             ("SERVER", TRACE, PARENT))
        return spans

    def tagged(self, steps, head=HEAD, requests=1, **settings):
        """What a program that reads by these steps saw, and its spans in their order."""
        lab = self.lab(**settings)
        at_server, at_client = traced_server(
            lab, [steps + [["send", ANSWER * requests]]],
            [[["send", head], ["read", len(ANSWER) * requests, 4096]]])
        self.assertEqual(at_client, [ANSWER * requests])
        spans = sorted(self.servers(lab, requests), key=lambda s: s["start"])
        return ids_in(at_server[0]), [s["span_id"] for s in spans]

    def test_parent_id_that_is_read_is_that_of_the_server_span(self):
        for name, steps in (("one read", [["read", len(HEAD), 65536]]),
                            ("pieces of 7", [["pieces", len(HEAD), 7]]),
                            ("pieces of 16", [["pieces", len(HEAD), 16]]),
                            ("peek ahead of the header", [["peek", 20],
                                                          ["read", len(HEAD), 65536]])):
            with self.subTest(name):
                seen, ids = self.tagged(steps)
                self.assertEqual(seen, ids)

    def test_each_of_pipelined_requests(self):
        seen, ids = self.tagged([["read", 5 * len(HEAD), 65536]], HEAD * 5, 5)
        self.assertEqual(len(set(seen)), 5)
        self.assertEqual(set(seen), set(ids))

    def test_unsampled_request_is_tagged_too(self):
        """It has no span to tell of, and its calls are children of it all the same."""
        lab = self.lab()
        head = HEAD.replace(b"-01\r\n", b"-00\r\n")
        at_server, _ = traced_server(lab, [[["read", len(head), 65536], ["send", ANSWER]]],
                                     [[["send", head], ["head", 2, 4096]]])
        self.assertEqual(lab.collector.wait_for(1, 0.3), [])
        seen, = ids_in(at_server[0].replace(b"-00\r\n", b"-01\r\n"))
        self.assertNotEqual(seen, PARENT)

    def test_nobody_sees_two_versions(self):
        """Read before the head's end, or peeked at: the header stays as it came."""
        for name, steps in (("byte by byte", [["read", len(HEAD), 1]]),
                            ("sevens", [["read", len(HEAD), 7]]),
                            ("peeked", [["peek", len(HEAD)], ["read", len(HEAD), 65536]]),
                            ("part peeked", [["peek", HEAD.index(b"00-") + 1],
                                             ["read", len(HEAD), 65536]])):
            with self.subTest(name):
                seen, _ = self.tagged(steps)
                self.assertEqual(seen, [PARENT])

    def test_head_cut_in_two_at_every_byte(self):
        cuts = range(1, len(HEAD))
        lab = self.lab()
        at_server, _ = traced_server(
            lab, [[["read", cut, cut], ["read", len(HEAD) - cut, 65536], ["send", ANSWER]]
                  for cut in cuts],
            [[["send", HEAD], ["head", 2, 4096]] for cut in cuts])
        known = {s["span_id"] for s in self.servers(lab, len(cuts))}
        tagged = []
        for cut, received in zip(cuts, at_server):
            seen, = ids_in(received)
            self.assertIn(seen, known | {PARENT}, cut)
            tagged += [cut] * (seen in known)
        # The header came with the head's end when the cut is not behind its value's first byte.
        self.assertEqual(tagged, list(range(1, HEAD.index(b"00-") + 1)))


class Copies(Feature):
    def test_ended_span_is_none(self):
        """A header that is passed on after the response: as it was read, and no span for the call."""
        lab = self.lab()
        second = lab.python_server("second.py", service="second")
        front = lab.python_server("copier.py", second.url(""), "late", service="front")
        rawhttp.connect(front.port, [[["send", HEAD.replace(b"/a", b"/a?id=7")],
                                      ["head", 2, 4096]]])
        spans = {s["service"]: s for s in self.spans(lab, 2)}
        self.assertEqual(spans["front"]["parent_span_id"], PARENT)
        self.assertEqual((spans["second"]["kind"], spans["second"]["parent_span_id"]),
                         ("SERVER", spans["front"]["span_id"]))
        front.stop()
        self.assertEqual(lab.total("tags_stale"), 1)


    def test_head_that_is_sent_twice(self):
        """A proxy that tries again: two calls of one request, each with an id of its own (C17)."""
        lab = self.lab()
        with rawhttp.listen() as bad, rawhttp.listen() as good:
            where = "".join("location %s {{ proxy_pass http://127.0.0.1:%d; %s }}\n" % (
                name, listener.getsockname()[1], more) for name, listener, more in (
                    ("/a", bad, "error_page 502 = @again;"), ("@again", good, "")))
            edge = lab.nginx(bad.getsockname()[1], location=where.format())
            with rawhttp.Background(rawhttp.serve, bad, [[["head", 0, 65536]]]) as first, \
                    rawhttp.Background(rawhttp.serve, good,
                                       [[["head", 0, 65536], ["send", ANSWER]]]) as second:
                rawhttp.connect(edge.port, [[["send", HEAD], ["head", 2, 4096]]])
        spans = self.spans(lab, 3)
        server, = [s for s in spans if s["kind"] == "SERVER"]
        calls = [s for s in spans if s["kind"] == "CLIENT"]
        self.assertEqual({s["parent_span_id"] for s in calls}, {server["span_id"]})
        told = re.findall(f"traceparent: 00-{TRACE}-(.*)-01\r\n".encode(),
                          first.records()[0] + second.records()[0])
        self.assertEqual(sorted(t.decode() for t in told), sorted(s["span_id"] for s in calls))


class Distrust(Feature):
    """OTEL_INTERSPAN_TRUST_INBOUND=false: what comes in starts a trace of its own, and nothing of the
    caller's goes on (C24)."""

    def proxied(self, front, **settings):
        """What a program behind a proxy is sent, and the proxy's two spans."""
        lab = self.lab(OTEL_INTERSPAN_TRUST_INBOUND="false", **settings)
        with rawhttp.listen() as listener:
            edge = front(lab, listener.getsockname()[1])
            with rawhttp.Background(rawhttp.serve, listener,
                                    [[["head", 0, 65536], ["send", ANSWER]]]) as backend:
                rawhttp.connect(edge.port, [[["send", HEAD], ["head", 2, 4096]]])
        server, client = sorted(self.spans(lab, 2), key=lambda s: s["kind"], reverse=True)
        self.assertEqual((server["parent_span_id"], client["parent_span_id"]),
                         ("", server["span_id"]))
        received, = backend.records()
        return received.decode(), client

    def assert_restarted(self, received, client):
        self.assertNotIn(TRACE, received)
        self.assertEqual(re.findall("traceparent: (.*)\r\n", received),
                         [f"00-{client['trace_id']}-{client['span_id']}-03"])

    def test_haproxy(self):
        self.need("haproxy")
        self.assert_restarted(*self.proxied(lambda lab, port: lab.haproxy(port)))

    def test_nginx_with_and_without_the_tag(self):
        for tag in ("true", "false"):
            with self.subTest(tag):
                self.assert_restarted(*self.proxied(lambda lab, port: lab.nginx(port),
                                                    OTEL_INTERSPAN_HEADER_TAG=tag))

    def test_service_passes_nothing_on(self):
        lab = self.lab(OTEL_INTERSPAN_TRUST_INBOUND="false")
        second = lab.python_server("second.py", traced=False)
        front = lab.gunicorn("flask_app:app", service="front", BACKEND=second.url(""))
        more = b"tracestate: a=1\r\nbaggage: user=7\r\n\r\n"
        head = HEAD.replace(b"/a", b"/users/7").replace(b"\r\n\r\n", b"\r\n" + more)
        body, = rawhttp.connect(front.port, [[["send", head], ["head", 2, 65536], ["eof", 65536]]])
        server, client = sorted(self.spans(lab, 2), key=lambda s: s["kind"], reverse=True)
        self.assertEqual((server["parent_span_id"], server["trace_state"]), ("", ""))
        # Whose it says it is, is not lost: sampled, and from the wire (O53).
        self.assertEqual(server["links"], [{"trace_id": TRACE, "span_id": PARENT, "flags": 0x301,
                                            "trace_state": "a=1", "attributes": {}, "dropped": 0}])
        self.assertEqual((server["dropped_links"], client["links"]), (0, []))
        self.assertNotEqual(server["trace_id"], TRACE)
        self.assertIn(f"00-{client['trace_id']}-{client['span_id']}-03".encode(), body)
        self.assertNotIn(b"tracestate", body)
        self.assertNotIn(b"baggage", body)


SIGNED = (b"Authorization: AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, "
          b"SignedHeaders=host;traceparent;x-amz-date, Signature=fe5f80\r\n")


class Signed(Feature):
    """What a signature covers is not touched, neither on its way in nor out, and the trace is right."""

    def test_proxy_passes_on_what_is_signed(self):
        head = HEAD.replace(b"X-After: 1\r\n", SIGNED)
        lab = self.lab()
        with rawhttp.listen() as listener:
            edge = lab.nginx(listener.getsockname()[1], service="edge")
            with rawhttp.Background(rawhttp.serve, listener,
                                    [[["head", 0, 65536], ["send", ANSWER]]]) as backend:
                rawhttp.connect(edge.port, [[["send", head], ["head", 2, 4096]]])
        server, = self.spans(lab, 1)
        self.assertEqual((server["kind"], server["parent_span_id"]), ("SERVER", PARENT))
        received, = backend.records()
        self.assertIn(LINE.encode() + SIGNED, received)
        edge.stop()
        self.assertEqual(lab.total("headers_not_tagged_signed"), 1)


class Same(Transparency):
    def test_nothing_else_changes_in_what_is_read(self):
        reads = ([["read", len(HEAD), 65536]], [["read", len(HEAD), 9]],
                 [["pieces", len(HEAD), 5]], [["peek", len(HEAD)], ["read", len(HEAD), 65536]])
        for steps in reads:
            with self.subTest(steps):
                lab = self.lab()
                at_server, _ = traced_server(lab, [steps + [["send", ANSWER]]],
                                             [[["send", HEAD], ["head", 2, 4096]]])
                self.assertEqual(len(ids_in(at_server[0])), 1)
                self.assert_loaded(lab, "python3.11", 1, hooked=True)

    def test_switched_off(self):
        for settings in ({"OTEL_INTERSPAN_HEADER_TAG": "false"}, {"OTEL_SDK_DISABLED": "true"}):
            with self.subTest(settings):
                lab = self.lab(**settings)
                at_server, _ = traced_server(
                    lab, [[["read", len(HEAD), 65536], ["send", ANSWER]]],
                    [[["send", HEAD], ["head", 2, 4096]]])
                self.assertEqual(at_server, [HEAD])
                self.assert_loaded(lab, "python3.11", 1, hooked=True)
