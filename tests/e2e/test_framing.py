# SPDX-License-Identifier: Apache-2.0
"""HTTP/1 framing, both directions: five requests give five spans, and the bytes on the wire are those
of the bare run but for the lines that we insert."""
import json
import os
import re
import time

from framing_rows import GET, OK, ROWS, fit, request
from support import rawhttp
from support.case import Feature, Transparency
from support.progs import PYTHON, Lab

RAWHTTP = rawhttp.__file__
# Lines of ours stand right before the empty line of a head.
OURS = re.compile(rb"((?:(?:traceparent|tracestate|baggage): [^\r\n]*\r\n)+)(?=\r\n)")
TRACEPARENT = re.compile(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r\n")

# name, size of the traced program's reads, size of its writes (0: whole)
SIZES = [("whole", 65536, 0), ("bytes", 1, 1), ("sevens", 7, 7)]


def strip_ours(data):
    return OURS.sub(b"", data)


def sent(script):
    return [b"".join(s[1] for s in steps if s[0] == "send") for steps in script]


def traced_server(lab, script, client_script):
    """The raw server as a program of its own, a bare client here: what each side received."""
    name = f"server{len(lab.programs)}"
    steps = lab.write(name, json.dumps(rawhttp.to_json(script)))
    port_file, record = lab.path(name + ".port"), lab.path(name + ".record")
    program = lab.start([PYTHON, RAWHTTP, "serve", port_file, steps, record], name,
                        service="server")
    deadline = time.monotonic() + 10
    while not os.path.exists(port_file):
        assert time.monotonic() < deadline and program.process.poll() is None, program.text()
        time.sleep(0.01)
    with open(port_file, encoding="ascii") as f:
        port = int(f.read())
    with rawhttp.Background(rawhttp.connect, port, client_script) as client:
        assert program.process.wait(15) == 0, program.text()
    return read_record(record), client.records()


def traced_client(lab, script, server_script):
    """The raw client as a program of its own, a bare server here."""
    name = f"client{len(os.listdir(lab.directory))}"
    steps, record = lab.write(name, json.dumps(rawhttp.to_json(script))), lab.path(name + ".record")
    with rawhttp.listen() as listener:
        port = listener.getsockname()[1]
        with rawhttp.Background(rawhttp.serve, listener, server_script) as server:
            done = lab.run([PYTHON, RAWHTTP, "connect", str(port), steps, record], timeout=15,
                           service="client")
    assert done.returncode == 0, done.stderr.decode()
    return read_record(record), server.records()


def read_record(path):
    with open(path, encoding="ascii") as f:
        return [text.encode("latin-1") for text in json.load(f)]


class Spans(Feature):
    """Five requests, five spans."""

    def assert_row(self, row, spans, kind, error):
        for span in spans:
            self.assertEqual(span["kind"], kind)
            self.assertEqual(span["name"], "HTTP" if row.method == "_OTHER" else row.method)  # H3
            self.assertEqual(span["status"], "ERROR" if error else "UNSET")
            self.assert_attributes(
                span, http_request_method=row.method, http_response_status_code=row.status,
                network_protocol_version=row.version, error_type=error)
            for name, value in row.more.items():
                self.assertEqual(span["attributes"].get(name), value)

    def test_server_spans_whatever_the_framing(self):
        for row in ROWS:
            for name, size, drip in SIZES:
                with self.subTest(row=row.name, pieces=name):
                    with Lab() as lab:
                        traced_server(lab, fit(row.server, size, drip), fit(row.client, 65536, 0))
                        spans = self.spans(lab, 5, 0.05)
                    self.assert_row(row, spans, "SERVER", row.server_error)

    def test_client_spans_whatever_the_framing(self):
        for row in ROWS:
            for name, size, drip in SIZES:
                with self.subTest(row=row.name, pieces=name):
                    with Lab() as lab:
                        _, got = traced_client(lab, fit(row.client, size, drip),
                                               fit(row.server, 65536, 0))
                        spans = self.spans(lab, 5, 0.05)
                    self.assert_row(row, spans, "CLIENT", row.error)
                    for span in spans:
                        self.assertEqual(span["attributes"].get("url.full"), row.url)
                    if not drip:
                        self.assert_carried(got, spans)

    def assert_carried(self, got, spans):
        """Each span's ids are what its request carried: one header a request (C17)."""
        carried = sorted(m.groups() for data in got for m in TRACEPARENT.finditer(data))
        mine = sorted((s["trace_id"].encode(), s["span_id"].encode(),
                       b"%02x" % (s["flags"] & 0xFF)) for s in spans)
        self.assertEqual(carried, mine)


class Bytes(Transparency):
    """What the peers receive is what they receive from bare programs, but for our lines."""

    def test_server_program_sends_and_receives_the_same_bytes(self):
        for row in ROWS:
            for name, size, drip in SIZES:
                with self.subTest(row=row.name, pieces=name):
                    with Lab() as lab:
                        at_server, at_client = traced_server(lab, fit(row.server, size, drip),
                                                             fit(row.client, 65536, 0))
                        self.assert_loaded(lab, "python3.11", 1, hooked=True)
                    self.assertEqual(at_server, sent(row.client))
                    self.assertEqual(at_client, sent(row.server))

    def test_client_program_sends_and_receives_the_same_bytes(self):
        for row in ROWS:
            for name, size, drip in SIZES:
                with self.subTest(row=row.name, pieces=name):
                    with Lab() as lab:
                        at_client, at_server = traced_client(lab, fit(row.client, size, drip),
                                                             fit(row.server, 65536, 0))
                        self.assert_loaded(lab, "python3.11", 1, hooked=True)
                    self.assertEqual(at_client, sent(row.server))
                    self.assertEqual([strip_ours(data) for data in at_server], sent(row.client))

    def test_header_of_the_application_is_left_alone(self):
        """A traceparent that we never saw is an SDK's: not a byte changes, no second one (C26)."""
        own = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        asked = request(headers=own)
        lab = self.lab()
        _, got = traced_client(lab, [[["send", asked], ["read", len(OK), 9]] * 3],
                               [[["head", 0, 65536], ["send", OK]] * 3])
        self.assertEqual(got, [asked * 3])
        self.assertEqual(lab.collector.wait_for(1, 0.3), [])

    def test_other_protocols_are_left_alone(self):
        """Bytes that are not HTTP/1, or stop to be: passed on, no span."""
        for name, data in (("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"),
                           ("binary", bytes(range(256)) * 4),
                           ("smtp", b"EHLO me\r\nMAIL FROM:<a@b>\r\n\r\n"),
                           ("near", b"GETX/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                           ("smuggling", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                                         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")):
            with self.subTest(name):
                with Lab() as lab:
                    _, got = traced_client(lab, [[["send", data], ["shut"], ["eof", 99]]],
                                           [[["eof", 65536], ["send", b"bye"]]])
                    self.assertEqual(lab.collector.wait_for(1, 0.1), [])
                self.assertEqual(got, [data])


class Cuts(Transparency):
    def test_request_cut_in_two_at_every_byte(self):
        """Received whole, with at most our lines, and these at the right place."""
        cuts = range(1, len(GET))
        client = [[["send", GET[:cut]], ["pause", 0.001], ["send", GET[cut:]],
                   ["read", len(OK), 4096]] for cut in cuts]
        lab = self.lab()
        _, got = traced_client(lab, client, [[["head", 0, 65536], ["send", OK]] for _ in cuts])
        self.assertEqual([strip_ours(data) for data in got], [GET for _ in cuts])
        self.assert_loaded(lab, "python3.11", 1, hooked=True)
        if not self.is_bare():
            late = [cut for cut, data in zip(cuts, got) if not TRACEPARENT.search(data)]
            self.assertEqual(late, [])
