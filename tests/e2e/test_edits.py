# SPDX-License-Identifier: Apache-2.0
"""Trace headers that a proxy passes on: of whatever came in, exactly one that is valid goes out, and it is
that of our CLIENT span; what it had to make way for keeps its length."""
from support import rawhttp
from support.case import Feature

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"
OTHER = f"00-{'1' * 32}-{'2' * 16}-01"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

# Lines that come in; lines that nobody reads any more, in lower case; the tracestate that goes on;
# is the caller's trace continued?
ROWS = (
    ("C3: twice the same", [f"traceparent: {VALID}"] * 2 + ["tracestate: a=1"],
     [f"x-discarded: {VALID}"] * 2 + ["x-replaced: a=1"], [], False),
    ("C3: two", [f"Traceparent: {VALID}", f"traceparent: {OTHER}"],
     [f"x-discarded: {VALID}", f"x-discarded: {OTHER}"], [], False),
    ("C4: upper case", [f"traceparent: {VALID.upper()}"], [f"x-discarded: {VALID.upper()}"], [],
     False),
    ("C5: too long", [f"traceparent: {VALID}-more"], [f"x-discarded: {VALID}-more"], [], False),
    ("C6: ff", [f"traceparent: ff{VALID[2:]}", "tracestate: a=1"],
     [f"x-discarded: ff{VALID[2:]}", "x-replaced: a=1"], [], False),
    ("C7: zeros", [f"traceparent: 00-{'0' * 32}-{PARENT}-01"],
     [f"x-discarded: 00-{'0' * 32}-{PARENT}-01"], [], False),
    ("C29: tracestate alone", ["tracestate: a=1", "tracestate: b=2"],
     ["x-replaced: a=1", "x-replaced: b=2"], [], False),
    ("C36: tracestate that is void", [f"traceparent: {VALID}", "tracestate: foo=1,@bar=2"],
     ["x-replaced: foo=1,@bar=2"], [], True),
    ("C23: all well", [f"traceparent: {VALID}", "tracestate: a=1", "tracestate: b=2"], [],
     ["a=1", "b=2"], True),
)


def head_of(lines):
    return "".join(f"{line}\r\n" for line in ["GET /a HTTP/1.1", "Host: h", *lines, ""]).encode()


class Proxied(Feature):
    def passed_on(self, front, incoming, **settings):
        """What each of those heads is when it comes to the program behind the proxy."""
        lab = self.lab(**settings)
        with rawhttp.listen() as listener:
            edge = front(lab, listener.getsockname()[1])
            with rawhttp.Background(rawhttp.serve, listener,
                                    [[["head", 0, 65536], ["send", ANSWER]]] * len(incoming)
                                    ) as backend:
                rawhttp.connect(edge.port, [[["send", head], ["head", 2, 4096]]
                                            for head in incoming])
        clients = [s for s in self.spans(lab, 2 * len(incoming)) if s["kind"] == "CLIENT"]
        edge.stop()
        return lab, [r.decode().split("\r\n") for r in backend.records()], clients

    def values(self, lines, name):
        return [v.strip() for n, _, v in (line.partition(":") for line in lines) if n.lower() == name]

    def check(self, front):
        lab, received, clients = self.passed_on(front, [head_of(row[1]) for row in ROWS])
        known = {f"00-{s['trace_id']}-{s['span_id']}-" for s in clients}
        for (name, _, made_way, state, is_kept), lines in zip(ROWS, received, strict=True):
            with self.subTest(name):
                parent, = self.values(lines, "traceparent")
                self.assertIn(parent[:53], known)
                self.assertEqual(parent[3:35] == TRACE, is_kept)
                self.assertEqual(self.values(lines, "tracestate"), state)
                self.assertEqual(sorted(line for line in lines if line.startswith("x-")
                                        and not line.startswith("x-forwarded")), sorted(made_way))
        return lab

    def test_nginx(self):
        lab = self.check(lambda lab, port: lab.nginx(port, service="edge"))
        self.assertEqual(lab.total("headers_discarded"), sum(len(row[2]) for row in ROWS))

    def test_haproxy(self):
        self.need("haproxy")
        self.check(lambda lab, port: lab.haproxy(port, service="edge"))

    def test_later_version(self):
        """C9: what comes in as version cc goes on as version 00.  Its id was not tagged."""
        lines = [f"traceparent: cc{VALID[2:]}-what.the.future", "tracestate: a=1"]
        _, received, clients = self.passed_on(
            lambda lab, port: lab.nginx(port, service="edge"), [head_of(lines)],
            OTEL_INTERSPAN_HEADER_TAG="false")
        self.assertEqual(self.values(received[0], "traceparent"),
                         [f"00-{TRACE}-{clients[0]['span_id']}-01"])
        self.assertEqual(self.values(received[0], "x-discarded"), [lines[0][13:]])
        self.assertEqual(self.values(received[0], "tracestate"), ["a=1"])

    def test_hosts_that_are_not_told(self):
        """C124: OTEL_INTERSPAN_PROPAGATE_TO; the span is there, and nobody hears of it."""
        for pattern, is_told in (("back*", True), ("*.internal, 127.0.0.1", False)):
            with self.subTest(pattern):
                lab, received, clients = self.passed_on(
                    lambda lab, port: lab.nginx(port, service="edge"), [head_of([])],
                    OTEL_INTERSPAN_PROPAGATE_TO=pattern)
                self.assertEqual(len(self.values(received[0], "traceparent")), is_told)
                self.assertEqual(self.values(received[0], "host"), ["backend"])
                self.assertEqual(len(clients), 1)
                self.assertEqual(lab.total("headers_not_injected_outside"), not is_told)
